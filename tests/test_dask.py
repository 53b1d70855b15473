from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

import minnet
from minnet.cli import train as train_parts
from minnet.cli.train import TrainingRun
from minnet.errors import DataError, SettingsError, WorkerError
from minnet.model.diagnostics import table_diagnostics
from minnet.model.document import to_bytes
from minnet.model.threshold import Threshold
from tests.helpers import IRIS, PENGUINS, unfolded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from distributed import Worker

    from minnet.model.model import Model
    from minnet.model.scores import Scores
    from minnet.training.loop import Training
    from minnet.training.settings import Epoch
    from tests.conftest import Run

pytest.importorskip("distributed", reason="these are the tests of Dask")

import dask.dataframe as dd
import pandas as pd
from distributed import Client, LocalCluster, get_worker

import minnet.dask
from minnet.dask.training import PartedTable, Stored, outline_of, submit
from minnet.data.columns import CategoricalColumn, DateColumn, NumericColumn, summarize
from minnet.data.encoding import Encoder, Roles
from minnet.data.table import FilePart, as_table
from minnet.model.fit import summarize_features
from minnet.training.folds import KeySketch
from minnet.training.loop import EachEpoch
from minnet.training.settings import TrainingSettings
from tests.bad_inputs.helpers import time_limit
from tests.dask_helpers import cluster_of, mortal_cluster

pytestmark = [
    pytest.mark.xdist_group("dask"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]


@pytest.fixture(autouse=True)
def _limit() -> Iterator[None]:
    """Fail rather than wait for ever for a cluster."""
    with time_limit(200):
        yield


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with cluster_of(2) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster, set_as_default=False) as client:
        yield client


def split(source: Path, folder: Path, count: int) -> str:
    """Deal the rows of a CSV to so many files; return their pattern."""
    header, *rows = source.read_text().splitlines()
    for part in range(count):
        (folder / f"{part}.csv").write_text("\n".join([header, *rows[part::count], ""]))
    return str(folder / "*.csv")


class Trained(NamedTuple):
    """A table in parts, and what a training on it came to."""

    table: PartedTable
    model: Model
    scores: Scores


def train_on_parts(
    client: Client,
    data: Any,
    roles: Roles,
    settings: TrainingSettings | None = None,
    on_epoch: Callable[[Epoch], object] | None = None,
) -> Trained:
    """Read a table in parts, and train on it."""
    table = PartedTable(client, data, roles)
    return Trained(table, *table.train(settings or TrainingSettings(), [EachEpoch(on_epoch)]))


FEW = TrainingSettings(epochs=3, networks=3)


@pytest.fixture
def iris_parts(tmp_path: Path) -> str:
    return split(IRIS, tmp_path, 4)


def test_any_number_of_workers_gives_the_same_bytes(iris_parts: str, client: Client) -> None:
    few = TrainingSettings(epochs=2, networks=2)
    two = train_on_parts(client, iris_parts, Roles("species"), settings=few).model
    with _threads(4) as another:
        four = train_on_parts(another, iris_parts, Roles("species"), settings=few).model
    assert to_bytes(four) == to_bytes(two)


def test_parts_have_the_dates_and_categories_of_the_whole(client: Client, tmp_path: Path) -> None:
    rows = [f"2024-0{i % 9 + 1}-03,{i % 3},{'ab'[i % 2]}\n" for i in range(60)]
    path = tmp_path / "whole.txt"
    path.write_text("".join(["day,code,y\n", *rows]))
    roles = Roles("y", categorical="code")
    whole = Encoder.from_summary(summarize(as_table(path, roles.form)), roles)
    trained = train_on_parts(client, split(path, tmp_path, 3), roles, settings=FEW)
    assert trained.model.encoder == whole
    assert [type(one) for one in whole.columns] == [DateColumn, CategoricalColumn]


