from __future__ import annotations

import json
import re
import shlex
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from minnet import read_csv
from minnet.cli.options import Request
from minnet.cli.train import TrainingRun
from minnet.data.encoding import Encoder
from minnet.model.document import load
from minnet.network.network import Network
from minnet.training.checkpoint import Checkpointer
from tests.helpers import IRIS, PENGUINS, fit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.helpers import Run

    Write = Callable[[str, str | bytes], Path]

QUICK = ("--epochs", 3, "--networks", 2)


def test_train_on_iris_reaches_the_promised_scores(run: Run) -> None:
    ending = run("train", IRIS, "--json")
    scores = json.loads(ending.out)
    assert ending.code == 0
    assert scores["accuracy"] >= 0.94
    assert scores["log_loss"] <= 0.15
    assert scores["rows"] == 150


def test_train_on_penguins_reaches_the_promised_accuracy(run: Run) -> None:
    scores = json.loads(run("train", PENGUINS, "--target", "species", "--json").out)
    assert scores["accuracy"] >= 0.97


def codes(rows: int, form: str = "{}") -> str:
    """A table whose label depends on a code, of which neighbours have nothing in common."""
    lines = [
        f"{form.format(i % 20)},{i * 7 % 11},{'ab'[i % 20 * 7 % 20 % 3 == 0]}" for i in range(rows)
    ]
    return "\n".join(["code,x,y", *lines, ""])


def test_numbers_are_categories_where_that_is_asked_for(run: Run) -> None:
    categorical = "--categorical", "code"
    accuracies = [
        json.loads(run("train", "-", "--json", *more, stdin=codes(400)).out)["accuracy"]
        for more in ((), categorical)
    ]
    assert accuracies[0] < 0.95 < 0.99 < accuracies[1]
    (column, _) = load("model.json").encoder.columns
    assert sorted(column.categories, key=int) == [*map(str, range(20))]
    # The model remembers, and 7.0 is 7.
    predicted = run("predict", "--columns", "predicted", stdin=codes(40)).out
    assert run("predict", "--columns", "predicted", stdin=codes(40, "{}.0")).out == predicted
    assert "unseen category" in run("predict", stdin=codes(40, "0{}")).out
    for command in (("tune", "--budget", "1"), ("seeds", "--networks", "2"), ("check",)):
        more = () if command == ("check",) else ("--epochs", 2)
        assert run(command[0], "-", *command[1:], *more, *categorical, stdin=codes(99)).code == 0


def test_many_different_numbers_may_be_categories(run: Run, write: Write) -> None:
    write("t.csv", "code,y\n" + "".join(f"{i % 1500},{'ab'[i % 2]}\n" for i in range(3000)))
    assert run("train", "t.csv", "--categorical", "code", *QUICK).code == 0
    (column,) = load("model.json").encoder.columns
    assert (len(column.categories), column.left_out) == (50, 1450)
    error = run("train", "t.csv", "--categorical", "cod", *QUICK).only_error
    assert error == "Error: t.csv has no column 'cod'; did you mean 'code'? It has: code, y"
    error = run("train", "t.csv", "--categorical", "y", *QUICK).only_error
    assert error == "Error: column 'y' is the target: it cannot be categorical"


def test_train_reports_on_stdout_and_prints_messages_on_stderr(run: Run, tmp_path: Path) -> None:
    ending = run("train", IRIS)
    assert re.search(r"accuracy +1\d\d of 150 rows \(9\d\.\d %", ending.out)
    assert "majority class 'setosa': 33.3 %" in ending.out
    default = "(the last column; --target chooses)"
    assert f"target 'species' {default}: setosa 50, versicolor 50, virginica 50\n" in ending.err
    for command in ("train", "tune"):
        named = run(command, IRIS, "--target", "species", *QUICK).err
        assert "target 'species': setosa 50, versicolor 50, virginica 50\n" in named
    assert max(map(len, ending.out.splitlines())) <= 80
    assert "wrote model.json (8 networks of 1,283 parameters)" in ending.err
    page = r"next: minnet page \S+iris.csv \(what it learned; then minnet evaluate on new rows\)\n$"
    assert re.search(page, ending.err)
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


