from __future__ import annotations

import re
import sys
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import minnet
from minnet.data.cells import MISSING, CellFormat, TableFormat
from minnet.data.table import as_table
from minnet.errors import ModelError, PackageError
from minnet.model.document import load
from minnet.model.threshold import Threshold
from minnet.network.layers import Dense, Layer, ReLU
from minnet.network.network import Network
from minnet.network.preparation import Bins, Standardize
from minnet.onnx import _SPACES, BEGINNING, export
from tests.helpers import IRIS, PENGUINS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from minnet import Table
    from minnet.arrays import Array
    from minnet.model.model import Model

QUICK = {"networks": 3, "epochs": 5}
Columns = dict[str, "list[Any]"]


def columns_of(path: Path) -> Columns:
    """All columns of a CSV, numbers as such where all cells are."""
    table = minnet.read_csv(path)
    return {
        name: column.numbers.tolist()
        if column.numbers is not None
        else [[*column.spellings, ""][code] for code in column.codes]
        for name, column in table.columns.items()
    }


def session_of(model: Model) -> onnxruntime.InferenceSession:
    proto = export(model)
    onnx.checker.check_model(proto, full_check=True)
    return onnxruntime.InferenceSession(proto.SerializeToString())


def run(session: onnxruntime.InferenceSession, data: Mapping[str, Sequence[Any]]) -> list[Array]:
    """Label, probabilities and spread of each row; the inputs of the graph say what it takes."""
    types = {"tensor(double)": np.float64, "tensor(string)": np.object_}
    feed = {
        one.name: np.array(data[one.name], types[one.type])[:, None] for one in session.get_inputs()
    }
    return session.run(None, feed)


def assert_agrees(model: Model, data: Mapping[str, Sequence[Any]], tolerance: float = 1e-5) -> None:
    """The graph predicts what `predict` does, for every row."""
    labels, probabilities, spread = run(session_of(model), data)
    expected = minnet.predict(model, data)
    assert len(expected)
    assert_allclose(probabilities, expected.probabilities, rtol=0, atol=tolerance)
    assert labels.tolist() == expected.predicted
    assert_allclose(spread, expected.spread, rtol=0, atol=tolerance)


def in_float64(model: Model) -> Model:
    """Make the same model in float64, where no two orders of summing differ by much."""
    layers: list[Layer] = []
    for layer in model.network.layers:
        if isinstance(layer, Dense):
            parameters = (layer.weights, layer.biases)
            layers.append(Dense(*(one.values.astype(np.float64) for one in parameters)))
        elif isinstance(layer, Standardize):
            layers.append(Standardize(layer.means, layer.scales, np.float64))
        elif isinstance(layer, Bins):
            edges = layer.lower, layer.upper
            layers.append(Bins(layer.columns, *edges, layer.is_sharp, np.float64))
        else:
            layers.append(layer)
    return replace(model, network=Network(layers))


def sixty_categories() -> Columns:
    """Rows of 60 categories, ten of them beyond what is kept, and of numbers that need float64."""
    random = np.random.default_rng(0)
    kinds = random.permutation([f"kind {i}" for i in range(60) for _ in range(3 + i % 11)])
    size = random.normal(size=len(kinds)) * 1e300
    offset = 1.7e9 + random.uniform(size=len(kinds))
    code = np.array([int(kind[5:]) for kind in kinds])
    above = (size > 0) + (offset > 1.7e9 + 0.5) + code % 2
    return {
        "kind": kinds.tolist(),
        "size": size.tolist(),
        "offset": offset.tolist(),
        "constant": [3.0] * len(kinds),
        "class": [f"class {one}" for one in above],
    }


@cache
def penguins_model() -> Model:
    return minnet.train(PENGUINS, "species", **QUICK)


