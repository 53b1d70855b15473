from __future__ import annotations

import os
import signal
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from minnet.data.table import Table, read_csv
from minnet.errors import DataError, FileError, ModelError, SettingsError
from minnet.model import document as model_file
from minnet.model import model as model_module
from minnet.model.document import load, refuse_to_overwrite, save
from minnet.model.judges import split
from minnet.model.model import Model
from minnet.network.preparation import Standardize
from minnet.training.folds import Folds
from minnet.training.settings import Epoch, History, TrainingSettings
from tests.helpers import fit, predicted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import NoReturn

    from minnet.arrays import Array

QUICK = TrainingSettings(networks=3, hidden=(4,), epochs=6, batch_size=8)
ROWS = 60


def columns() -> dict[str, list[Any]]:
    """Make two columns of numbers and one of text, with missing cells, and a label."""
    generator = np.random.default_rng(0)
    labels = [f"class {number % 3}" for number in range(ROWS)]
    x = np.arange(ROWS) % 3 + generator.normal(0, 0.2, ROWS)
    z = generator.normal(1000, 200, ROWS)
    coats = generator.choice(["long", "short", "none at all"], ROWS)
    return {
        "x": x.tolist(),
        "coat": [None if row == 5 else str(coat) for row, coat in enumerate(coats)],
        "z": [None if row % 11 == 3 else float(value) for row, value in enumerate(z)],
        "label": labels,
    }


def table_of(values: Mapping[str, Sequence[Any]]) -> Table:
    return Table.from_columns(values, source="folder/data.csv")


TABLE = table_of(columns())


@pytest.fixture(scope="module")
def model() -> Model:
    return fit(TABLE, "label", QUICK)


def values_of(model: Model) -> Array:
    return model.network.values


def saved(model: Model, path: Path) -> bytes:
    save(model, path)
    return path.read_bytes()


def test_table_that_can_be_learned_is_learned() -> None:
    model = fit(TABLE, "label", TrainingSettings(networks=3, epochs=30))
    right = np.equal(predicted(model, TABLE), columns()["label"])
    assert right.mean() > 0.9


def test_model_knows_what_it_was_trained_on(model: Model) -> None:
    assert model.trained_on == "data.csv"
    assert model.folds.rows == ROWS  # type: ignore[union-attr]  # no file of version 1
    assert model.class_counts == (20, 20, 20)
    assert model.encoder.class_names == ("class 0", "class 1", "class 2")
    assert model.settings == QUICK
    assert model.history.training_loss.shape == (QUICK.epochs, QUICK.networks)


def test_probabilities_lie_between_0_and_1_and_sum_to_1(model: Model) -> None:
    probabilities = model.member_probabilities(TABLE)
    assert probabilities.shape == (3, ROWS, 3)
    assert probabilities.dtype == np.float64
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-12)


def test_networks_answer_differently(model: Model) -> None:
    assert np.ptp(model.member_probabilities(TABLE), axis=0).max() > 0.01


def test_predict_is_the_argmax_of_the_mean_over_the_networks(model: Model) -> None:
    # Every network but one prefers class 1 a little; the one is so sure that the mean follows it.
    model = Model(**vars(model))
    votes = np.array([[[0.4, 0.6, 0]], [[0.4, 0.6, 0]], [[1.0, 0, 0]]])
    model.member_probabilities = lambda data: votes  # type: ignore[method-assign]  # known answers
    one_row = table_of({name: values[:1] for name, values in columns().items()})
    assert predicted(model, one_row) == ["class 0"]


def test_probabilities_are_the_mean_of_the_networks(model: Model) -> None:
    mean = model.member_probabilities(TABLE).mean(axis=0)
    np.testing.assert_allclose(model.probabilities(TABLE), mean, rtol=1e-12)


def test_predict_names_a_class_for_each_row(model: Model) -> None:
    best = model.member_probabilities(TABLE).mean(axis=0).argmax(axis=-1)
    assert predicted(model, TABLE) == [f"class {label}" for label in best]


