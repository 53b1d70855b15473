from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import minnet
from minnet.cli import progress
from minnet.model.document import load, to_bytes
from tests.bad_inputs.helpers import finish, time_limit
from tests.bad_inputs.helpers import minnet as start
from tests.helpers import IRIS, PENGUINS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers import Run

QUICK = ("--networks", 4, "--epochs", 5, "--bins", 0, "--learning-rate", 0.01)
DECAYS = ("--weight-decay", 0.05, "--weight-decay", 0.3)
TUNE = ("tune", PENGUINS, "-t", "species", *QUICK, "--hidden", 2, "--hidden", 32, *DECAYS)


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def test_report_json_and_model_agree(run: Run, tmp_path: Path) -> None:
    ending = run(*TUNE)
    lines = ending.out.splitlines()
    assert lines[0].startswith("3 configurations, judged on 276 rows held out (")
    assert lines[1].split() == "decay hidden log loss std. error accuracy seconds".split()
    document = json.loads(run(*TUNE, "--json", "-q").out)
    trials = document["trials"]
    ranked = sorted(trials, key=lambda trial: trial["log_loss"])
    for line, trial in zip(lines[2 : 2 + len(trials)], ranked, strict=True):
        marks, cells = re.fullmatch(r"([a-z, ]*?) +(\d.*)", line).groups()  # type: ignore[union-attr]
        configuration, loss, error = (
            trial["configuration"],
            trial["log_loss"],
            trial["standard_error"],
        )
        assert cells.split()[:-1] == [
            f"{configuration['weight_decay']:g}",
            str(configuration["hidden"][0]),
            f"{loss:.3f}",
            f"{error:.3f}",
            f"{100 * trial['accuracy']:.1f}",
            "%",
        ]
        assert ("first" in marks) == (trial is trials[0])
        assert ("winner" in marks) == (trial is trials[document["chosen"] - 1])
    winner = trials[document["chosen"] - 1]
    assert document["log_loss"] == winner["log_loss"]
    gain = document["log_loss_gain"]
    assert gain == pytest.approx(trials[0]["log_loss"] - winner["log_loss"])
    assert f"log loss {gain:.3f} below the first's (standard error" in ending.out
    optimism = document["selection"]["log_loss_optimism"]
    assert (
        f"from 3 configurations on these rows, which flatters: log loss by about {optimism:.3f}"
        in (ending.out)
    )
    honest = document["log_loss"] + optimism
    assert document["log_loss_without_optimism"] == pytest.approx(honest)
    assert f"without that: log loss about {honest:.3f}, accuracy about " in lines[-1]
    model = load(tmp_path / "model.json")
    assert list(model.settings.hidden) == winner["configuration"]["hidden"]
    assert model.settings.weight_decay == winner["configuration"]["weight_decay"]
    assert minnet.evaluate(model, PENGUINS).log_loss == pytest.approx(winner["log_loss"])
    assert ending.err.splitlines()[-2:] == [
        "wrote model.json (4 networks of 611 parameters)",
        "next: minnet evaluate NEW.csv (rows that did not choose tell how good it is)",
    ]


def test_train_with_the_winners_options_writes_the_same_but_that_it_was_chosen(
    run: Run, tmp_path: Path
) -> None:
    document = json.loads(run(*TUNE, "--json").out)
    configuration = document["trials"][document["chosen"] - 1]["configuration"]
    hidden, decay = ",".join(map(str, configuration["hidden"])), configuration["weight_decay"]
    tuned = load(tmp_path / "model.json")
    assert tuned.selection is not None
    run("train", *TUNE[1:], "--hidden", hidden, "--weight-decay", decay)
    assert (tmp_path / "model.json").read_bytes() == to_bytes(replace(tuned, selection=None))


def test_a_table_of_noise_is_not_evaluated_next(run: Run) -> None:
    noise = "x,y\n" + "".join(f"{i * 7919 % 101},{'ab'[i % 2]}\n" for i in range(60))
    err = run("tune", "-", *QUICK, "--hidden", 1, "--hidden", 2, stdin=noise).err
    assert err.splitlines()[-1].startswith("next: minnet show (nothing was learned")


