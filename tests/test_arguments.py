from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minnet
from minnet.data.encoding import Encoder
from minnet.data.table import Table
from minnet.errors import MinnetError, ModelError, SettingsError
from minnet.model.document import from_bytes, to_bytes
from minnet.training.settings import TrainingSettings

if TYPE_CHECKING:
    from pathlib import Path

ROWS = {
    "x": [1.0, 2.0, 3.0, 4.0] * 3,
    "word": ["u", "v", "v", None] * 3,
    "group": [1, 2, 3, 4, 5, 6] * 2,
    "": [0, 1] * 6,
    "y": ["a", "b"] * 6,
}
QUICK = {"networks": 2, "hidden": (2,), "epochs": 1}


def reloaded(model: minnet.Model) -> minnet.Model:
    return from_bytes(to_bytes(model), "model.json")


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"epochs": np.int64(5), "seed": np.uint8(3)}, {"epochs": 5, "seed": 3}),
        ({"networks": np.array(3)}, {"networks": 3}),
        ({"hidden": 32}, {"hidden": (32,)}),
        ({"hidden": np.array([4, 3])}, {"hidden": (4, 3)}),
        ({"hidden": [np.int16(4)]}, {"hidden": (4,)}),
        ({"learning_rate": np.float32(0.5)}, {"learning_rate": 0.5}),
        ({"weight_decay": 0, "learning_rate": 1}, {"weight_decay": 0.0, "learning_rate": 1.0}),
        ({"balanced": np.True_}, {"balanced": True}),
        ({"optimizer": np.str_("sgd")}, {"optimizer": "sgd"}),
        ({"class_weights": np.array([1, 2])}, {"class_weights": (1.0, 2.0)}),
    ],
)
def test_numbers_of_numpy_and_single_values_are_taken_for_what_they_are(
    given: dict[str, Any], taken: dict[str, Any]
) -> None:
    settings = TrainingSettings(**given)
    for name, value in taken.items():
        made = getattr(settings, name)
        assert (made, type(made)) == (value, type(value))
        assert set(map(type, made if isinstance(made, tuple) else ())) <= {int, float}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"learning_rate": "0.1"}, "`learning_rate` is '0.1': it must be a number above 0"),
        ({"learning_rate": 10**400}, "it must be a number above 0"),
        ({"weight_decay": True}, "`weight_decay` is True: it must be a number of 0 or more"),
        ({"hidden": "32"}, "`hidden` is '32': it must be a whole number"),
        ({"hidden": None}, "`hidden` is None: it must be a whole number"),
        ({"hidden": [[8]]}, r"`hidden` is \[8\]: it must be a whole number"),
        ({"epochs": np.float64(5)}, "`epochs` is 5.0: it must be a whole number"),
        ({"optimizer": ["adam"]}, r"`optimizer` is \['adam'\]: it must be 'adam' or 'sgd'"),
        ({"class_weights": ["1", 2]}, "`class_weights` is '1': it must be a number above 0"),
    ],
)
def test_values_of_another_kind_are_refused_by_name(given: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        TrainingSettings(**given)


def as_given(*values: float) -> list[Any]:
    """Write numbers as Python and numpy have them."""
    whole = all(type(value) is int for value in values)
    kinds: list[Any] = [np.int8, np.uint64] if whole else [np.float32, np.float64]
    return [kind(value) for kind in [lambda v: v, np.array, *kinds] for value in values]


# Of each argument some values, most of which make sense.
GIVEN: dict[str, list[Any]] = {
    "networks": [1, np.int64(2), np.array(2)],
    "hidden": [2, [2], (), np.int8(2), np.array([2, 3])],
    "bins": as_given(0, 2),
    "epochs": [1, np.uint8(1)],
    "patience": as_given(1),
    "learning_rate": [None, 1, *as_given(0.5, 1.0)],
    "batch_size": [None, *as_given(5)],
    "weight_decay": [0, *as_given(0.0, 0.5)],
    "optimizer": ["adam", "sgd", np.str_("sgd")],
    "loss": ["cross-entropy", np.array("squared-residuals")],
    "balanced": [False, np.False_],
    "class_weights": [
        None,
        None,
        None,
        {},
        {"a": 2},
        {"b": np.float32(2)},
        {0: np.int8(1), "1": 0.5},
        {"z": 1},
    ],
    "seed": as_given(0, 7),
    "ignore": [(), None, "x", ["x"], {"x": 1}, np.array(["x"]), "y"],
    "group": ["", None, "group", np.str_("group"), "y"],
    "group_feature": [False, False, np.False_, True],
    "drop_repeats": [False, True, np.False_],
    "categorical": [(), None, "x", ["x"], np.array(["x"]), "y"],
}
ODD = (None, True, np.False_, -1, 1.5, np.nan, np.inf, "x", b"x", (), {}, 1j, np.ones((1, 1)))


@given(
    st.fixed_dictionaries({name: st.sampled_from(values) for name, values in GIVEN.items()}),
    st.dictionaries(st.sampled_from([*GIVEN]), st.sampled_from(ODD), max_size=1),
    st.sampled_from(["y", "y", np.str_("y"), "", "", 0, None]),
)
def test_whatever_trains_is_saved_and_loaded_as_it_was(
    arguments: dict[str, Any], odd: dict[str, Any], target: Any
) -> None:
    try:
        model = minnet.train(ROWS, target, **(arguments | odd))
    except MinnetError:  # which is one line, as other tests say
        return
    again = reloaded(model)
    assert again.settings == model.settings
    assert again.encoder == model.encoder
    assert to_bytes(again) == to_bytes(model)


@pytest.mark.parametrize(
    ("ignore", "left"),
    [("word", ["x"]), (np.str_("word"), ["x"]), (None, ["x", "word"]), (iter(["x"]), ["word"])],
)
def test_one_name_is_one_column_and_none_is_none(ignore: Any, left: list[str]) -> None:
    rows = {name: ROWS[name] for name in ("x", "word", "y")}
    encoder = Encoder.fit(Table.from_columns(rows), "y", ignore)
    assert [column.name for column in encoder.columns] == left


def test_frame_names_its_columns_by_numbers() -> None:
    rows = {0: ROWS["x"], 1: ROWS["word"], 2: ROWS["group"], 3: ROWS["y"]}
    model = minnet.train(rows, 3, ignore=1, group=2, **QUICK)  # type: ignore[arg-type]
    assert [column.name for column in model.encoder.columns] == ["0"]
    assert (model.encoder.target, model.encoder.group) == ("3", "2")


def test_label_column_without_a_name_is_learned_and_saved() -> None:
    model = reloaded(minnet.train(ROWS, "", group=None, **QUICK))
    assert (model.encoder.target, model.encoder.group) == ("", "")


def test_label_that_is_no_unicode_text_is_refused_before_training() -> None:
    with pytest.raises(ModelError, match="a class name is not Unicode text"):
        minnet.train({"x": [1, 2] * 9, "y": ["a", "\ud800"] * 9}, "y", **QUICK)


def test_tune_takes_what_train_takes() -> None:
    tuning = minnet.tune(
        ROWS,
        "y",
        ignore="word",
        group=None,
        trials=np.int64(2),
        networks=np.int64(2),
        epochs=np.int64(1),
        bins=0,
        hidden=np.array([2]),
        weight_decay=[0, np.float64(0.1), 0.0],
        learning_rate=np.array([0.1]),
    )
    tried = [trial.configuration for trial in tuning.trials]
    assert tried == [{"weight_decay": 0.0}, {"weight_decay": 0.1}]
    assert to_bytes(reloaded(tuning.model)) == to_bytes(tuning.model)


def test_reading_takes_one_word(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("ab,a,y\n1,NO,u\n-9,3,v\n")
    table = minnet.read_csv(tmp_path / "rows.csv", missing="NO", text="ab")
    assert table["a"].missing.tolist() == [True, False]
    assert table["ab"].numbers is None
    assert table["a"].numbers is not None
    table = minnet.read_csv(tmp_path / "rows.csv", missing=-9)  # type: ignore[arg-type]
    assert table["ab"].missing.tolist() == [False, True]
    with pytest.raises(SettingsError, match="`strip` is None"):
        minnet.read_csv(tmp_path / "rows.csv", strip=None)  # type: ignore[arg-type]