def test_class_names_with_commas_are_told_apart_in_lists(run: Run, tmp_path: Path) -> None:
    names = ["a, b", "c", "d "]
    rows = [f'{row},"{names[row % 3]}","{names[row % 3]}"' for row in range(30)]
    (tmp_path / "data.csv").write_text("\n".join(["x,y,kind", *rows]) + "\n")
    ending = run("train", "data.csv", *QUICK)
    assert (
        "target 'kind' (the last column; --target chooses): 'a, b' 10, c 10, 'd ' 10\n"
        in ending.err
    )
    assert "categorical: 'a, b', c, 'd '\n" in run("show").out


def test_the_counts_of_classes_add_up_to_the_rows_told(run: Run, tmp_path: Path) -> None:
    rows = [f"{row % 20},{'ab'[row % 2]}" for row in range(30)]
    (tmp_path / "data.csv").write_text("\n".join(["x,kind", *rows]) + "\n")
    ending = run("train", "data.csv", "--drop-repeats", *QUICK)
    assert ending.err.startswith(
        "20 of 30 rows, 1 numeric column, target 'kind' (the last column; --target chooses): "
        "a 10, b 10\n"
    )


def test_missing_cells_are_counted_in_all_rows_and_the_first_is_told(run: Run) -> None:
    rows = "".join(
        f"{row % 20},{'' if row % 20 == 5 else 1},{'ab'[row % 2]}\n" for row in range(60)
    )
    for options in ((), ("--drop-repeats",)):
        err = run("train", "-", *options, *QUICK, stdin=f"x,z,y\n{rows}\n").err
        assert "note: 3 missing cells in 1 column, the first in line 7, column 'z'" in err


def test_quiet_train_says_nothing_but_its_report(run: Run) -> None:
    ending = run("train", IRIS, "-q", *QUICK)
    assert ending.err == ""
    assert "accuracy" in ending.out


def test_train_takes_the_last_column_as_target_unless_told(run: Run) -> None:
    run("train", PENGUINS, "-q", *QUICK)
    assert load("model.json").encoder.target == "year"
    run("train", PENGUINS, "-q", "-t", "island", "--ignore", "year", "--ignore", "sex", *QUICK)
    encoder = load("model.json").encoder
    assert encoder.target == "island"
    assert not {"year", "sex", "island"} & {column.name for column in encoder.columns}


@pytest.mark.parametrize(
    ("option", "name", "value"),
    [
        (("--networks", 3), "networks", 3),
        (("--hidden", "5,4"), "hidden", (5, 4)),
        (("--hidden", "0"), "hidden", ()),
        (("--bins", 4), "bins", 4),
        (("--epochs", 2), "epochs", 2),
        (("--patience", 1), "patience", 1),
        (("--learning-rate", 0.002), "learning_rate", 0.002),
        (("--batch-size", 7), "batch_size", 7),
        (("--weight-decay", 0.5), "weight_decay", 0.5),
        (("--optimizer", "sgd"), "optimizer", "sgd"),
        (("--loss", "squared-residuals"), "loss", "squared-residuals"),
        (("--balanced",), "balanced", True),
        (("--seed", 9), "seed", 9),
    ],
)
def test_every_training_option_changes_the_training(
    run: Run, option: tuple[object, ...], name: str, value: object
) -> None:
    # Unequal classes (the first 120 rows), so that --balanced has something to do.
    rows = "".join(IRIS.read_text().splitlines(keepends=True)[:121])
    base = ("train", "-", "-q", *QUICK, "--json")
    without = json.loads(run(*base, "-m", "a.json", stdin=rows).out)
    with_option = json.loads(run(*base, "-m", "b.json", *option, stdin=rows).out)
    assert getattr(load("b.json").settings, name) == value
    without.pop("model")
    with_option.pop("model")
    # Patience cannot matter before it runs out.
    assert (without != with_option) == (name != "patience")


def test_class_weights_are_those_of_python(run: Run) -> None:
    weights = ("--class-weight", "setosa=2.5", "--class-weight", "virginica=0.5")
    run("train", IRIS, "-q", *QUICK, *weights)
    model = load("model.json")
    assert model.settings.class_weights == (2.5, 1.0, 0.5)
    assert "class weights  2.5,1,0.5" in run("show").out
    weights_by_name = {"setosa": 2.5, "virginica": 0.5}
    other = fit(read_csv(IRIS), "species", epochs=3, networks=2, class_weights=weights_by_name)
    assert (other.network.values == model.network.values).all()