@pytest.mark.parametrize(
    "settings",
    [{}, {"networks": 1, "hidden": ()}, {"hidden": (5, 4)}],
    ids=["defaults", "one network, no hidden layer", "two hidden layers"],
)
@pytest.mark.parametrize(
    ("data", "target"),
    [
        (columns_of(IRIS), "species"),
        (columns_of(PENGUINS), "species"),
        (columns_of(PENGUINS), "sex"),
        (sixty_categories(), "class"),
    ],
    ids=["iris", "penguins", "penguins sex", "sixty categories"],
)
def test_graph_agrees_with_predict_on_every_row(
    data: Columns, target: str, settings: dict[str, Any]
) -> None:
    model = minnet.train(data, target, **{"epochs": 40, **settings})
    assert_agrees(model, data)
    assert_agrees(in_float64(model), data, 1e-12)


@pytest.mark.parametrize("class_name", ["female", "male"])
def test_label_follows_the_threshold(class_name: str) -> None:
    data = columns_of(PENGUINS)
    plain = minnet.train(data, "sex", **QUICK)
    model = replace(plain, threshold=Threshold(class_name, 0.2))
    assert minnet.predict(model, data).predicted != minnet.predict(plain, data).predicted
    assert_agrees(in_float64(model), data, 1e-12)


def test_the_table_of_sixty_categories_is_one_that_float32_inputs_would_spoil() -> None:
    data = sixty_categories()
    model = minnet.train(data, "class", epochs=40)
    kind, *_ = model.encoder.columns
    assert (len(kind.categories), kind.left_out) == (50, 10)  # type: ignore[union-attr]
    rounded = data | {"offset": np.float32(data["offset"]).astype(float).tolist()}
    moved = minnet.predict(model, rounded).probabilities
    assert abs(moved - minnet.predict(model, data).probabilities).max() > 0.1


def test_column_that_was_constant_in_training_counts_for_nothing() -> None:
    data = sixty_categories()
    model = minnet.train(data, "class", **QUICK)
    assert_agrees(model, data | {"constant": ([4.0, np.nan] * 300)[: len(data["kind"])]})


def test_unseen_categories_and_missing_cells_are_those_of_predict() -> None:
    words = [*MISSING, " NA\t", "\u3000nan\u2029", "None ", "\x1c", "  "]
    sexes = ["male", "female", *words, "Male", " male", "NA.", "N", "nan nan", "mâle", "m\0le"]
    rows = len(sexes)
    measures = [39.1, 18.7, 181.0, 3750.0, 2007.0]
    names = [
        "bill_length_mm",
        "bill_depth_mm",
        "flipper_length_mm",
        "body_mass_g",
        "year",
    ]
    data: Columns = {name: [value] * rows for name, value in zip(names, measures, strict=True)}
    data |= {"sex": sexes, "island": (["Dream", "", "Elba", "NA"] * rows)[:rows]}
    assert_agrees(penguins_model(), data)
    alike = data | {"sex": ["", *words, "NaN"], "island": ["Dream"] * (len(words) + 2)}
    alike |= {name: [value] * (len(words) + 2) for name, value in zip(names, measures, strict=True)}
    _, probabilities, _ = run(session_of(penguins_model()), alike)
    assert (probabilities == probabilities[0]).all()
    assert (probabilities[0] != run(session_of(penguins_model()), data)[1][0]).any()


def test_numbers_among_categories_are_compared_by_value_as_predict_does() -> None:
    kinds = ["3", "2.50", "x.", "7", "7.0", "-1", "01", ""]
    model = minnet.train({"kind": kinds * 9, "y": [*"abc"] * 24}, "y", **QUICK)
    same = ["3", "3.0", "3.", "3.00", "2.5", "2.500", "-1", "-1.0", "7", "7.00", "01", "x.", "NA"]
    others = ["03", "3.01", "30", "+3", " 3", "3 ", "01.0", "xy", "250", "1", "--1"]
    assert_agrees(model, {"kind": same + others})
    features = model.encoder.transform(as_table({"kind": same + others}, TableFormat(["kind"])))
    assert features.sum(axis=1).tolist() == [1] * len(same) + [0] * len(others)