def test_predict_matches_columns_by_name(model: Model) -> None:
    own = columns()
    shuffled = {"extra": ["?"] * ROWS} | {name: own[name] for name in ("z", "coat", "x")}
    again = model.member_probabilities(table_of(shuffled))
    assert again.tobytes() == model.member_probabilities(TABLE).tobytes()


def test_rows_are_answered_alike_however_many_there_are(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = model.member_probabilities(TABLE)
    monkeypatch.setattr(model_module, "PREDICTED_AT_ONCE", 7)
    np.testing.assert_allclose(model.member_probabilities(TABLE), whole, rtol=1e-4)


def test_table_without_rows_has_no_answers(model: Model) -> None:
    empty = table_of({name: [] for name in ("x", "coat", "z")})
    assert predicted(model, empty) == []
    assert model.member_probabilities(empty).shape == (3, 0, 3)


@pytest.mark.parametrize("value", [1e6, -1e6, 1e308, -1e308, 5e-324, None])
def test_any_finite_number_gives_finite_probabilities(model: Model, value: float | None) -> None:
    row = {"x": [value], "coat": ["never seen"], "z": [value]}
    probabilities = model.member_probabilities(table_of(row))
    assert np.isfinite(probabilities).all()
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-12)


@pytest.mark.parametrize("values", [[1e308, -1e308, 0], [1e-320, 0, 2e-320], [1e15, 1e15 + 1, 0]])
def test_numbers_of_any_magnitude_can_be_trained_on(values: list[float]) -> None:
    model = fit(table_of({"x": values * 10, "y": ["a", "b", "b"] * 10}), "y", QUICK)
    assert np.isfinite(values_of(model)).all()
    assert np.isfinite(model.member_probabilities(table_of({"x": values}))).all()


def test_answers_belong_to_the_caller(model: Model) -> None:
    first = model.member_probabilities(TABLE)
    kept = first.copy()
    model.member_probabilities(table_of({"x": [0], "coat": ["long"], "z": [5]}))
    model.member_probabilities(TABLE)[...] = 7
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(model.member_probabilities(TABLE), kept)