def test_first_configuration_that_wins_is_said_to(run: Run) -> None:
    out = run("tune", IRIS, *QUICK, "--weight-decay", 0.1, "--hidden", 16, "--hidden", 1).out
    assert "winner    the first configuration: hidden 16\n" in out
    assert "chosen from 2 configurations on these rows, which flatters" in out
    assert re.search(r"^winner +16 ", out, re.MULTILINE)


def test_reports_say_that_a_tuned_models_scores_on_these_rows_flatter(
    run: Run, tmp_path: Path
) -> None:
    run(*TUNE)
    run("train", *TUNE[1:-2], "-m", "plain.json")
    selection = load(tmp_path / "model.json").selection
    assert selection is not None
    lines = (tmp_path / PENGUINS).read_text().splitlines()
    (tmp_path / "fresh.csv").write_text("\n".join([lines[0], *map(moved, lines[1:60])]))
    assert f"\n{selection}\n" in run("evaluate", PENGUINS).out
    assert f"\n  {selection}\n" in run("show").out + "\n"
    assert run("compare", "model.json", "plain.json", PENGUINS).out.count(str(selection)) == 1
    for arguments in (("evaluate", PENGUINS), ("show",)):
        assert json.loads(run(*arguments, "--json").out)["selection"] == vars(selection)
    compared = json.loads(run("compare", "plain.json", "model.json", PENGUINS, "--json").out)
    assert [one["selection"] for one in compared["scores"]] == [None, vars(selection)]
    run("page", PENGUINS, "-o", "page.html")
    run("page", "-o", "bare.html")
    assert (tmp_path / "page.html").read_text().count(str(selection)) == 2
    assert (tmp_path / "bare.html").read_text().count(str(selection)) == 1
    for arguments in (
        ("evaluate", "fresh.csv"),
        ("compare", "model.json", "plain.json", "fresh.csv"),
    ):
        assert "chosen from" not in run(*arguments).out


def moved(line: str) -> str:
    """A penguin that no table holds."""
    cells = line.split(",")
    return ",".join(f"{float(cell) + 0.07:g}" if cell[:1].isdigit() else cell for cell in cells)


def test_failed_configuration_stands_last(run: Run) -> None:
    rates = ("--learning-rate", 1e30, "--learning-rate", 0.01)
    options = (*QUICK[:-2], "--hidden", 3, "--weight-decay", 0.1)
    out = run("tune", IRIS, *options, *rates).out
    assert re.search(r"^first +1e\+30 +failed ", out, re.MULTILINE)
    assert "winner    learning rate 0.01\n" in out
    assert "nan" not in out
    document = json.loads(run("tune", IRIS, *options, *rates, "--json").out)
    assert document["trials"][0]["log_loss"] is None
    assert "too large" in document["trials"][0]["error"]


@pytest.mark.parametrize(("budget", "configurations"), [(1, 1), (2, 2), ("1000s", 3)])
def test_budget_is_configurations_or_seconds(run: Run, budget: object, configurations: int) -> None:
    document = json.loads(run(*TUNE, "--budget", budget, "--json").out)
    assert len(document["trials"]) == configurations


@pytest.mark.parametrize("budget", ["0", "-1", "1.5", "0s", "s", "", "2m", "9" * 30, "\uff11"])
def test_other_budgets_are_refused(run: Run, budget: str) -> None:
    ending = run("tune", IRIS, "--budget", budget)
    assert "is neither configurations, like 20, nor seconds, like 60s" in ending.only_error
    assert ending.code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--hidden", "8", "--hidden", "x"), "'x' is not a width like 32"),
        (
            ("--hidden", "8", "--bins", 0, "--learning-rate", 1, "--weight-decay", 0),
            "one configuration",
        ),
        (
            ("--learning-rate", 0.1, "--learning-rate", 0),
            "--learning-rate is 0: it must be a number above 0",
        ),
        (("--workers", 0), "0 is not in the range 1<=x<=1024"),
        (("--optimizer", "sgd", "--optimizer", "adm"), "'adm' is unknown; did you mean 'adam'?"),
    ],
)
def test_mistakes_get_one_line(run: Run, arguments: tuple[object, ...], message: str) -> None:
    ending = run("tune", IRIS, *arguments)
    assert ending.code == 2
    assert message in ending.only_error