def test_same_data_and_seed_give_the_same_bytes(run: Run, tmp_path: Path) -> None:
    run("train", IRIS, *QUICK, "-m", "a.json")
    run("train", IRIS, *QUICK, "-m", "b.json")
    run("train", IRIS, *QUICK, "--seed", 1, "-m", "c.json")
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.json", "b.json", "c.json"))
    assert a == b != c


def test_trainings_on_other_columns_or_cells_never_share_a_checkpoint(write: Write) -> None:
    path = write("data.csv", "x,z,y\n" + "1,2,a\n2,?,b\n" * 9)
    training = TrainingRun(Request(model="m.json", quiet=True))
    checkpointers = [
        training.start(encoder, 18, np.array([9, 9]), encoder.examples(table).digest)[0]
        for table in (read_csv(path), read_csv(path, decimal=","))
        for ignore in ((), ("x",), ("z",))
        for encoder in [Encoder.fit(table, "y", ignore)]
    ]
    assert len({one.path for one in checkpointers if isinstance(one, Checkpointer)}) == 6


def test_cluster_without_its_package_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name.startswith("minnet.dask"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    ending = run("train", IRIS, "--scheduler", "tcp://127.0.0.1:1")
    needed = "this needs the package dask: pip install '.[dask]' in a clone of minnet"
    assert ending.only_error == f"Error: {needed}"


def test_train_reads_standard_input(run: Run) -> None:
    ending = run("train", "-", *QUICK, stdin=IRIS.read_bytes())
    assert ending.code == 0
    model = load("model.json")
    assert model.trained_on == "standard input"


def test_train_without_header_names_the_columns(run: Run, write: Write) -> None:
    data = write("iris.data", IRIS.read_text().split("\n", 1)[1])
    refused = run("train", data, *QUICK)
    assert "the first line looks like data (5.1, 3.5, 1.4, 0.2, setosa)" in refused.only_error
    assert "--no-header" in refused.only_error
    assert run("train", data, "--no-header", "--epochs", 3).code == 0
    encoder = load("model.json").encoder
    assert [column.name for column in encoder.columns] == [f"column{i}" for i in range(1, 5)]
    unlabelled = "".join(
        line.rsplit(",", 1)[0] + "\n" for line in data.read_text().splitlines()[:2]
    )
    ending = run("predict", stdin=unlabelled)
    assert ending.out.splitlines()[0].startswith("column1,column2,column3,column4,predicted,")
    assert ending.out.splitlines()[1].startswith("5.1,3.5,1.4,0.2,setosa,")
    assert run("evaluate", data).out.startswith("150 rows, all in the training table: ")


def test_train_draws_the_loss_curves_when_asked(run: Run, tmp_path: Path) -> None:
    ending = run("train", IRIS, "--plot", "loss.svg", *QUICK)
    assert "wrote model.json" in ending.err
    assert b"<svg" in (tmp_path / "loss.svg").read_bytes()


@pytest.mark.parametrize(
    ("table", "note"),
    [
        (
            "x,k,y\n" + "1,5,a\n2,5,b\n3,5,a\n4,5,b\n" * 5,
            "column 'k' is constant: the same in every row",
        ),
        (
            "id,x,y\n" + "".join(f"{i},{i % 7},{'ab'[i % 2]}\n" for i in range(40)),
            "column 'id' is different in every row",
        ),
        (
            "x,z,y\n1,1,a\n,2,b\n3,,a\n4,?,b\n" * 5,
            "15 missing cells in 2 columns, the first in line 3, column 'x'",
        ),
        (
            "x,y\n" + "1,a\n2,b\n" * 10 + "3,c\n",
            "1 class has fewer rows than the 8 folds, which makes scores uncertain: 'c' 1",
        ),
        (
            "x,y\n" + "1,a\n2,b\n" * 10 + "3,\n",
            "1 row without a label left out, the first in line 22",
        ),
        ("x,e,y\n" + "1,,a\n2,,b\n" * 10, "column 'e' is empty: left out"),
        ("x,y\n" + "1,a\n2,b\n3,a\n" * 4 + "L,b\n", "column 'x' is read as categories: 'L' is not"),
        (
            "x;y\n" + "1,5;a\n2,5;b\n" * 10,
            "numbers with decimal commas in 'x'; if the commas are no decimal marks: --decimal .",
        ),
        (
            "z,y\n" + "".join(f"c{i % 60},{'ab'[i % 2]}\n" for i in range(240)),
            "column 'z' has 60 categories: the 50 most frequent are used",
        ),
        (
            "x,y\n" + "1,a b\n2,a  b\n" * 10,
            "classes 'a  b' and 'a b' differ only in white space",
        ),
        (
            'x,"x ",y\n' + "1,3,a\n2,4,b\n" * 10,
            "columns 'x' and 'x ' differ only in white space",
        ),
        (
            "x,y\nu,a\nu\t,b\n" + "u,a\nu,b\n" * 10,
            "column 'x': categories 'u' and 'u\\t' differ only in white space",
        ),
        (
            "x,y\n" + "1,Zo\u00eb\n2,Zoe\u0308\n3,b\n" * 10,
            "classes 'Zoe\\u0308' and 'Zo\\xeb' differ only in Unicode form",
        ),
        (
            "x,y\n" + "1,0\n2,1\n3,0.0\n4,1.0\n" * 10,
            "classes '0' and '0.0' differ only in how the number is written",
        ),
        (
            "x,y\n" + "1,Zo\u00eb\n2,zoe\u0308 \n" * 10,
            "classes 'Zo\\xeb' and 'zoe\\u0308 ' differ only in case, white space and Unicode form",
        ),
        (
            "x,y\n" + "1,K\n2,\u212a\n" * 10,
            "classes 'K' and '\\u212a' differ only in Unicode form",
        ),
        (
            "x,y\n" + f"1,{'s' * 40}{'a' * 20}\n2,{'s' * 20}{'a' * 40}\n" * 10,
            f"classes '{'s' * 20}{'a' * 40}' and '{'s' * 40}{'a' * 20}' look alike in reports and "
            "pictures, cut short",
        ),
    ],
)
def test_train_notes_what_is_odd_about_the_table(run: Run, table: str, note: str) -> None:
    ending = run("train", "-", "--epochs", 2, stdin=table)
    assert ending.code == 0, ending
    assert f"note: {note}" in ending.err


def test_classes_with_fewer_rows_than_folds_are_one_note(run: Run) -> None:
    rare = "".join(f"{i},rare {i}\n" * (1 + i % 3) for i in range(19))
    err = run("train", "-", "--epochs", 2, stdin="x,y\n" + "1,a\n2,b\n" * 20 + rare).err
    assert (
        "note: 19 classes have fewer rows than the 8 folds, which makes scores uncertain: "
        "'rare 0' 1, 'rare 3' 1, 'rare 6' 1, 'rare 9' 1 and 15 more\n"
    ) in err
    assert err.count("uncertain") == 1


@pytest.mark.parametrize(
    ("dead", "says"), [(1, "1 of 8 hidden units is"), (2, "2 of 8 hidden units are")]
)
def test_dead_units_are_counted_in_english(
    run: Run, monkeypatch: pytest.MonkeyPatch, dead: int, says: str
) -> None:
    monkeypatch.setattr(Network, "live_units", lambda *_: np.arange(8)[None] >= dead)
    assert f"note: {says} dead (never above 0" in run("train", IRIS, *QUICK).err


@pytest.mark.parametrize(("dead", "is_told"), [(0, False), (1, False), (16, False), (17, True)])
def test_dead_units_of_a_large_network_are_told_if_they_are_most(
    run: Run, monkeypatch: pytest.MonkeyPatch, dead: int, is_told: bool
) -> None:
    monkeypatch.setattr(Network, "live_units", lambda *_: np.arange(32)[None] >= dead)
    reason = "(never above 0 on these rows): the learning rate 0.01 is too large (--learning-rate)"
    err = run("train", IRIS, *QUICK).err
    assert (f"{dead} of 32 hidden units are dead {reason}" in err) == is_told
    assert ("dead" in err) == is_told


@pytest.mark.parametrize(("rows", "is_told"), [(150, True), (50, False)])
def test_explain_tells_of_dead_units_of_its_network_if_the_rows_are_enough(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch, rows: int, is_told: bool
) -> None:
    run("train", IRIS, *QUICK)
    monkeypatch.setattr(Network, "live_units", lambda *_: np.arange(32)[None] >= 3)
    write("some.csv", "".join(IRIS.read_text().splitlines(keepends=True)[: rows + 1]))
    err = run("explain", "some.csv", "--row", 1, "--network", 2).err
    assert ("3 of 32 hidden units of network 2 are dead (never above 0" in err) == is_told


def test_hint_is_a_command_that_a_shell_runs(run: Run, write: Write) -> None:
    write("-my $data (1).csv", IRIS.read_bytes())
    for data, model in (
        ("./-my $data (1).csv", "it's (1).json"),
        ("-my $data (1).csv", "model.json"),
    ):
        run("train", *QUICK, "-m", model, "--", data)
        err = run("evaluate", "-m", model, "--", data).err
        hint = err.splitlines()[-1].removeprefix("next: minnet ").rpartition(" (its class ")[0]
        assert run(*shlex.split(hint)).out.startswith("row ")


NOISE = "x,y\n" + "".join(f"{i * 7919 % 101},{'ab'[i % 2]}\n" for i in range(60))
NOISY_SQUARES = "x,y\n" + "".join(f"{i},{'ab'[(i > 60) ^ (i * 31 % 5 == 0)]}\n" for i in range(120))


@pytest.mark.parametrize(
    ("table", "options", "hint"),
    [
        (
            IRIS.read_text(),
            (),
            "minnet show (what the model holds; then minnet evaluate on new rows)",
        ),
        (NOISE, (), "minnet show (nothing was learned: were columns and classes read right?)"),
        (
            NOISE,
            ("--learning-rate", 3),
            "the same command with a smaller --learning-rate (nothing was learned)",
        ),
        (
            IRIS.read_text(),
            ("--epochs", 3),
            "the same command with --epochs 6 (the loss still fell)",
        ),
        (
            NOISY_SQUARES,
            ("--weight-decay", 0, "--patience", 300, "--bins", 40),
            "the same command with tune instead of train (the probabilities do not hold yet)",
        ),
        (
            NOISY_SQUARES,
            ("--weight-decay", 0, "--patience", 300, "--bins", 40, "--threshold", "balanced"),
            "minnet show (what the model holds; then minnet evaluate on new rows)",
        ),
    ],
)
def test_the_next_command_follows_from_the_outcome(
    run: Run, table: str, options: tuple[object, ...], hint: str
) -> None:
    assert run("train", "-", *options, stdin=table).err.splitlines()[-1] == f"next: {hint}"


def test_train_does_not_note_names_that_are_told_apart(run: Run) -> None:
    table = "ab,a b,y\n" + f"1,2,{'s' * 40}a\n2,2,{'s' * 40}b\n" * 10
    err = run("train", "-", "--epochs", 2, stdin=table).err
    assert "differ only" not in err
    assert "look alike" not in err


def test_train_tells_of_dead_units_and_that_nothing_was_shown_to_be_learned(run: Run) -> None:
    generator = np.random.default_rng(0)
    noise = "".join(f"{generator.normal():.3f},{'ab'[i % 2]}\n" for i in range(60))
    ending = run("train", "-", "--hidden", "2", "--learning-rate", 0.5, stdin="x,y\n" + noise)
    assert "hidden units are dead (never above 0 on these rows)" in ending.err
    assert "nothing was shown to be learned" in ending.out


def test_a_learning_rate_that_is_too_large_ends_with_advice(run: Run, tmp_path: Path) -> None:
    ending = run("train", IRIS, "--learning-rate", "1e6")
    assert ending.code == 1
    assert ending.only_error.endswith("the learning rate 1e+06 is too large: try 0.01")
    assert not list(tmp_path.iterdir())


def test_train_overwrites_a_model_but_nothing_else(run: Run, write: Write) -> None:
    precious = write("model.json", '{"precious": true}')
    ending = run("train", IRIS, *QUICK)
    assert ending.code == 1
    assert "model.json: not a minnet model, so it is not overwritten" in ending.only_error
    assert precious.read_text() == '{"precious": true}'
    precious.unlink()
    assert run("train", IRIS, *QUICK).code == 0
    assert run("train", IRIS, *QUICK, "--seed", 1).code == 0
    assert load("model.json").settings.seed == 1