def test_dates_go_into_the_graph_as_what_is_derived_of_them() -> None:
    when = ["2024-03-04 13:00", "", "2024-12-01T01:30+02:00", "2024-03-09"]
    model = minnet.train({"when": when * 9, "x": [*range(36)], "y": [*"abc"] * 12}, "y", **QUICK)
    later = [*when, "2025-07-04 13:00:00", "2024-03-04T09:00"]
    data = {"when": later, "x": [*range(6)]}
    derived = {
        "when.month": ["March", "", "November", "March", "July", "March"],
        "when.weekday": ["Monday", "", "Saturday", "Saturday", "Friday", "Monday"],
        "when.hour": ["13", "", "23", "0", "13", "9"],
    }
    session = session_of(model)
    assert [one.name for one in session.get_inputs()] == [*derived, "x"]
    probabilities = run(session, data | derived)[1]
    assert_allclose(probabilities, minnet.predict(model, data).probabilities, atol=1e-5)


def test_the_engine_takes_none_and_nan_among_strings_for_missing() -> None:
    data = {name: cells[:3] for name, cells in columns_of(PENGUINS).items()}
    session = session_of(penguins_model())
    _, missing, _ = run(session, data | {"sex": [None, np.nan, None]})
    _, empty, _ = run(session, data | {"sex": ["", "", ""]})
    assert (missing == empty).all()