def test_every_option_takes_several_values(run: Run) -> None:
    pairs: dict[str, tuple[object, object]] = {
        "--hidden": (2, "2,2"),
        "--bins": (0, 2),
        "--epochs": (1, 2),
        "--patience": (1, 2),
        "--learning-rate": (0.01, 0.02),
        "--batch-size": (16, 32),
        "--weight-decay": (0, 1),
        "--optimizer": ("adam", "sgd"),
        "--loss": ("cross-entropy", "squared-residuals"),
        "--seed": (0, 1),
    }
    options = [part for name, both in pairs.items() for value in both for part in (name, value)]
    document = json.loads(run("tune", IRIS, "--networks", 1, *options, "--json").out)
    first = document["trials"][0]["configuration"]
    assert set(first) == {name[2:].replace("-", "_") for name in pairs} | {"sharp_bins"}
    for name, values in pairs.items():
        option = name[2:].replace("-", "_")
        assert len({str(trial["configuration"][option]) for trial in document["trials"]}) == len(
            values
        )


def test_a_flag_fixes_what_is_varied_without_it(run: Run) -> None:
    options = ("--networks", 2, "--epochs", 2, "--bins", 3, "--hidden", 2)
    for flags, expected in (((), {False, True}), (("--sharp-bins", "--hidden", 3), {True})):
        document = json.loads(run("tune", IRIS, *options, *flags, "--json").out)
        model = [trial["configuration"].get("sharp_bins", True) for trial in document["trials"]]
        assert set(model) == expected


def test_picture_is_drawn_at_once_or_later_from_the_json(run: Run, tmp_path: Path) -> None:
    printed = run(*TUNE, "--json", "--plot", "tune.svg").out
    (tmp_path / "tune.json").write_text(printed)
    assert run("plot", "tune", "tune.json", "-o", "later.svg").err == "wrote later.svg\n"
    assert (tmp_path / "later.svg").read_bytes() == (tmp_path / "tune.svg").read_bytes()


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"trials": [], "chosen": 1}', '{"trials": [{}], "chosen": 1}', "\xff"],
)
def test_picture_of_anything_else_is_refused(run: Run, tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content, encoding="latin-1")
    ending = run("plot", "tune", "x.json")
    assert ending.only_error == "Error: x.json: not what `minnet tune --json` printed"
    assert "cannot be read" in run("plot", "tune", "nothing.json").only_error
    assert "needs DATA, what `minnet tune --json` printed" in run("plot", "tune").only_error


def test_progress_tells_configurations_and_the_best(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minnet.cli.options.is_terminal", lambda: True)
    err = run(*TUNE).err
    assert re.search(r"3/3 configurations .*best log loss 0\.\d{3}", err)
    assert "configurations" not in run(*TUNE, "-q").err


@pytest.mark.parametrize("keeps", [True, False])
def test_interrupted_tuning_keeps_the_best_only_if_asked(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeps: bool
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(progress.Progress, "advance", stop)
    ending = run(*TUNE, *["--keep-best"] * keeps, "--workers", 1)
    assert ending.code == 130
    assert ending.out == ""
    last = ending.err.splitlines()[-1]
    if keeps:
        assert re.fullmatch(
            r"Interrupted: model.json was written: the best of \d configurations?", last
        )
        assert load(tmp_path / "model.json").settings.epochs == 5
    else:
        assert last == "Interrupted: no model was written"
        assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL), (None, 1)],
    ids=["Ctrl-C", "SIGTERM", "SIGKILL", "a worker killed"],
)
def test_signal_ends_all_workers_and_leaves_nothing(
    tmp_path: Path, number: int | None, code: int
) -> None:
    long = ("--epochs", 100_000, "--patience", 100_000, "--workers", 2)
    process = start("tune", IRIS, "-q", *long, cwd=tmp_path, start_new_session=True)
    try:
        with time_limit():
            while len(found := children(process.pid)) < 2:
                time.sleep(0.001)
            time.sleep(0.3)
            if number == signal.SIGINT:
                os.killpg(process.pid, number)
            elif number is None:
                os.kill(found[0], signal.SIGKILL)
            else:
                process.send_signal(number)
            ending = finish(process)
            while any(os.path.exists(f"/proc/{child}") for child in found):
                time.sleep(0.05)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (ending.code, ending.out) == (code, "")
    if number is None:
        assert "a worker process was killed" in ending.only_error
        assert len(ending.err.splitlines()) == 1
    else:
        assert ending.err.strip() == ""
    assert list(tmp_path.iterdir()) == []