def test_rounds_ahead_change_nothing(
    iris_parts: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minnet.training.rounds.STEPS_OF_A_ROUND", 1)
    settings = TrainingSettings(epochs=2, networks=2, batch_size=64)
    models = []
    for ahead in (1, 100):
        monkeypatch.setattr("minnet.dask.training.ROUNDS_AHEAD", ahead)
        models.append(train_on_parts(client, iris_parts, Roles("species"), settings=settings).model)
    one, other = map(to_bytes, models)
    assert one == other


def test_parts_put_together_in_tasks_train_and_score_as_each_alone(
    iris_parts: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Means are taken in another order: that may change the last digits.
    one = train_on_parts(client, iris_parts, Roles("species"), settings=FEW)
    monkeypatch.setattr("minnet.dask.training.MOST_BUNDLES", 3)
    other = train_on_parts(client, iris_parts, Roles("species"), settings=FEW)
    np.testing.assert_allclose(
        one.model.network.values, other.model.network.values, rtol=1e-3, atol=1e-4
    )
    assert one.scores.log_loss == pytest.approx(other.scores.log_loss, rel=1e-3)
    assert len(one.scores) == len(other.scores)


def test_part_that_another_worker_needs_is_in_a_file_of_that_one(client: Client) -> None:
    def folders(kept: Stored) -> tuple[str, str]:
        return str(kept._path.parent), get_worker().local_directory

    workers = client.scheduler_info()["workers"]
    kept = client.submit(Stored, "value", workers=min(workers))
    there, folder = client.submit(folders, kept, workers=max(workers)).result()
    assert there == folder


def test_workers_keep_their_parts_in_files_until_the_training_ends(
    iris_parts: str, client: Client
) -> None:
    def files(dask_worker: Worker) -> list[str]:
        return [name for name in os.listdir(dask_worker.local_directory) if name.startswith("tmp")]

    kept: list[str] = []

    def count(_: Epoch) -> None:
        kept.extend(name for names in client.run(files).values() for name in names)

    train_on_parts(client, iris_parts, Roles("species"), settings=FEW, on_epoch=count)
    assert len(kept) >= 4 * FEW.epochs
    while any(client.run(files).values()):  # they go soon after
        time.sleep(0.05)


def test_worker_without_room_for_what_it_is_sent_is_one_line(client: Client) -> None:
    here, there = client.scheduler_info()["workers"]

    def limit(size: int) -> int:
        before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
        return before

    part = client.submit(Stored, np.arange(1000), workers=[here])
    part.exception()
    before = client.run(limit, 100, workers=[there])[there]
    try:
        total = submit(client, np.sum, part, workers=[there])
        with pytest.raises(WorkerError, match=r"cannot keep its parts in .*: File too large"):
            total.result(timeout=30)
    finally:
        client.run(limit, before, workers=[there])


def test_killed_worker_costs_time_and_nothing_else(iris_parts: str, client: Client) -> None:
    expected = train_on_parts(client, iris_parts, Roles("species"), settings=FEW).model
    killed: list[int] = []

    def kill(_: Epoch) -> None:
        if not killed:
            killed.extend(client.run(os.getpid).values())
            os.kill(killed[0], signal.SIGKILL)

    model = train_on_parts(client, iris_parts, Roles("species"), settings=FEW, on_epoch=kill).model
    assert killed
    assert to_bytes(model) == to_bytes(expected)


def test_model_of_parts_is_an_ordinary_model_with_scores_out_of_fold(
    iris_parts: str, client: Client, tmp_path: Path
) -> None:
    trained = train_on_parts(
        client,
        iris_parts,
        Roles("species"),
        settings=TrainingSettings(epochs=12, learning_rate=0.03),
    )
    minnet.save(trained.model, tmp_path / "model.json")
    model = minnet.load(tmp_path / "model.json")
    evaluation = minnet.evaluate(model, IRIS)
    assert evaluation.known == 150
    assert trained.scores.accuracy == pytest.approx(evaluation.accuracy, abs=1e-9)
    assert trained.scores.log_loss == pytest.approx(evaluation.log_loss, abs=0.01)
    assert trained.scores.accuracy > 0.9
    assert trained.scores.is_learned
    assert trained.scores.inflation == pytest.approx(2, abs=0.01)
    assert trained.scores.calibration_error == pytest.approx(evaluation.calibration_error, abs=0.01)


def test_threshold_and_class_weights_of_parts_are_those_of_a_table(
    client: Client, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"epochs": 6, "networks": 5, "class_weights": {"male": 2.0}}
    parts = split(PENGUINS, tmp_path, 3)
    settings = TrainingSettings(epochs=6, networks=5, class_weights=(1.0, 2.0))
    table = PartedTable(client, parts, Roles("sex"))
    model, scores = table.train(settings, decision="balanced")
    evaluation = minnet.evaluate(model, PENGUINS)
    assert model.threshold == Threshold.balanced("male", evaluation.threshold_counts)
    assert scores.confusion.tolist() == evaluation.confusion.tolist()
    again = minnet.dask.train(parts, "sex", client=client, threshold="balanced", **options)
    assert to_bytes(again) == to_bytes(model)
    fixed = minnet.dask.train(parts, "sex", client=client, threshold=("male", 0.3), **options)
    assert fixed.threshold == Threshold("male", 0.3)


def test_parts_take_weights_and_leave_out_rows_of_weight_0(client: Client, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    frame = pd.read_csv(PENGUINS)
    frame["w"] = generator.choice([0, 0.5, 1, 2.5], len(frame))
    frame.loc[frame.index[:5], ["w", "sex"]] = 0, "unknown"
    whole, kept = tmp_path / "whole.csv", tmp_path / "kept.csv"
    frame.to_csv(whole, index=False)
    frame[frame["w"] > 0].to_csv(kept, index=False)
    options: dict[str, Any] = {"epochs": 4, "networks": 5, "balanced": True}
    for path in (whole, kept):
        (tmp_path / path.stem).mkdir()
    parts = [split(path, tmp_path / path.stem, 3) for path in (whole, kept)]
    models = [
        minnet.dask.train(one, "sex", client=client, weights="w", **options)
        for one in (dd.from_pandas(pd.read_csv(kept), npartitions=1), str(kept))
    ]
    assert (models[0].network.values == models[1].network.values).all()
    trained = [
        train_on_parts(client, one, Roles("sex", weights="w"), TrainingSettings(**options))
        for one in parts
    ]
    for model, scores in ((one.model, one.scores) for one in trained):
        assert model.class_names == ("female", "male")
        evaluation = minnet.evaluate(model, str(whole))
        assert len(scores) == len(evaluation)
        for name in ("accuracy", "log_loss", "balanced_accuracy", "accuracy_interval"):
            assert getattr(scores, name) == pytest.approx(getattr(evaluation, name)), name
    plain = train_on_parts(client, parts[1], Roles("sex", "w"), TrainingSettings(**options)).model
    assert (plain.network.layers[0].means != trained[1].model.network.layers[0].means).any()


def test_interval_of_few_networks_counts_the_rows_they_do_not_judge(
    iris_parts: str, client: Client
) -> None:
    settings = TrainingSettings(epochs=2, networks=2)
    trained = train_on_parts(client, iris_parts, Roles("species"), settings=settings)
    evaluation = minnet.evaluate(trained.model, IRIS)
    assert len(trained.scores) < 75
    assert trained.scores.inflation == pytest.approx(evaluation.inflation, abs=0.01)


def test_parts_with_more_features_than_rows_take_the_smaller_rate(
    tmp_path: Path, client: Client
) -> None:
    names = [f"x{i}" for i in range(30)]
    rows = [[*map(str, np.random.default_rng(row).random(30)), "ab"[row % 2]] for row in range(24)]
    wide = tmp_path / "wide"
    wide.write_text("\n".join(map(",".join, [[*names, "label"], *rows])))
    settings = TrainingSettings(epochs=1, networks=1, bins=0)
    trained = train_on_parts(client, split(wide, tmp_path, 2), Roles("label"), settings)
    assert trained.model.settings.learning_rate == 0.003


def test_each_network_of_parts_keeps_its_best_epoch(iris_parts: str, client: Client) -> None:
    settings = TrainingSettings(epochs=12, learning_rate=0.2)
    trained = train_on_parts(client, iris_parts, Roles("species"), settings=settings)
    history = trained.model.history
    assert history.best_epochs.min() < len(history)
    folds = trained.model.encoder.examples(minnet.read_csv(IRIS))
    rows = np.bincount(trained.model.folds.place(folds).folds, minlength=8)
    expected = np.average(history.kept_losses, weights=rows)
    assert trained.scores.log_loss == pytest.approx(expected, rel=1e-4)


def test_of_several_broken_files_the_first_is_told(client: Client, tmp_path: Path) -> None:
    rows = [f"{row},{'ab'[row % 2]}\n" for row in range(60_000)]
    (tmp_path / "1.csv").write_text("x,y\n" + "".join(rows) + "1,2,3\n")
    (tmp_path / "2.csv").write_text("x,y\n1,a\n1,2,3\n")
    for _ in range(3):
        with pytest.raises(DataError, match=r"1\.csv:60002: 3 cells"):
            minnet.dask.train(str(tmp_path / "?.csv"), "y", client=client)


def test_outline_of_a_part_tells_corrected_labels() -> None:
    table = minnet.read_csv(IRIS)
    examples = minnet.train(table, "species", epochs=1).encoder.examples(table)
    other = replace(examples, labels=np.roll(examples.labels, 1))
    assert outline_of(other) != outline_of(examples)
    assert outline_of(other)[1] == outline_of(examples)[1]


def test_sample_of_rows_comes_from_all_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minnet.network.preparation.MOST_SAMPLED", 100)
    whole = minnet.train(IRIS, "species", epochs=1).encoder.examples(minnet.read_csv(IRIS))
    of_classes = [np.flatnonzero(whole.labels == label)[:48] for label in range(3)]
    examples = whole.select(np.concatenate(of_classes))
    folds = KeySketch.of(examples).deal(8)
    sample = summarize_features(examples, folds, np.ones(4, np.bool_)).sample
    assert len(sample.draws) == 100
    assert np.bincount(sample.fold_of_row, minlength=8).min() > 5


@pytest.mark.parametrize("bins", [0, 4])
def test_frame_trains_as_the_files_of_its_partitions(
    bins: int, client: Client, tmp_path: Path
) -> None:
    pattern = split(PENGUINS, tmp_path, 3)
    frames = [pd.read_csv(file) for file in sorted(tmp_path.glob("*.csv"))]
    frame = dd.concat([dd.from_pandas(one, npartitions=1) for one in frames])
    settings = {"epochs": 3, "bins": bins, "ignore": ["year"]}
    one = minnet.dask.train(frame, "species", client=client, **settings)
    other = minnet.dask.train(pattern, "species", client=client, **settings)
    np.testing.assert_array_equal(one.network.values, other.network.values)
    assert one.encoder == other.encoder
    alone = minnet.train(PENGUINS, "species", ignore=["year"], epochs=3, bins=bins)
    assert one.encoder.features == alone.encoder.features
    np.testing.assert_allclose(
        one.network.layers[0].means, alone.network.layers[0].means, rtol=0.02
    )


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_large_file_trains_as_the_files_of_its_pieces(
    ending: str, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, whole = pd.read_csv(IRIS), tmp_path / f"whole.{ending}"
    if ending == "csv":
        frame.to_csv(whole, index=False)
        lengths = [len(table) for table in (p.read() for p in FilePart(str(whole)).cut(800, 1))]
    else:
        frame.to_parquet(whole, row_group_size=40)
        lengths = [40, 40, 40, 30]
    monkeypatch.setattr("minnet.dask.training.MOST_BYTES", 800)
    monkeypatch.setattr("minnet.dask.training.MOST_ROWS", 40)
    cut = train_on_parts(client, str(whole), Roles("species"), settings=FEW)
    assert [part.rows for part in cut.table.parts] == lengths
    monkeypatch.undo()
    for number, stop in enumerate(np.cumsum(lengths)):
        frame[stop - lengths[number] : stop].to_csv(tmp_path / f"{number}.csv", index=False)
    files = train_on_parts(client, str(tmp_path / "[0-9].csv"), Roles("species"), settings=FEW)
    np.testing.assert_array_equal(cut.model.network.values, files.model.network.values)


def test_predict_adds_columns_to_each_partition(client: Client) -> None:
    table = pd.read_csv(IRIS)
    model = minnet.train(IRIS, "species", epochs=3)
    frame = dd.from_pandas(table, npartitions=4)
    frame = frame[frame.sepal_length > 0]
    predicted = minnet.dask.predict(model, frame)
    computed = client.compute(predicted).result()
    assert list(computed.columns) == [*table.columns, *predicted.columns[5:]]
    assert (computed.dtypes == predicted.dtypes).all()
    expected = minnet.predict(model, IRIS)
    assert computed["predicted"].tolist() == expected.predicted
    # Fewer rows at a time are rounded otherwise, in float32.
    np.testing.assert_allclose(
        computed[[f"p({name})" for name in model.class_names]], expected.probabilities, atol=1e-6
    )
    empty = minnet.dask.predict(model, frame[frame.sepal_length > 100])
    assert len(client.compute(empty).result()) == 0
    again = minnet.dask.predict(model, predicted)
    assert "minnet_predicted" in again.columns


def hostile(folder: Path, name: str, text: str) -> str:
    pattern = split(IRIS, folder, 3)
    (folder / name).write_text(text)
    return pattern


HEADER = "sepal_length,sepal_width,petal_length,petal_width,species\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "sepal_length,petal_length,petal_width,species\n5,1,1,setosa\n",
            r"3\.csv has no column 'sepal_width', but .*0\.csv has one",
        ),
        (
            HEADER.replace("species", "more,species") + "5,1,1,1,1,setosa\n",
            r"0\.csv has no column 'more', but .*3\.csv has one",
        ),
        (HEADER + "5,1,1,1,setosa\n5,1,1,wide,setosa\n", "petal_width"),
        (HEADER + "5,1,1,inf,setosa\n", r"3\.csv:2: column 'petal_width': 'inf'"),
        (HEADER + "5,1,1\n", r"3\.csv:2: 3 cells, but there are 5 columns"),
        ("", r"3\.csv: the file is empty"),
    ],
)
def test_parts_that_differ_end_in_one_line(
    text: str, line: str, tmp_path: Path, client: Client
) -> None:
    pattern = hostile(tmp_path, "3.csv", text)
    if line == "petal_width":  # few numbers and a word are categories, as in one table
        trained = train_on_parts(client, pattern, Roles("species"), settings=FEW)
        assert "petal_width = wide" in trained.model.encoder.features
        return
    with pytest.raises(DataError, match=line):
        train_on_parts(client, pattern, Roles("species"), settings=FEW)


def test_parts_whose_rows_no_network_holds_out_are_not_judged(
    tmp_path: Path, client: Client
) -> None:
    header, *rows = IRIS.read_text().splitlines(keepends=True)
    few = tmp_path / "few"
    few.write_text("".join([header, *rows[::5]]))
    one = TrainingSettings(epochs=1, networks=1)
    trained = train_on_parts(client, split(few, tmp_path, 12), Roles("species"), settings=one)
    assert len(trained.scores) == 6


def test_class_is_told_to_be_in_one_file_only_if_there_are_others(
    tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minnet.dask.training.MOST_BYTES", 800)
    one = train_on_parts(client, str(IRIS), Roles("species"), settings=FEW)
    assert len(one.table.parts) > 3
    assert not any("alone" in note for note in one.table.notes(one.model))
    whole = tmp_path / "0.csv"
    whole.write_text(IRIS.read_text())
    (tmp_path / "1.csv").write_text(HEADER + "5,1,1,1,setosa\n")
    two = train_on_parts(client, str(tmp_path / "*.csv"), Roles("species"), settings=FEW)
    told = [note for note in two.table.notes(two.model) if "alone" in note]
    assert told == [f"class '{name}' is in {whole} alone" for name in ("versicolor", "virginica")]


def test_text_among_many_numbers_of_another_part_is_one_line(
    tmp_path: Path, client: Client
) -> None:
    rows = "".join(f"{number / 7},{'ab'[number % 2]}\n" for number in range(2000))
    (tmp_path / "0.csv").write_text("x,y\n" + rows)
    (tmp_path / "1.csv").write_text("x,y\n1,a\nmuch,b\n")
    with pytest.raises(DataError, match=r"1\.csv:3: column 'x': 'much' is not a number, as"):
        train_on_parts(client, str(tmp_path / "*.csv"), Roles("y"), settings=FEW)


def test_what_is_odd_about_the_parts_is_told(
    run: Run, tmp_path: Path, cluster: LocalCluster
) -> None:
    pattern = hostile(tmp_path, "3.csv", HEADER)
    (tmp_path / "4.csv").write_text(HEADER + "5,1,1,1,setoza\n5,1,1,1,setoza\n6,1,1,1,\n")
    (tmp_path / "5.csv").write_text(HEADER + "5,?,1,1,\n")
    (tmp_path / "6.csv").write_text(HEADER + "5,1,1,1,null\n5,1,,1,setosa\n")
    model, where = tmp_path / "m.json", str(tmp_path)
    few = "-m", model, "--epochs", 2, "--scheduler", cluster.scheduler_address
    ending = run("train", pattern, *few)
    labels = "note: 1 row labelled 'null' left out as missing; if that is a class: --missing ''"
    told = [line for line in ending.err.splitlines() if line.startswith("note: ")]
    assert told == [
        labels,
        f"note: {where}/3.csv has a header but no rows",
        f"note: {where}/5.csv: no row has a label in column 'species'",
        "note: 2 rows without a label left out",
        "note: 2 missing cells in 2 columns",
        f"note: class 'setoza' is in {where}/4.csv alone",
        "note: 1 row repeats another: copies flatter the scores (see --group)",
        "note: 1 class has fewer rows than the 8 folds, which makes scores uncertain: 'setoza' 2",
    ]
    assert minnet.load(model).class_counts == (51, 2, 50, 50)
    assert run("train", pattern, *few, "-q").err == labels + "\n"


def test_columns_of_parts_are_told_of_as_those_of_a_table(tmp_path: Path, client: Client) -> None:
    rows = [
        f"{row % 7}.5,id{row},{'bB'[row % 2]},2020-01-{1 + row % 30:02},{row % 9 or 'few'},7,k,"
        f"{'no' if row % 3 else 'yes'}\n"
        for row in range(400)
    ]
    header = "x,id,case,when,words,same,alike,y\n"
    whole = tmp_path / "whole"
    whole.write_text(header + "".join(rows))
    for part in range(4):
        (tmp_path / f"{part}.csv").write_text(header + "".join(rows[part::4]))
    trained = train_on_parts(client, str(tmp_path / "*.csv"), Roles("y"), settings=FEW)
    table = trained.table
    parts = [*zip(table.parts, table.class_counts, strict=True)]
    told = [*table_diagnostics(trained.model, table.summary, parts=parts)]
    assert len(told) == 6
    one = minnet.read_csv(whole)
    assert sorted(told) == sorted(table_diagnostics(trained.model, summarize(one), table=one))


def test_groups_stay_in_one_fold_whatever_parts_they_stand_in(
    tmp_path: Path, run: Run, cluster: LocalCluster
) -> None:
    generator = np.random.default_rng(0)
    who = np.repeat(np.arange(40), 6)
    table = pd.DataFrame({"x": who + generator.normal(scale=0.1, size=240), "who": who})
    table["label"] = np.where(generator.random(40)[who] > 0.5, "a", "b")
    table["who"] = np.where(who == 7, "seven", table["who"].astype(str))
    for part in range(4):
        table[part::4].to_csv(tmp_path / f"{part}.csv", index=False)
    model = tmp_path / "m.json"
    given = "-m", model, "--group", "who", "--epochs", 5
    ending = run("train", str(tmp_path / "*.csv"), *given, "--scheduler", cluster.scheduler_address)
    assert ending.code == 0, ending.err
    trained = minnet.load(model)
    assert trained.encoder.group == "who"
    assert trained.encoder.features == ["x"]
    examples = trained.encoder.examples(trained.encoder.table(table))
    fold_of_row = trained.folds.place(examples).folds
    folds = [set(fold_of_row[examples.groups == key]) for key in np.unique(examples.groups)]
    assert {len(of_group) for of_group in folds} == {1}
    assert len(set.union(*folds)) == 8
    evaluation = minnet.evaluate(trained, table)
    assert evaluation.known == 240
    low, high = (f"{100 * bound:.1f}" for bound in evaluation.accuracy_interval)
    assert f"95 % interval {low}-{high}" in ending.out
    table["who"] = "one"
    table.to_csv(tmp_path / "0.csv", index=False)
    ending = run("train", tmp_path / "0*.csv", *given, "--scheduler", cluster.scheduler_address)
    assert ending.code == 1
    assert "all rows are of one group" in ending.err


def test_what_is_no_table_in_parts_is_one_line(client: Client, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no parts can be made of 'int'"):
        PartedTable(client, 3, Roles("species"))
    with pytest.raises(DataError, match="no file matches"):
        PartedTable(client, str(tmp_path / "*.none"), Roles("species"))
    with pytest.raises(SettingsError, match="has no column 'specis'; did you mean 'species'"):
        PartedTable(client, split(IRIS, tmp_path, 2), Roles("specis"))


def test_command_trains_on_a_cluster_and_predicts_into_a_folder(
    run: Run, iris_parts: str, cluster: LocalCluster, tmp_path: Path
) -> None:
    address = cluster.scheduler_address
    model, few = tmp_path / "m.json", ("--epochs", 4, "--networks", 5)
    ending = run("train", iris_parts, "-m", model, *few, "--scheduler", address)
    assert ending.code == 0
    assert ending.err.startswith(f"2 workers at {address}")
    assert "150 rows, 4 numeric columns, target 'species'" in ending.err
    assert "of 150 rows" in ending.out
    for where in (("--scheduler", address), ("--workers", 2)):
        folder = tmp_path / f"predictions{where[0]}"
        ending = run("predict", iris_parts, "-m", model, "-o", folder, *where)
        assert ending.code == 0
        assert "wrote 4 files" in ending.err
        for part in sorted(tmp_path.glob("*.csv")):
            alone = run("predict", part, "-m", model)
            assert (folder / part.name).read_text() == alone.out


def test_interrupted_training_on_parts_resumes_and_ends_with_the_same_bytes(
    run: Run,
    iris_parts: str,
    cluster: LocalCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("minnet.training.checkpoint.SECONDS", 0.0)
    few = "--epochs", 6, "--networks", 3, "--scheduler", cluster.scheduler_address
    expected, model = tmp_path / "whole.json", tmp_path / "m.json"
    assert run("train", iris_parts, "-m", expected, *few).code == 0
    assert not [*tmp_path.glob("*.checkpoint")]
    whole = TrainingRun.on_epoch

    def interrupt(progress: TrainingRun, training: Training) -> None:
        if progress._done == 4:
            raise WorkerError("the work was lost")
        whole(progress, training)

    with monkeypatch.context() as patched:
        patched.setattr(TrainingRun, "on_epoch", interrupt)
        ending = run("train", iris_parts, "-m", model, *few)
    (checkpoint,) = tmp_path.glob("m.json.*.checkpoint")
    resume_hint = f"; the same command with --resume resumes after epoch 5, from {checkpoint}"
    assert ending.code == 1
    assert ending.err.endswith(f"Error: the work was lost{resume_hint}\n")
    changed = tmp_path / "3.csv"
    rows = changed.read_text()
    changed.write_text(rows.replace("5", "6"))
    ending = run("train", iris_parts, "-m", model, *few, "--resume")
    assert ending.code == 1
    assert "no checkpoint to resume from" in ending.err
    changed.write_text(rows)
    ending = run("train", iris_parts, "-m", model, *few, "--resume")
    assert ending.code == 0, ending.err
    assert model.read_bytes() == expected.read_bytes()
    assert not checkpoint.exists()


def test_parts_may_be_in_an_object_store(run: Run, iris_parts: str, tmp_path: Path) -> None:
    store = pytest.importorskip("fsspec").filesystem("memory")
    for file in sorted(tmp_path.glob("*.csv")):
        store.pipe(f"/minnet/{file.name}", file.read_bytes())
    here, there = tmp_path / "here.json", tmp_path / "there.json"
    few = "--epochs", 3, "--networks", 3
    # The workers are threads here, because this store is in the memory of the process.
    with LocalCluster(
        processes=False, n_workers=2, protocol="tcp", dashboard_address=":0", silence_logs=100
    ) as cluster:
        where = "--scheduler", cluster.scheduler_address
        for pattern, model in ((iris_parts, here), ("memory://minnet/*.csv", there)):
            ending = run("train", pattern, "-m", model, *few, *where)
            assert ending.code == 0, ending.err
        loaded, expected = minnet.load(there), minnet.load(here)
        np.testing.assert_array_equal(loaded.network.values, expected.network.values)
        ending = run(
            "predict", "memory://minnet/*.csv", "-m", there, "-o", tmp_path / "out", *where
        )
        assert ending.code == 0, ending.err
        alone = run("predict", tmp_path / "3.csv", "-m", there)
        assert (tmp_path / "out" / "3.csv").read_text() == alone.out
        store.pipe("/minnet/9.csv", b"sepal_length,species\n1,setosa\n")
        ending = run("train", "memory://minnet/*.csv", "-m", there, *few, *where)
    assert ending.code == 1
    assert "minnet/9.csv has no column 'sepal_width'" in ending.err
    assert ending.err.count("\n") == 2


def test_pattern_of_files_that_fit_is_one_table(run: Run, iris_parts: str, tmp_path: Path) -> None:
    one, whole = tmp_path / "one.json", tmp_path / "whole.json"
    few = ("--epochs", 4, "-q")
    assert run("train", iris_parts, "-m", one, *few).code == 0
    assert run("train", IRIS, "-m", whole, *few).code == 0
    loaded, expected = minnet.load(one), minnet.load(whole)
    np.testing.assert_array_equal(loaded.network.values, expected.network.values)
    assert loaded.encoder == expected.encoder
    for command in ("evaluate", "importance"):
        assert run(command, iris_parts, "-m", one).out == run(command, IRIS, "-m", whole).out


def test_files_that_do_not_fit_train_on_processes_here(
    run: Run, iris_parts: str, tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_parts, "BYTES_OF_A_BYTE", 10**12)
    few, before = ("--epochs", 3, "--networks", 3), multiprocessing.active_children()
    ending = run("train", iris_parts, "-m", tmp_path / "m.json", *few, "--workers", 1)
    assert ending.code == 0, ending.err
    expected = train_on_parts(client, iris_parts, Roles("species"), settings=FEW).model
    loaded = minnet.load(tmp_path / "m.json")
    np.testing.assert_array_equal(loaded.network.values, expected.network.values)
    assert set(multiprocessing.active_children()) == set(before)


def test_one_file_that_does_not_fit_trains_on_processes_here_if_it_can(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_parts, "BYTES_OF_A_BYTE", 10**12)
    started: list[int] = []
    monkeypatch.setattr(
        minnet.dask, "local_cluster", lambda workers: started.append(workers) or _threads(workers)
    )
    few = "-m", tmp_path / "m.json", "--epochs", 2, "--networks", 2, "--workers", 2
    assert run("train", IRIS, *few).code == 0
    assert started == [2]
    assert run("train", IRIS, *few, "--drop-repeats").code == 0
    assert minnet.load(tmp_path / "m.json").encoder.drop_repeats
    assert started == [2]


@contextmanager
def _threads(workers: int) -> Iterator[Client]:
    with (
        LocalCluster(
            processes=False, n_workers=workers, dashboard_address=":0", silence_logs=100
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def test_interrupted_training_on_processes_here_ends_with_one_line(
    iris_parts: str, tmp_path: Path
) -> None:
    script = (
        "from minnet.cli import main, train\n"
        "from minnet.training import checkpoint\n"
        "train.BYTES_OF_A_BYTE, checkpoint.SECONDS = 10**12, 0.0\n"
        "if __name__ == '__main__': main()\n"
    )
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, tmp_path / "script.py", "train", iris_parts, "--workers", "1"]
    # Long epochs, so that it waits for one when it is interrupted.
    few = ["-m", tmp_path / "m.json", "--epochs", "9000", "--networks", "200"]
    with subprocess.Popen([*command, *few], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("150 rows")
        saved: set[int] = set()
        while len(saved) < 2:  # the first may not have been told of yet
            saved |= {path.stat().st_ino for path in tmp_path.glob("m.json.*.checkpoint")}
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        rest = unfolded(process.stderr.read()).splitlines()
    assert process.returncode == 130
    assert rest[-1].startswith("Interrupted: no model was written; the same command with --resume")
    assert not [line for line in rest[:-1] if line.startswith("Error")]
    assert not (tmp_path / "m.json").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("train", "{}", "--drop-repeats"), "--drop-repeats needs the whole table on one machine"),
        (("train", "-"), "--scheduler needs files"),
        (("train", "{}", "--workers", "2"), "--workers is of processes here"),
        (("predict", "{}", "-o", "x", "--workers", "2"), "--workers is of processes here"),
        (("evaluate", "{}", "--workers", "2"), "--workers is of processes here"),
        (("predict", "{}"), "name a folder for the files of predictions with -o"),
        (("predict", "{}", "--json", "-o", "x"), "name a folder"),
    ],
)
def test_what_does_not_go_with_a_cluster_is_refused(
    arguments: tuple[str, ...], line: str, with_iris_model: Run, iris_parts: str
) -> None:
    filled = [word.format(iris_parts) for word in arguments]
    ending = with_iris_model(*filled, "--scheduler", "tcp://127.0.0.1:1")
    assert ending.code == 2
    assert line in ending.err
    assert ending.err.count("\n") == 1


def test_failed_part_leaves_no_file_of_predictions(with_iris_model: Run, tmp_path: Path) -> None:
    pattern = hostile(tmp_path, "2.csv", HEADER + "5,1,much,1,setosa\n")
    ending = with_iris_model("predict", pattern, "-o", tmp_path / "out")
    assert ending.code == 1
    assert "2.csv:2: column 'petal_length': 'much' is not a number" in ending.err
    assert ending.err.count("\n") == 1
    assert not (tmp_path / "out" / "2.csv").exists()


def test_scheduler_that_goes_away_in_the_middle_of_a_training_is_one_line(
    run: Run, iris_parts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mortal_cluster() as (process, address):
        monkeypatch.setattr(TrainingRun, "on_epoch", lambda *_: process.kill())
        ending = run("train", iris_parts, "-m", tmp_path / "m.json", "-q", "--scheduler", address)
    assert process.returncode == -signal.SIGKILL
    assert ending.code == 1
    assert "was lost" in ending.err
    assert ending.err.count("\n") == 1
    assert not (tmp_path / "m.json").exists()


def test_parts_may_spell_words_of_truth_in_their_own_ways(tmp_path: Path, client: Client) -> None:
    spellings = [("False", "True"), ("0", "1"), ("false", "TRUE")]
    for part, words in enumerate(spellings):
        rows = "".join(f"{words[row % 2]},{row % 5},{'ab'[row % 3 > 1]}\n" for row in range(30))
        (tmp_path / f"{part}.csv").write_text(f"flag,x,y\n{rows}")
    settings = replace(FEW, networks=5)
    trained = train_on_parts(client, str(tmp_path / "*.csv"), Roles("y"), settings=settings)
    flag, _ = trained.model.encoder.columns
    assert isinstance(flag, NumericColumn)
    assert (flag.minimum, flag.maximum, flag.is_boolean) == (0, 1, True)
    assert len(trained.scores) == 90
