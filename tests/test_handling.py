"""Scores stay honest whatever became of the training file in between."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import minnet
from minnet.data.encoding import Encoder
from minnet.model import fit as fit_module
from minnet.model import judges
from minnet.model.document import load, save
from tests.helpers import IRIS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers import Ending, Run

    Write = Callable[[str, str | bytes], Path]

HEADER, *ROWS = IRIS.read_text().splitlines()
QUICK = ("--epochs", 3, "--hidden", 4)


def csv_of(lines: list[str]) -> str:
    return "\n".join([HEADER, *lines]) + "\n"


def shuffled(lines: list[str] = ROWS) -> list[str]:
    return random.Random(1).sample(lines, len(lines))


def other_columns() -> str:
    table = [line.split(",") for line in (HEADER, *ROWS)]
    return "\n".join(",".join(row[k] for k in (4, 2, 0, 3, 1)) for row in table) + "\n"


def other_spelling() -> str:
    rows = [line.split(",") for line in ROWS]
    return csv_of([",".join([*(f"{cell}0" for cell in row[:4]), row[4]]) for row in rows])


def quoted() -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(line.split(",") for line in (HEADER, *ROWS))
    return text.getvalue()


SAME = {
    "shuffled": csv_of(shuffled()),
    "other columns first": other_columns(),
    "quoted, with CRLF": quoted(),
    "5.10 for 5.1": other_spelling(),
    "all at once": quoted().replace("\r\n", "\n").replace('"5.1"', '"+5.10"').replace("\n", "\r\n"),
}


def scores(ending: Ending) -> dict[str, Any]:
    assert ending.code == 0, ending
    read: dict[str, Any] = json.loads(ending.out)
    return read


def assert_same_scores(one: Any, other: Any) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert_same_scores(value, other[key])
    else:
        assert one == other or one == pytest.approx(other, rel=1e-5)


@pytest.mark.parametrize("content", SAME.values(), ids=list(SAME))
def test_training_rows_in_any_form_are_judged_alike(
    with_iris_model: Run, write: Write, content: str
) -> None:
    expected = scores(with_iris_model("evaluate", IRIS, "--json"))
    same = write("same.csv", content)
    assert_same_scores(scores(with_iris_model("evaluate", same, "--json")), expected)
    assert expected["out_of_fold"]


@pytest.mark.parametrize(
    ("lines", "rows", "known"),
    [
        (ROWS[1:], 149, 149),
        (shuffled()[:60], 60, 60),
        ([*ROWS, *(f"{k}.77,3,4.04,1.5,virginica" for k in range(10))], 160, 150),
        (["5.15,3.5,1.4,0.2,setosa", *ROWS[1:]], 150, 149),
        (["5.1,3.5,1.4,0.2,virginica", *ROWS[1:]], 150, 150),
        (["5.1,3.5,1.4,0.2,", *ROWS[1:]], 149, 149),
        ([*ROWS[1:], *(f"{k}.77,3,4.04,1.5,virginica" for k in range(11))], 160, 149),
    ],
    ids=["a line less", "some", "new", "edited cell", "edited label", "emptied label", "both"],
)
def test_rows_of_the_training_table_are_counted_and_none_is_judged_by_who_saw_it(
    with_iris_model: Run, write: Write, lines: list[str], rows: int, known: int
) -> None:
    changed = write("changed.csv", csv_of(lines))
    found = scores(with_iris_model("evaluate", changed, "--json"))
    assert (found["rows"], found["rows_in_training_table"]) == (rows, known)
    assert found["out_of_fold"]
    out = with_iris_model("evaluate", changed).out
    few = (
        f"{rows} rows, {known} in the training table, each judged by a network that never saw it; "
        f"{rows - known} new, judged by the mean of 8 networks\n"
    )
    assert out.startswith(few if known < rows else f"{rows} rows, all in the training table: ")
    model = load("model.json")
    evaluation = minnet.evaluate(model, changed)
    members = model.member_probabilities(changed)[:, evaluation.rows]
    own = [members[k] for k in range(8)]
    assert evaluation.fold_of_row is not None
    is_new = evaluation.fold_of_row < 0
    assert is_new.sum() == rows - known
    training = minnet.evaluate(model, IRIS)
    there = {line: row for row, line in enumerate(ROWS)}
    for place, row in enumerate(evaluation.rows):
        if lines[row] in there and lines.count(lines[row]) == ROWS.count(lines[row]) == 1:
            expected = training.probabilities[there[lines[row]]]
            np.testing.assert_allclose(evaluation.probabilities[place], expected, rtol=1e-4)
        judges = [members.mean(axis=0)] if is_new[place] else own
        gaps = [np.abs(evaluation.probabilities[place] - one[place]).max() for one in judges]
        assert min(gaps) < 1e-6, "judged by one network, or by all where the row is new"


def noise(rows: int = 150, columns: int = 30, seed: int = 0) -> list[str]:
    generator = np.random.default_rng(seed)
    names = ",".join([*(f"x{k}" for k in range(columns)), "y"])
    features = generator.standard_normal((rows, columns))
    labels = generator.integers(0, 2, rows)
    lines = [
        ",".join([*(f"{value:.4f}" for value in row), "ab"[label]])
        for row, label in zip(features, labels, strict=True)
    ]
    return [names, *lines]


def test_noise_is_not_taken_for_knowledge_because_its_rows_were_shuffled(
    run: Run, write: Write
) -> None:
    header, *lines = noise()
    run("train", write("noise.csv", "\n".join([header, *lines])), "-q")
    other = write("other.csv", "\n".join([header, *shuffled(lines)[1:]]))
    ending = run("evaluate", other, "--fail-under", 0.65)
    assert ending.code == 3
    assert "nothing was shown to be learned" in ending.out
    assert run("evaluate", other, "-q").out.startswith("149 rows, all in the training table: ")
    # What it would have said: the mean of networks most of which saw the row.
    model = load("model.json")
    ensemble = minnet.predict(model, other).predicted
    own = [line.rpartition(",")[2] for line in shuffled(lines)[1:]]
    seen = np.mean(np.equal(ensemble, own))
    assert seen > minnet.evaluate(model, other).accuracy + 0.1


@pytest.mark.parametrize("kind", ["confusion", "calibration"])
def test_pictures_of_a_shuffled_file_are_those_of_the_file(
    with_iris_model: Run, write: Write, tmp_path: Path, kind: str
) -> None:
    for name, content in (("one", csv_of(ROWS)), ("other", SAME["shuffled"])):
        write(f"{name}.csv", content)
        data = write("rows.csv", content)
        assert with_iris_model("plot", kind, data, "-o", f"{name}.png").code == 0
    one, other = ((tmp_path / f"{name}.png").read_bytes() for name in ("one", "other"))
    if kind == "confusion":
        assert one == other
    model = load("model.json")
    evaluations = [minnet.evaluate(model, tmp_path / f"{name}.csv") for name in ("one", "other")]
    assert {evaluation.judged_by for evaluation in evaluations} == {
        "all in the training table: judged by networks that never saw them"
    }
    errors = [evaluation.calibration_error for evaluation in evaluations]
    assert errors[0] == pytest.approx(errors[1], rel=1e-5)


def test_row_is_explained_by_the_network_that_held_it_out_wherever_it_stands(
    with_iris_model: Run, write: Write
) -> None:
    order = shuffled()
    data = write("shuffled.csv", csv_of(order))
    chosen = [row for row in range(150) if ROWS.count(ROWS[row]) == 1][::50]
    networks = []
    for row in chosen:
        one = scores(with_iris_model("explain", IRIS, "--row", row + 1, "--json"))
        at = order.index(ROWS[row]) + 1
        other = scores(with_iris_model("explain", data, "--row", at, "--json"))
        assert one["trained_on_row"] == other["trained_on_row"]
        assert one["trained_on_row"].count(False) == 1
        assert one["network"] == other["network"] == one["trained_on_row"].index(False) + 1
        networks.append(one["network"])
        assert with_iris_model("plot", "network", data, "--row", at, "-o", "n.svg").code == 0
    assert len(set(networks)) > 1


def test_a_class_that_is_new_to_the_model_does_not_hide_the_training_rows_from_explain(
    with_iris_model: Run, write: Write
) -> None:
    data = write("tulip.csv", csv_of([*ROWS, "1,2,3,4,tulip"]))
    for row in (1, 80):
        one = scores(with_iris_model("explain", IRIS, "--row", row, "--json"))
        other = scores(with_iris_model("explain", data, "--row", row, "--json"))
        assert one["trained_on_row"] == other["trained_on_row"]


def test_same_rows_in_any_order_train_the_same_bytes(run: Run, write: Write) -> None:
    header, *lines = noise(40, 3)
    lines = [
        line.replace(",", f",{word},", 1)
        for line, word in zip(lines, ["u", "v", "w", "v"] * 10, strict=True)
    ] * 2
    lines = lines[:70]
    header = header.replace(",", ",word,", 1)
    models = []
    for content in (lines, shuffled(lines), lines[::-1]):
        data = write("data.csv", "\n".join([header, *content]) + "\n")
        for options in ((), ("--group", "word")):
            assert run("train", data, *QUICK, "-q", *options).code == 0
            models.append((data.parent / "model.json").read_bytes())
    plain, grouped = set(models[::2]), set(models[1::2])
    assert (len(plain), len(grouped)) == (1, 1)
    assert plain != grouped


def test_training_encodes_and_splits_its_table_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counted(name: str, function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(Encoder, "transform", counted("transform", Encoder.transform))
    monkeypatch.setattr(judges, "split", counted("split", judges.split))
    monkeypatch.setattr(judges.KeySketch, "of", counted("sketch", judges.KeySketch.of))
    monkeypatch.setattr(fit_module, "split", judges.split)
    assert run("train", IRIS, *QUICK).code == 0
    assert sorted(calls) == ["sketch", "split", "transform"]
    calls.clear()
    minnet.train(IRIS, "species", epochs=1)
    assert sorted(calls) == ["sketch", "split", "transform"]


def grouped(groups: int, rows: int = 120) -> str:
    generator = np.random.default_rng(3)
    lines = [
        f"{generator.normal():.3f},{generator.normal():.3f},p{row % groups},{'ab'[row // 7 % 2]}"
        for row in range(rows)
    ]
    return "\n".join(["u,v,patient,y", *lines]) + "\n"


def test_groups_are_kept_together_and_their_column_is_no_feature(run: Run, write: Write) -> None:
    data = write("patients.csv", grouped(12))
    assert run("train", data, "--group", "patient", *QUICK).code == 0
    model = load("model.json")
    assert model.encoder.features == ["u", "v"]
    examples = model.encoder.examples(minnet.read_csv(data))
    dealt = judges.split(examples, model.settings)
    assert len(dealt.folds) == 8
    for patient in range(12):
        own = dealt.mask[:, examples.rows % 12 == patient]
        assert own.shape == (8, 10)
        assert (own == own[:, :1]).all()
        assert own[:, 0].sum() == 1
    out = run("evaluate", data).out
    assert out.startswith("120 rows, all in the training table: judged by networks that never saw")
    assert "groups of 'patient' kept together" in run("show").out


def test_new_row_of_a_known_group_is_judged_by_the_network_that_held_the_group_out(
    run: Run, write: Write
) -> None:
    data = write("patients.csv", grouped(12))
    run("train", data, "--group", "patient", *QUICK)
    more = write("more.csv", grouped(12) + "0.5,0.5,p3,a\n")
    model = load("model.json")
    evaluation = minnet.evaluate(model, more)
    assert (evaluation.known, len(evaluation)) == (120, 121)
    examples = model.encoder.examples(minnet.read_csv(more))
    mask = judges.judges_of(model, examples).mask
    patients = examples.rows % 12
    patients[examples.rows == 120] = 3
    held_out = mask[:, patients == 3]
    assert (held_out == held_out[:, :1]).all()


def test_model_with_groups_needs_their_column_to_be_judged_but_not_to_predict(
    run: Run, write: Write
) -> None:
    run("train", write("patients.csv", grouped(12)), "--group", "patient", *QUICK)
    lines = [line.split(",") for line in grouped(12).splitlines()]
    without = write("without.csv", "\n".join(f"{u},{v},{y}" for u, v, _, y in lines) + "\n")
    assert "without.csv has no column 'patient'." in run("evaluate", without).only_error
    assert run("predict", without).code == 0
    out = run("explain", without, "--row", 1).out
    assert "not known to be a row it was trained on" in out


def test_fewer_groups_than_folds_make_fewer_folds_and_a_note(run: Run, write: Write) -> None:
    ending = run("train", write("patients.csv", grouped(3)), "--group", "patient", *QUICK)
    assert ending.code == 0
    assert "note: column 'patient' has only 3 groups: that many folds, not 8" in ending.err
    assert len(load("model.json").folds) == 3


def test_one_group_is_refused(run: Run, write: Write) -> None:
    ending = run("train", write("patients.csv", grouped(1)), "--group", "patient", *QUICK)
    assert "all rows are of one group" in ending.only_error
    assert ending.code == 1


def test_group_column_is_a_feature_when_asked(run: Run, write: Write) -> None:
    data = write("patients.csv", grouped(3))
    options = ("--group", "patient", "--group-feature")
    assert run("train", data, *options, *QUICK).code == 0
    encoder = load("model.json").encoder
    assert encoder.group == "patient"
    assert encoder.features == ["u", "v", "patient = p0", "patient = p1", "patient = p2"]
    assert run("evaluate", data).out.startswith("120 rows, all in the training table: ")
    assert run("seeds", data, *options, *QUICK, "--networks", 2).code == 0


@pytest.mark.parametrize("command", ["train", "seeds"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--group-feature",), "--group-feature needs --group COLUMN"),
        (("--group", "y"), "column 'y' is the target: it cannot be the group"),
        (("--group", "patent"), "no column 'patent'; did you mean 'patient'"),
        (("--group", "u", "--group-feature", "--ignore", "u"), "it cannot be the group"),
    ],
)
def test_group_that_makes_no_sense_is_refused(
    run: Run, write: Write, command: str, options: tuple[str, ...], message: str
) -> None:
    ending = run(command, write("patients.csv", grouped(3)), *options)
    assert message in ending.only_error
    assert ending.code == 2


def repeated() -> str:
    """Make 60 rows with labels by chance, each five times."""
    header, *lines = noise(60, 4)
    return "\n".join([header, *(lines * 5)]) + "\n"


def test_repeated_rows_are_told_with_what_to_do_about_them(run: Run, write: Write) -> None:
    data = write("repeated.csv", repeated())
    note = (
        "note: 240 rows repeat others: copies flatter the scores (see --drop-repeats and --group)"
    )
    assert note in run("train", data).err
    assert note in run("seeds", data, *QUICK, "--networks", 2).err
    assert minnet.evaluate(load("model.json"), data).accuracy > 0.9


def test_dropping_repeats_takes_the_flattery_away_in_training_and_in_evaluation(
    run: Run, write: Write
) -> None:
    data = write("repeated.csv", repeated())
    trained = run("train", data, "--drop-repeats", "--json")
    assert "note: 240 rows that repeated others left out" in trained.err
    own = scores(trained)
    assert own["rows"] == 60
    assert 0.3 < own["accuracy"] < 0.65
    assert not own["is_learned"]
    ending = run("evaluate", data, "--json")
    assert "note: 240 rows that repeated others left out, as in training" in ending.err
    judged = scores(ending)
    assert (judged["rows"], judged["repeats_left_out"]) == (60, 240)
    for name in ("accuracy", "log_loss", "rows_in_training_table"):
        assert judged[name] == pytest.approx(own[name], rel=1e-5)
    for row in (1, 61, 241):
        explanation = scores(run("explain", data, "--row", row, "--json"))
        assert explanation["trained_on_row"].count(False) == 1
    seeds = run("seeds", data, "--drop-repeats", *QUICK, "--networks", 2)
    assert "note: 240 rows that repeated others left out" in seeds.err
    assert "of 60 rows" in seeds.out


def test_imbalanced_labels_without_signal_are_not_shown_to_be_learned(
    run: Run, write: Write
) -> None:
    generator = np.random.default_rng(5)
    lines = [f"{generator.normal():.3f},{'ab'[row % 9 == 0]}" for row in range(180)]
    data = write("imbalanced.csv", "\n".join(["x,y", *lines]))
    ending = run("train", data)
    assert "(class shares: 0.349)" in ending.out
    assert "nothing was shown to be learned" in ending.out
    document = scores(run("evaluate", data, "--json"))
    assert document["baseline_log_loss"] == pytest.approx(0.3488, abs=1e-4)
    assert document["is_learned"] is False
    low, high = document["log_loss_gain_interval"]
    assert low < 0.1 > high - low


def test_what_is_learned_is_not_called_chance(with_iris_model: Run) -> None:
    assert "nothing was shown" not in with_iris_model("evaluate", IRIS).out
    assert scores(with_iris_model("evaluate", IRIS, "--json"))["is_learned"] is True


def test_network_alone_says_that_its_scores_flatter(run: Run) -> None:
    out = run("train", IRIS, "--networks", 1, *QUICK).out
    assert "30 rows" in out
    assert "by which the network chose its epoch: that flatters" in out
    assert run("evaluate", IRIS).out.startswith(
        "30 rows, held out by the only network, which chose its epoch by them: that flatters"
    )


@pytest.mark.parametrize(
    "command",
    [["evaluate"], ["plot", "confusion"], ["plot", "calibration"], ["page"]],
    ids=" ".join,
)
def test_row_that_the_only_network_trained_on_is_not_judged(
    run: Run, tmp_path: Path, command: list[str]
) -> None:
    run("train", IRIS, "--networks", 1, *QUICK)
    trained = {*range(150)} - {*minnet.evaluate(load("model.json"), IRIS).rows}
    header, *rows = Path(IRIS).read_text().splitlines()
    part = tmp_path / "part.csv"
    part.write_text(f"{header}\n{rows[min(trained)]}\n")
    ending = run(*command, part)
    assert ending.only_error == "Error: no row can be judged: every network trained on them all"


@pytest.mark.parametrize(("repeated", "most"), [(0, 125_000), (10_000, 225_000)])
def test_model_of_a_large_table_grows_by_at_most_so_many_bytes(
    tmp_path: Path, repeated: int, most: int
) -> None:
    generator = np.random.default_rng(0)
    sizes = []
    for alone, twice in ((20, 0), (10_000 + 3 * repeated, repeated)):
        numbers = [*generator.normal(size=alone), *np.tile(generator.normal(size=twice), 2)]
        columns = {"x": numbers, "y": ["a", "b"] * (len(numbers) // 2)}
        save(minnet.train(columns, "y", networks=1, hidden=(), epochs=1), tmp_path / "m.json")
        sizes.append((tmp_path / "m.json").stat().st_size)
    assert sizes[1] - sizes[0] < most