def test_words_that_the_model_takes_for_missing_are_missing_in_the_graph(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    cells = "".join(f"{['red', 'blue', 'unknown'][i % 3]},{'ab'[i % 2]}\n" for i in range(60))
    path.write_text(f"colour,y\n{cells}")
    table = read_table_with(path, missing_words=("unknown",))
    model = minnet.train(table, "y", **QUICK)
    assert model.encoder.columns[0].has_missing
    assert_agrees(model, {"colour": ["red", "unknown", " unknown ", "", "green"]})


def read_table_with(path: Path, **cell_format: Any) -> Table:
    return as_table(path, TableFormat(cells=CellFormat(**cell_format)))


def test_spaces_around_a_missing_word_are_those_of_strip() -> None:
    spaces = {chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()}
    told = {chr(code) for code in range(sys.maxunicode + 1) if re.fullmatch(_SPACES, chr(code))}
    assert told == spaces


CELLS = st.one_of(
    st.sampled_from([*sorted(MISSING), "male", "female", "Dream", "Biscoe", "Torgersen"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.text(" \t\u2003NAna?", max_size=5),
)
NUMBERS = st.one_of(
    st.floats(allow_infinity=False), st.floats(-1e4, 1e4), st.just(np.nan), st.integers(0, 9)
)


@cache
def float64_penguins() -> tuple[Model, onnxruntime.InferenceSession]:
    model = in_float64(penguins_model())
    return model, session_of(model)


@given(st.data())
def test_graph_agrees_with_predict_on_any_row(data: st.DataObject) -> None:
    model, session = float64_penguins()
    rows = data.draw(st.integers(1, 4))
    columns = {
        column.name: data.draw(
            st.lists(
                NUMBERS if column.name in model.encoder.form.numbers else CELLS,
                min_size=rows,
                max_size=rows,
            )
        )
        for column in model.encoder.columns
    }
    _, probabilities, _ = run(session, columns)
    expected = minnet.predict(model, columns).probabilities
    assert_allclose(probabilities, expected, rtol=0, atol=1e-10)


def test_infinite_number_is_clipped() -> None:
    model = penguins_model()
    data = {name: cells[:2] for name, cells in columns_of(PENGUINS).items()}
    session = session_of(model)
    _, infinite, _ = run(session, data | {"year": [np.inf, -np.inf]})
    _, far, _ = run(session, data | {"year": [1e300, -1e300]})
    assert (infinite == far).all()


@pytest.mark.parametrize("rows", [0, 1, 2, 5000])
def test_batch_may_have_any_number_of_rows(rows: int) -> None:
    data = {name: (cells * 20)[:rows] for name, cells in columns_of(PENGUINS).items()}
    labels, probabilities, spread = run(session_of(penguins_model()), data)
    assert (labels.shape, probabilities.shape, spread.shape) == ((rows,), (rows, 3), (rows,))


def test_inputs_and_outputs_have_names_types_and_shapes() -> None:
    session = session_of(penguins_model())
    text, number = "tensor(string)", "tensor(double)"
    assert {one.name: (one.type, one.shape) for one in session.get_inputs()} == {
        column.name: (number if column.name in names else text, ["rows", 1])
        for names in [penguins_model().encoder.form.numbers]
        for column in penguins_model().encoder.columns
    }
    assert [(one.name, one.type, one.shape) for one in session.get_outputs()] == [
        ("label", text, ["rows"]),
        ("probabilities", number, ["rows", 3]),
        ("spread", number, ["rows"]),
    ]


def test_layers_of_all_networks_are_one_matrix_product_each() -> None:
    operators = [node.op_type for node in export(penguins_model()).graph.node]
    assert operators.count("MatMul") == 2
    assert operators.count("Softmax") == 1


def test_metadata_hold_classes_target_and_version() -> None:
    meta = session_of(penguins_model()).get_modelmeta()
    assert meta.producer_name == "minnet"
    assert meta.custom_metadata_map == {
        "classes": '["Adelie", "Chinstrap", "Gentoo"]',
        "target": "species",
        "minnet_version": minnet.__version__,
    }


def test_odd_names_are_kept() -> None:
    names = ["a b", "a_b", "größe", "Concat_2", "constant_0", "input/0:1", "\n", "rows", "x" * 300]
    random = np.random.default_rng(0)
    data: Columns = {name: random.normal(size=60).tolist() for name in names}
    data["猫"] = ["☃", "e\u0301", "\u00e9", ""] * 15
    data["class"] = ["é", 'a"b', "\\n"] * 20
    model = minnet.train(data, "class", **QUICK)
    assert [one.name for one in session_of(model).get_inputs()] == [*names, "猫"]
    assert_agrees(model, data)


def test_outputs_make_way_for_columns_of_their_names() -> None:
    random = np.random.default_rng(0)
    data: Columns = {
        name: random.normal(size=40).tolist() for name in ("spread", "minnet_label", "x")
    }
    data["label"] = ["a", "b"] * 20
    model = minnet.train(data, "label", **QUICK)
    outputs = [one.name for one in session_of(model).get_outputs()]
    assert outputs == [f"minnet_minnet_{name}" for name in ("label", "probabilities", "spread")]
    assert_agrees(model, data)


def test_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    minnet.save(penguins_model(), tmp_path / "model.json")
    first, again, loaded = (
        export(model).SerializeToString()
        for model in (penguins_model(), penguins_model(), load(tmp_path / "model.json"))
    )
    assert first == again == loaded
    assert first.startswith(BEGINNING)


@pytest.mark.parametrize("kind", [Layer, ReLU, Dense])
def test_layer_of_ones_own_is_refused(kind: type[Layer]) -> None:
    own = type("Sine", (kind,), {})
    model = penguins_model()
    last = model.network.layers[-1]
    layer = own(last.weights.values, last.biases.values) if kind is Dense else own()
    with pytest.raises(ModelError, match="a layer of kind Sine cannot be exported"):
        export(replace(model, network=Network([last, layer])))


@pytest.mark.parametrize(
    ("column", "category", "target", "says"),
    [
        ("\ud800", "a", "y", r"'\\ud800' cannot be exported: it is not Unicode text"),
        ("x", "\ud800", "y", "it is not Unicode text"),
        ("x", "a", "y\udfff", "it is not Unicode text"),
        ("", "a", "y", "a column without a name cannot be exported"),
    ],
)
def test_name_that_a_graph_cannot_hold_is_refused(
    column: str, category: str, target: str, says: str
) -> None:
    data = {"x": [category, "b", category, "c"], target: list("pqpq")}
    model = minnet.train(minnet.Table.from_columns(data), target, **QUICK)
    (known,) = model.encoder.columns
    encoder = replace(model.encoder, columns=(replace(known, name=column),))
    with pytest.raises(ModelError, match=says):
        export(replace(model, encoder=encoder))


def test_missing_package_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "minnet.onnx")
    with pytest.raises(PackageError, match=r"pip install '\.\[onnx\]' in a clone of minnet$"):
        import_module("minnet.onnx")
