from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet.data.columns import CategoricalColumn, NumericColumn
from minnet.data.encoding import Encoder
from minnet.errors import ModelError
from minnet.model import document
from minnet.model.document import from_bytes, to_bytes
from minnet.model.model import Model, Selection
from minnet.network.layers import Dense, Layer, ReLU
from minnet.network.network import Network
from minnet.network.preparation import Standardize
from minnet.training.folds import Folds, KeySketch
from minnet.training.settings import History, TrainingSettings
from tests.helpers import examples_of_keys

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

REMOVED = object()


def contents(
    hidden: tuple[int, ...] = (2,),
    networks: int = 2,
    dtype: DTypeLike = np.float32,
    class_names: tuple[str, ...] = ("01", "1", "🐧"),
) -> Model:
    """Make a small model, untrained, with something in every field."""
    encoder = Encoder(
        columns=(
            NumericColumn("länge", -1.5, 0.1, 1e300, has_missing=True),
            CategoricalColumn("coat", ('"lang"', "kurz\n"), left_out=3, has_missing=False),
        ),
        target="art",
        class_names=class_names,
        unnamed_columns=0,
        group="hof",
        drop_repeats=True,
    )
    settings = TrainingSettings(networks=networks, hidden=hidden, learning_rate=0.1, seed=7)
    generator = np.random.default_rng(0)
    standardize = Standardize(
        generator.normal(size=(networks, 1, 4)), generator.random((networks, 1, 4)), dtype
    )
    network = Network.random(
        [4, *hidden, len(class_names)], [generator] * networks, dtype=dtype, first=[standardize]
    )
    network.values[...] = generator.normal(size=network.values.shape)
    keys = generator.integers(0, 2**64, 5, dtype=np.uint64)
    figures = generator.random((4, 3, networks), dtype=np.float32)
    counts = tuple(range(3, 3 + len(class_names)))
    history = History(*figures, np.full(networks, 2))
    return Model(
        encoder=encoder,
        network=network,
        settings=settings,
        history=history,
        class_counts=counts,
        trained_on="a.csv",
        folds=KeySketch.of(examples_of_keys(keys, np.arange(5) % 2, keys)).deal(3),
        selection=Selection(12, 0.25, -0.5),
    )


DATA = to_bytes(contents())


def edited(changes: dict[tuple[str | int, ...], Any]) -> bytes:
    """Change the small model by hand, as a person who deletes the checksum line."""
    document = json.loads(DATA)
    del document["checksum"]
    for path, value in changes.items():
        place = document
        for key in path[:-1]:
            place = place[key]
        if value is REMOVED:
            del place[path[-1]]
        else:
            place[path[-1]] = value
    return json.dumps(document).encode()


def refusal(data: bytes) -> str:
    with pytest.raises(ModelError) as error:
        from_bytes(data, "model.json")
    beginning = "model.json: not a usable minnet model: "
    assert str(error.value).startswith(beginning)
    return str(error.value).removeprefix(beginning)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    ],
    ids=["lists", "objects", "closed"],
)
def test_file_that_is_nested_too_deeply_is_refused(data: bytes) -> None:
    assert refusal(data) == "it is nested too deeply"


def test_no_depth_is_too_much_for_the_checksum_alone() -> None:
    begin = b'{"format": "minnet-model", "version": 1, "checksum": 1, "a": '
    told = {refusal(begin + b"[" * depth + b"]" * depth + b"}") for depth in range(800, 1000)}
    assert "it is nested too deeply" in told
    assert all(one.startswith(("it is nested", "the checksum does not match")) for one in told)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("hidden", [(), (2,), (3, 2)])
def test_every_field_is_read_back(hidden: tuple[int, ...], dtype: DTypeLike) -> None:
    written = contents(hidden, dtype=dtype)
    read = from_bytes(to_bytes(written), "model.json")

    assert read.encoder == written.encoder
    assert read.settings == written.settings
    assert (read.class_counts, read.trained_on) == ((3, 4, 5), "a.csv")
    assert read.selection == written.selection
    assert read.threshold == written.threshold
    assert read.notes == ()
    assert len(vars(read)) == 10
    for kind, owners in (
        (History, (read.history, written.history)),
        (Folds, (read.folds, written.folds)),
    ):
        for field in fields(kind):
            np.testing.assert_array_equal(*(getattr(owner, field.name) for owner in owners))
    assert read.network.values.dtype == dtype
    assert read.network.values.tobytes() == written.network.values.tobytes()
    assert [type(layer) for layer in read.network.layers] == [
        type(layer) for layer in written.network.layers
    ]
    inputs = np.random.default_rng(1).normal(size=(1, 5, 4))
    assert read.network.forward(inputs).tobytes() == written.network.forward(inputs).tobytes()