def test_table_is_not_changed_by_training_and_predicting() -> None:
    table = table_of(columns())
    predicted(fit(table, "label", QUICK), table)
    for name, column in TABLE.columns.items():
        np.testing.assert_array_equal(table[name].numbers, column.numbers)
        np.testing.assert_array_equal(table[name].codes, column.codes)


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ({"x": [1], "coat": ["long"]}, "folder/data.csv has no column 'z'"),
        ({"x": ["a"], "coat": ["b"], "z": [1]}, "folder/data.csv:1: column 'x': 'a' is not a num"),
        ({"x": [1], "coat": ["b"], "z": ["inf"]}, "folder/data.csv:1: column 'z': 'inf' is not a"),
    ],
)
def test_rows_that_do_not_fit_the_model_are_refused(
    model: Model, new: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as error:
        predicted(model, table_of(new))
    assert str(error.value).startswith(message)


def test_unknown_target_is_refused() -> None:
    with pytest.raises(SettingsError, match="did you mean 'label'"):
        fit(TABLE, "labels", QUICK)


def test_ignored_columns_are_not_learned_from() -> None:
    model = fit(TABLE, "label", QUICK, ignore=["coat", "z"])
    assert model.encoder.features == ["x"]


def test_rows_without_a_label_are_left_out() -> None:
    own = columns()
    more = {name: values[:9] + values for name, values in own.items()}
    more["label"][:9] = [None] * 9
    assert "class 0" in own["label"][:9], "the values were copied, not shared"

    with_unlabelled = fit(table_of(more), "label", QUICK)

    assert with_unlabelled.class_counts == (20, 20, 20)
    own_values = values_of(fit(TABLE, "label", QUICK))
    np.testing.assert_array_equal(values_of(with_unlabelled), own_values)


def test_examples_say_which_rows_they_are(model: Model) -> None:
    table = table_of(columns() | {"label": [None, "class 2", None, "class 1"] + [None] * 56})
    examples = model.encoder.examples(table)
    assert sorted(zip(examples.rows, examples.labels, strict=True)) == [(1, 2), (3, 1)]
    np.testing.assert_array_equal(examples.features, model.encoder.transform(table)[examples.rows])
    assert examples.contents[0] < examples.contents[1]


def test_table_without_any_label_is_refused_where_labels_are_needed(model: Model) -> None:
    table = table_of(columns() | {"label": [None] * ROWS})
    with pytest.raises(DataError, match="no row has a label in column 'label'"):
        model.encoder.examples(table)


def test_on_epoch_is_called_after_each_epoch() -> None:
    epochs: list[Epoch] = []
    model = fit(TABLE, "label", QUICK, on_epoch=epochs.append)
    losses = np.array([epoch.holdout_loss for epoch in epochs], dtype=np.float32)
    np.testing.assert_array_equal(losses, model.history.holdout_loss)


def test_training_stops_after_the_epoch_whose_on_epoch_returns_true() -> None:
    epochs: list[Epoch] = []

    def on_epoch(epoch: Epoch) -> bool:
        epochs.append(epoch)
        return len(epochs) == 2

    assert len(fit(TABLE, "label", QUICK, on_epoch=on_epoch).history.holdout_loss) == 2
    assert QUICK.epochs > 2


def test_fit_prints_nothing_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data.csv").write_text("x,y\n" + "1,a\n2,b\n" * 20)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    predicted(fit(read_csv("../data.csv"), "y", QUICK), read_csv("../data.csv"))

    assert capfd.readouterr() == ("", "")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["data.csv", "here"]


def test_same_data_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    one = saved(fit(table_of(columns()), "label", QUICK), tmp_path / "one.json")
    other = saved(fit(table_of(columns()), "label", QUICK), tmp_path / "other.json")
    assert one == other


def test_another_seed_changes_the_weights_but_not_the_split() -> None:
    one, other = (TrainingSettings(networks=2, epochs=2, seed=seed) for seed in (1, 2))
    first, second = (fit(TABLE, "label", settings) for settings in (one, other))
    assert np.isclose(values_of(first), values_of(second)).mean() < 0.1
    examples = first.encoder.examples(TABLE)
    np.testing.assert_array_equal(split(examples, one).mask, split(examples, other).mask)
    # The standardising layer sees the training rows alone, so it tells the split too.
    for name in ("means", "scales"):
        np.testing.assert_array_equal(
            getattr(first.network.layers[0], name), getattr(second.network.layers[0], name)
        )


def test_numbers_are_scaled_by_what_each_network_trains_on_alone(model: Model) -> None:
    examples = model.encoder.examples(TABLE)
    numbers = examples.features[:, model.encoder.features.index("x")]
    standardize = model.network.layers[0]
    assert isinstance(standardize, Standardize)
    for network, held_out in enumerate(split(examples, model.settings).mask):
        own = numbers[~held_out]
        assert 0 < len(own) < ROWS
        np.testing.assert_allclose(standardize.means[network, 0, 0], own.mean())
        np.testing.assert_allclose(standardize.scales[network, 0, 0], own.std())


def test_settings_have_good_defaults() -> None:
    model = fit(table_of({"x": range(12), "y": ["a", "b"] * 6}), "y")
    assert model.settings == TrainingSettings()


def test_table_with_fewer_rows_than_networks_can_be_trained_on() -> None:
    table = table_of({"x": [1, 2, 3], "y": ["a", "b", "b"]})
    model = fit(table, "y", TrainingSettings(epochs=2))
    assert len(model.network) == 8
    assert len(predicted(model, table)) == 3


@pytest.mark.parametrize(
    "settings",
    [
        QUICK,
        TrainingSettings(networks=1, hidden=(), epochs=2, balanced=True, learning_rate=0.5),
        TrainingSettings(
            networks=2, hidden=(3, 2), epochs=2, optimizer="sgd", loss="squared-residuals", seed=9
        ),
    ],
    ids=["default", "linear", "deep"],
)
def test_load_gives_back_every_field_that_was_saved(
    tmp_path: Path, settings: TrainingSettings
) -> None:
    model = fit(TABLE, "label", settings)
    path = tmp_path / "model.json"
    data = saved(model, path)
    loaded = load(path)

    same = ("encoder", "settings", "class_counts", "trained_on", "selection", "threshold")
    assert [getattr(loaded, name) for name in same] == [getattr(model, name) for name in same]
    assert {field.name for field in fields(Model)} == {
        *same,
        "network",
        "history",
        "folds",
        "notes",
    }
    for kind, owners in (
        (History, (loaded.history, model.history)),
        (Folds, (loaded.folds, model.folds)),
    ):
        for field in fields(kind):
            np.testing.assert_array_equal(*(getattr(owner, field.name) for owner in owners))
    assert (
        loaded.member_probabilities(TABLE).tobytes() == model.member_probabilities(TABLE).tobytes()
    )
    assert saved(loaded, tmp_path / "again.json") == data


def test_model_of_a_file_without_header_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1,2,a\n3,4,b\n" * 10)
    table = read_csv(tmp_path / "data.csv", header=False)
    save(fit(table, "column3", QUICK), tmp_path / "model.json")
    loaded = load(tmp_path / "model.json")
    assert loaded.encoder.names_without_header(["5", "6"]) == ["column1", "column2"]
    assert len(predicted(loaded, table)) == 20


@pytest.mark.parametrize("content", ["a,b\n1,2\n", '{"format": "other"}', " ", "x" * 10_000])
def test_file_that_is_not_a_model_is_not_overwritten(
    model: Model, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "data.csv"
    path.write_text(content)
    with pytest.raises(FileError) as error:
        save(model, path)
    assert str(error.value).startswith(f"{path}: not a minnet model, so it is not overwritten")
    assert path.read_text() == content
    assert os.listdir(tmp_path) == ["data.csv"]


def test_file_that_cannot_be_read_is_not_overwritten(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2\n")

    def refuse(*_: object) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(model_module, "open", refuse, raising=False)
    with pytest.raises(FileError):
        save(model, path)


def test_model_and_empty_file_may_be_overwritten(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.touch()
    save(model, path)
    other = fit(TABLE, "label", TrainingSettings(networks=1, epochs=1))
    refuse_to_overwrite(path)
    save(other, path)
    assert load(path).settings == other.settings


def test_save_that_fails_leaves_the_old_model(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.json"
    data = saved(model, path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FileError, match="cannot be written: No space left on device"):
        save(fit(TABLE, "label", TrainingSettings(networks=1, epochs=1)), path)
    assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["model.json"]


def test_model_in_a_missing_folder_is_refused(model: Model, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be written: the folder does not exist"):
        save(model, tmp_path / "none" / "model.json")


def test_pipe_is_refused_at_once(model: Model, tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        pytest.fail("still waiting")

    path = tmp_path / "pipe"
    os.mkfifo(path)
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(FileError, match="not a regular file"):
            save(model, path)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_file_whose_name_is_not_unicode_can_be_learned_from(tmp_path: Path) -> None:
    table = Table.from_columns(columns(), source=os.fsdecode(b"\xff.csv"))
    save(fit(table, "label", QUICK), tmp_path / "model.json")


def test_model_that_is_not_there_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(FileError) as error:
        load(tmp_path / "model.json")
    assert str(error.value) == (
        f"{tmp_path}/model.json: there is no such model: `minnet train` writes one"
    )


def test_folder_is_not_a_model(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"cannot be read: Is a directory"):
        load(tmp_path)


def test_file_that_is_far_too_large_is_refused(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.json"
    size = len(saved(model, path))
    monkeypatch.setattr(model_file, "LARGEST_FILE", size)
    load(path)
    monkeypatch.setattr(model_file, "LARGEST_FILE", size - 1)
    with pytest.raises(ModelError, match=f"it is {size:,} bytes long"):
        load(path)