def test_model_that_was_not_chosen_has_no_selection() -> None:
    read = from_bytes(edited({("selection",): None}), "model.json")
    assert read.selection is None
    assert json.loads(to_bytes(read))["selection"] is None


def test_same_model_gives_the_same_bytes() -> None:
    assert to_bytes(contents()) == DATA
    assert to_bytes(from_bytes(DATA, "model.json")) == DATA


def test_two_classes_are_enough() -> None:
    data = to_bytes(contents(class_names=("no", "yes")))
    assert to_bytes(from_bytes(data, "model.json")) == data


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("history", "best_epochs"), [1, 3]),
        (("encoder", "group"), "coat"),
        (("folds", "repeated"), 2),
        (("class_counts",), [0, 1, 2]),
        (("encoder", "columns", 1, "left_out"), 0),
        (("encoder", "columns", 0, "median"), 2),
        (("settings", "learning_rate"), None),
    ],
)
def test_unusual_values_are_accepted(path: tuple[str | int, ...], value: Any) -> None:
    written: Any = json.loads(to_bytes(from_bytes(edited({path: value}), "model.json")))
    for key in path:
        written = written[key]
    assert written == value


@pytest.mark.parametrize(
    ("names", "accepted"),
    [
        (("column1", "column2", "column3"), True),
        (("column3", "column1", "column2"), True),
        (("column1", "column2", "column4"), False),
        (("column1", "column2", "column0"), False),
        (("column1", "column2", "label"), False),
        (("column1", "column2", "column03"), False),
    ],
)
def test_file_without_header_has_numbered_columns(
    names: tuple[str, str, str], accepted: bool
) -> None:
    data = edited(
        {
            ("encoder", "columns", 0, "name"): names[0],
            ("encoder", "columns", 1, "name"): names[1],
            ("encoder", "target"): names[2],
            ("encoder", "unnamed_columns"): 3,
            ("encoder", "group"): names[0],
        }
    )
    if accepted:
        assert from_bytes(data, "model.json").encoder.unnamed_columns == 3
    else:
        assert refusal(data) == "its columns are not those of a file without a header"


def test_file_begins_with_what_tells_it_from_other_files() -> None:
    assert DATA.startswith(document.BEGINNING)


def test_checksum_line_may_be_deleted_to_edit_a_weight() -> None:
    lines = DATA.splitlines(keepends=True)
    unchecked = b"".join(line for line in lines if b'"checksum"' not in line)
    assert len(unchecked) < len(DATA)
    assert to_bytes(from_bytes(unchecked, "model.json")) == DATA

    weight = ("network", "dense", 0, "weights", 0, 0, 0)
    read = from_bytes(edited({weight: 42}), "model.json")
    assert read.network.values[0, 0] == 42


def test_edit_that_keeps_the_checksum_is_noticed() -> None:
    message = refusal(DATA.replace(b'"seed": 7', b'"seed": 8'))
    assert message == (
        "the checksum does not match: the file is damaged (if you edited it on purpose, delete "
        "the checksum line)"
    )


def test_every_flipped_bit_is_noticed_or_means_exactly_the_same() -> None:
    data = to_bytes(contents(hidden=(), networks=1))
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            read = from_bytes(bytes(damaged), "model.json")
        except ModelError:
            continue
        assert to_bytes(read) == data, f"bit {bit % 8} of byte {bit // 8}"


def test_file_cut_short_anywhere_is_refused() -> None:
    data = to_bytes(contents(hidden=(), networks=1))
    for length in range(len(data) - 1):
        refusal(data[:length])
    assert to_bytes(from_bytes(data[:-1], "model.json")) == data, "without its last newline"


@given(st.binary())
def test_any_bytes_are_refused(data: bytes) -> None:
    refusal(data)


@pytest.mark.parametrize("rest", [{}, {"weights": "new"}, {"checksum": "of another kind"}])
def test_newer_version_is_refused_before_anything_else(rest: dict[str, str]) -> None:
    newer = {"format": "minnet-model", "version": 1_000, **rest}
    assert refusal(json.dumps(newer).encode()) == (
        "it has format version 1000, written by a newer minnet; this one reads up to "
        "version 1: upgrade minnet"
    )


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("format",), "onnx", 'it does not say "format": "minnet-model"'),
        (("format",), REMOVED, 'it does not say "format": "minnet-model"'),
        (("version",), "1", "its format version is not a whole number"),
        (("version",), 0, "its format version is not a whole number"),
        (("version",), True, "its format version is not a whole number"),
        (("extra",), 1, "the file has an unknown key 'extra'"),
        (("network",), REMOVED, "the file has no key 'network'"),
        (("history",), [], "history is not of type dict"),
        (("class_counts",), [3, 4], "class_counts does not fit class_names"),
        (("class_counts",), [3, 4, -5], "class_counts does not fit class_names"),
        (("class_counts",), [3, 4, 5.0], "class_counts[2] is not of type int"),
        (("class_counts",), [0, 0, 0], "class_counts does not fit class_names"),
        (("class_counts",), [1, 1, 2**53], "class_counts does not fit class_names"),
        (("trained_on",), 5, "trained_on is not of type str"),
        (("encoder", "group"), "art", "its column names are not all different"),
        (("encoder", "group"), REMOVED, "encoder has no key 'group'"),
        (("encoder", "drop_repeats"), 1, "encoder.drop_repeats is not of type bool"),
        (("network", "scales", 1, 2), -1.0, "a scale is negative"),
        (("selection",), [], "selection is not of type dict"),
        (("selection", "configurations"), 1, "its selection is impossible"),
        (("selection", "configurations"), 2.5, "selection.configurations is not of type int"),
        (("selection", "log_loss_optimism"), -1e-9, "its selection is impossible"),
        (("selection", "log_loss_optimism"), 1e308, "its selection is impossible"),
        (
            ("selection", "log_loss_optimism"),
            "0",
            "selection.log_loss_optimism is not of type",
        ),
        (("selection", "accuracy_optimism"), 1.1, "its selection is impossible"),
        (("selection", "accuracy_optimism"), REMOVED, "selection has no key 'accuracy_optimism'"),
        (("selection", "luck"), 1, "selection has an unknown key 'luck'"),
        (("folds",), REMOVED, "the file has no key 'folds'"),
        (("folds", "kind"), "file", "folds has an unknown key 'kind'"),
        (("folds", "count"), 0, "its folds do not fit together"),
        (("folds", "count"), 6, "its folds do not fit together"),
        (("folds", "rows"), 4, "its folds do not fit together"),
        (("folds", "rows"), -5, "its folds do not fit together"),
        (("folds", "repeated"), 6, "its folds do not fit together"),
        (("folds", "is_coarse"), 1, "folds.is_coarse is not of type bool"),
        (("folds", "limit"), 0, "its folds do not fit together"),
        (("folds", "entries", "labels", 0), 3, "its folds do not fit together"),
        (("folds", "entries", "labels", 0), -1, "its folds do not fit together"),
        (("folds", "entries", "labels"), [0, 1], "its folds do not fit together"),
        (("folds", "entries", "copies"), [1, 1, 1, 1, 0], "its folds do not fit together"),
        (("folds", "entries", "copies"), [1, 1, 1, 1, 2], "its folds do not fit together"),
        (("folds", "entries", "copies"), [1], "its folds do not fit together"),
        (("folds", "entries", "wholes"), [0], "its folds do not fit together"),
        (("folds", "entries", "contents", 0), "7", "folds.entries.contents is not an array of"),
        (("folds", "entries", "contents", 0), 2**64, "folds.entries.contents holds a number that"),
        (("folds", "entries", "contents", 0), 2**64 - 1, "its folds do not fit together"),
        (("folds", "entries", "contents", 0), 7.0, "folds.entries.contents is not an array of"),
        (("folds", "groups"), [1, 0], "its groups do not fit together"),
        (("folds", "groups"), None, "its folds do not fit together"),
        (("folds", "groups"), REMOVED, "folds has no key 'groups'"),
        (("folds", "fold_of_group", 0), 3, "its groups do not fit together"),
        (("folds", "fold_of_group", 0), -1, "its groups do not fit together"),
        (("encoder", "columns"), [], "its column names are not all different"),
        (("encoder", "target"), "coat", "its column names are not all different"),
        (("encoder", "columns", 1, "name"), "länge", "its column names are not all different"),
        (("encoder", "columns", 0), 5, "encoder.columns[0] is not of type dict"),
        (("encoder", "columns", 0, "kind"), "date", "the kind of encoder.columns[0] is not one of"),
        (
            ("encoder", "columns", 0, "kind"),
            REMOVED,
            "the kind of encoder.columns[0] is not one of",
        ),
        (
            ("encoder", "columns", 0, "median"),
            "0",
            "encoder.columns[0].median is not of type float",
        ),
        (
            ("encoder", "columns", 0, "has_missing"),
            1,
            "encoder.columns[0].has_missing is not of type",
        ),
        (("encoder", "columns", 1, "unit"), "cm", "encoder.columns[1] has an unknown key 'unit'"),
        (("encoder", "columns", 1, "categories"), ["a", "a"], "column 'coat' has a category twice"),
        (
            ("encoder", "columns", 1, "categories"),
            ["a", 1],
            "encoder.columns[1].categories[1] is not of",
        ),
        (("encoder", "columns", 1, "categories"), ["a"], "means is not of shape"),
        (("encoder", "class_names"), ["a", "b", "b"], "its class names are not two or more"),
        (("encoder", "class_names"), ["a"], "its class names are not two or more"),
        (("encoder", "class_names"), ["a", "b", 3], "encoder.class_names[2] is not of type str"),
        (("encoder", "class_names"), ["a", "b", "\ud800"], "a class name is not Unicode text"),
        (("settings", "momentum"), 0.9, "settings has an unknown key 'momentum'"),
        (("settings", "patience"), REMOVED, "settings has no key 'patience'"),
        (("settings", "epochs"), 2.5, "settings.epochs is not of type int"),
        (("settings", "learning_rate"), "fast", "settings.learning_rate is not of type float"),
        (("settings", "optimizer"), "lbfgs", "settings.optimizer is not one of adam, sgd"),
        (("settings", "hidden"), 2, "settings.hidden is not of type list"),
        (("settings", "hidden"), [2.0], "settings.hidden[0] is not of type int"),
        (("settings", "hidden"), [3], "weights is not of shape (2, 4, 3)"),
        (("settings", "hidden"), [2, 2], "its layers are not those its settings ask for"),
        (("settings", "hidden"), [], "its layers are not those its settings ask for"),
        (("settings", "class_weights"), [], "class_weights does not fit class_names"),
        (("settings", "class_weights"), [1.0, 0.0, 1.0], "class_weights is 0"),
        (("settings", "class_weights"), ["1"] * 3, "settings.class_weights[0] is not of type"),
        (
            ("threshold",),
            {"class_name": "a", "probability": 0.5, "of_folds": []},
            "threshold needs two",
        ),
        (("settings", "networks"), 3, "means is not of shape (3, 4)"),
        (("settings", "networks"), 10_000, "means is not of shape"),
        (("settings", "networks"), 100_000, "networks is 100000: it must be a whole number"),
        (("history", "best_epochs"), [0, 1], "best_epochs are not epochs of its networks"),
        (("history", "best_epochs"), [1, 4], "best_epochs are not epochs of its networks"),
        (("history", "best_epochs"), [1], "training_loss is not of shape (3, 1)"),
        (("history", "best_epochs"), 1, "history.best_epochs is not an array of numbers"),
        (("history", "holdout_loss"), [[1, 2]], "holdout_loss is not of shape (3, 2)"),
        (
            ("history", "training_loss"),
            [],
            "history.training_loss is not an array of numbers with 2 axes",
        ),
        (("network", "dtype"), "float16", "network.dtype is not one of float32, float64"),
        (("network", "dtype"), "object", "network.dtype is not one of float32, float64"),
        (("network", "dense"), [], "its layers are not those its settings ask for"),
        (("network", "bins"), {"columns": [0]}, "network.bins has no key"),
        (("network", "means"), [[1, 2, 3, 4]], "means is not of shape (2, 4)"),
        (
            ("network", "means"),
            [[1, 2, 3, 4], [1]],
            "network.means is not an array of numbers with",
        ),
        (("network", "limit"), 10, "network has an unknown key 'limit'"),
        (("network", "dense", 0, "dropout"), 0.5, "network.dense[0] has an unknown key 'dropout'"),
        (("network", "dense", 0, "biases"), REMOVED, "network.dense[0] has no key 'biases'"),
        (("network", "dense", 0, "biases"), [[0, 0]], "biases is not of shape"),
        (
            ("network", "dense", 1, "weights", 1),
            [[1, 2]] * 2,
            "network.dense[1].weights is not an array of",
        ),
        (
            ("network", "dense", 1, "weights", 0, 0, 0),
            "1",
            "network.dense[1].weights is not an array of",
        ),
        (
            ("network", "dense", 1, "weights", 0, 0, 0),
            None,
            "network.dense[1].weights is not an array of",
        ),
    ],
)
def test_anything_that_is_not_as_it_should_be_is_refused(
    path: tuple[str | int, ...], value: Any, words: str
) -> None:
    assert refusal(edited({path: value})).startswith(words)


def test_edited_file_without_changes_is_accepted() -> None:
    assert to_bytes(from_bytes(edited({}), "model.json")) == DATA


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("settings", "balanced"), "no", id="text-for-truth-value"),
        pytest.param(("settings", "hidden"), [True], id="truth-value-for-layer"),
        pytest.param(("settings", "learning_rate"), [0.1], id="list-for-float"),
        pytest.param(("settings", "optimizer"), [], id="list-for-name"),
        pytest.param(("settings", "seed"), 2**64, id="seed-beyond-64-bits"),
        pytest.param(("history", "best_epochs", 0), True, id="truth-value-for-epoch"),
        pytest.param(("history", "training_loss", 0, 0), 1e300, id="loss-beyond-float32"),
        pytest.param(("network", "scales", 0, 0), "1", id="text-for-scale"),
        pytest.param(("network", "dense", 0, "weights"), {}, id="object-for-weights"),
        pytest.param(("network", "dense", 0, "weights", 0, 0, 0), 1e39, id="beyond-float32"),
        pytest.param(("class_counts", 0), 10**400, id="count-beyond-float"),
        pytest.param(("settings", "epochs"), True, id="truth-value-for-number"),
        pytest.param(("settings", "weight_decay"), True, id="truth-value-for-float"),
        pytest.param(("encoder", "columns", 0, "minimum"), 10**400, id="integer-beyond-float"),
        pytest.param(("encoder", "columns", 0, "maximum"), True, id="truth-value-for-maximum"),
        pytest.param(("encoder", "columns", 1, "left_out"), -1, id="negative-count"),
        pytest.param(("encoder", "columns", 1, "left_out"), 10**30, id="count-beyond-64-bits"),
        pytest.param(("folds", "seed"), 2**64, id="unknown-key-of-folds"),
        pytest.param(("folds", "entries", "contents", 0), -1, id="negative-key"),
        pytest.param(("encoder", "unnamed_columns"), -1, id="negative-unnamed-columns"),
        pytest.param(("encoder", "unnamed_columns"), 10**12, id="more-columns-than-any-file"),
        pytest.param(("encoder", "unnamed_columns"), 5, id="target-not-among-unnamed-columns"),
    ],
)
def test_value_that_no_training_gives_is_refused(path: tuple[str | int, ...], value: Any) -> None:
    refusal(edited({path: value}))


def test_layer_that_is_not_one_of_its_own_cannot_be_saved() -> None:
    class Sine(Layer):
        pass

    own = contents()
    stranger = Network([*own.network.layers[:2], ReLU(), Sine(), own.network.layers[3]])
    with pytest.raises(ModelError, match="a layer of kind Sine cannot be saved"):
        to_bytes(replace(own, network=stranger))


def test_weights_are_written_in_their_shortest_form() -> None:
    own = contents()
    assert isinstance(own.network.layers[1], Dense)
    own.network.values[...] = 0.1
    assert b"[0.1, 0.1]" in to_bytes(own)
    assert b"0.100000001490" not in to_bytes(own)
