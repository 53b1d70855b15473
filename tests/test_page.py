from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import minnet
from minnet import TrainingSettings, pages
from minnet.data.columns import NumericColumn
from minnet.model.judges import judges_of
from minnet.model.model import Model
from minnet.network.layers import Dense
from minnet.network.preparation import Bins
from minnet.pages import (
    column_document,
    embedded,
    page_document,
    render,
)
from minnet.pages import page as write_page
from tests.helpers import IRIS, PENGUINS, fit

if TYPE_CHECKING:
    from minnet import Table


NO_BINS = TrainingSettings(networks=1, bins=0, epochs=1)


@pytest.fixture(scope="module")
def model(iris: Table) -> Model:
    return minnet.train(iris, "species", networks=3, epochs=30, hidden=(6,))


def text_of_page(document: object) -> str:
    return render({"of": document})


@pytest.mark.parametrize(
    "text",
    ["</script>", "<!--", "<script", "&lt;", "\u2028\u2029", "$style", "${data}", "$$", "\\u003c"],
)
def test_data_in_a_page_is_text_and_comes_out_as_it_went_in(text: str) -> None:
    made = embedded({text: [text]})
    assert not set("<>&") & set(made)
    assert made.isascii()
    assert json.loads(made) == {text: [text]}
    (block,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', text_of_page(text)
    )
    assert json.loads(block) == {"of": text}


def test_a_page_is_one_file_that_names_no_place() -> None:
    page = text_of_page("")
    assert not re.search(r"""(src|href)=["']?(?!#)""", page.replace('href="#', ""))
    assert not re.search(r"url\(|@import|https?:(?!//www\.w3\.org/2000/svg)", page)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|eval\(|document\.write", page)


def test_script_and_style_cannot_end_early() -> None:
    page = text_of_page("")
    assert page.count("</script>") == page.count("<script") == 2
    assert page.count("</style>") == page.count("<style>") == 1


def test_scripts_stay_small() -> None:
    """Lines without comments and blanks: of all of them, and of those that train in the page."""
    scripts = {name: Path(pages.__file__).with_name(name).read_text() for name in pages.SCRIPTS}
    comments = re.compile(r"^\s*(//.*|/\*.*|\*.*|)$")
    lines = {
        name: sum(not comments.match(line) for line in script.splitlines())
        for name, script in scripts.items()
    }
    assert sum(lines.values()) <= 1850
    assert lines["trainer.js"] + lines["playground.js"] <= 350


def test_a_page_carries_no_path_and_the_same_model_gives_the_same_page(
    model: Model, tmp_path: Path
) -> None:
    folder = tmp_path / "a folder of mine"
    folder.mkdir()
    table = folder / "rows.csv"
    table.write_bytes(IRIS.read_bytes())
    for name in ("a.html", "b.html"):
        write_page(model, tmp_path / name, table)
    page = (tmp_path / "a.html").read_bytes()
    assert b"a folder of mine" not in page
    assert b"rows.csv" in page
    assert page == (tmp_path / "b.html").read_bytes()


def test_networks_are_packed_as_they_are(model: Model) -> None:
    network = page_document(model)["network"]
    values = np.frombuffer(b64decode(network["values"]), "<f4").reshape(network["networks"], -1)
    np.testing.assert_array_equal(values, model.network.values)
    assert network["sizes"] == [36, 6, 3]


def test_a_sample_of_the_rows_holds_those_it_got_most_wrong(model: Model, iris: Table) -> None:
    document = page_document(model, iris, rows=5)
    numbers = document["table"]["numbers"]
    assert {1, 150} <= {*numbers}
    assert {wrong["row"] for wrong in document["evaluation"]["most_wrong"]} <= {*numbers}
    assert len(numbers) <= 15
    assert document["table"]["rows"] == 150
    cells = document["table"]["cells"][0]
    assert cells == [iris["sepal_length"].numbers[number - 1] for number in numbers]  # type: ignore[index]


def test_rows_know_the_network_that_held_them_out(model: Model, iris: Table) -> None:
    told = page_document(model, iris)["table"]["held_out_by"]
    examples = model.encoder.examples(iris)
    mask = judges_of(model, examples).mask
    assert -1 in told
    for row, held_out in zip(examples.rows, mask.T, strict=True):
        assert told[row] == (held_out.argmax() if held_out.any() else -1)


def test_scores_are_those_of_evaluate(model: Model, iris: Table) -> None:
    told = page_document(model, iris)["evaluation"]
    evaluation = minnet.evaluate(model, iris)
    assert told["accuracy"] == evaluation.accuracy
    assert told["log_loss"] == evaluation.log_loss
    assert told["accuracy_interval"] == [*evaluation.accuracy_interval]
    assert told["confusion"] == evaluation.confusion.tolist()
    assert told["out_of_fold"] is True


def test_a_table_without_labels_is_no_error(model: Model, iris: Table) -> None:
    columns = {name: column for name, column in iris.columns.items() if name != "species"}
    document = page_document(model, replace(iris, columns=columns))
    assert "evaluation" not in document
    assert document["table"]["labels"] == [-1] * 150


@pytest.mark.parametrize(
    ("numbers", "counts"),
    [
        ([0, 0, 1, 20, None], [2, 1, *[0] * 17, 1]),
        ([-1e308, 1e308], [1, *[0] * 18, 1]),
        ([5e-324, 0], None),
        ([3, 3], None),
    ],
)
def test_histogram_of_any_numbers(numbers: list[float], counts: list[int] | None) -> None:
    present = [number for number in numbers if number is not None]
    column = NumericColumn("a", min(present), 0, max(present), has_missing=False)
    table = minnet.Table.from_columns({"a": numbers})
    histogram = column_document(column, table)["histogram"]
    if counts is None:
        assert histogram is None
    else:
        assert histogram["counts"] == counts


def test_many_classes_are_told_by_their_most_frequent_mistakes() -> None:
    draw = np.random.default_rng(0)
    labels = np.repeat(np.arange(30), 6)
    table = minnet.Table.from_columns(
        {"a": labels + draw.normal(0, 2, len(labels)), "label": [f"c{k:02}" for k in labels]}
    )
    document = page_document(fit(table, "label", networks=2, epochs=3), table)
    assert document["evaluation"]["confusion"] is None
    assert 0 < len(document["evaluation"]["confused"]) <= 10
    render(document)


def test_missing_cells_are_null(iris: Table) -> None:
    table = minnet.read_csv(PENGUINS)
    model = minnet.train(table, "species", networks=2, epochs=2)
    cells = page_document(model, table)["table"]["cells"]
    assert [column[3] for column in cells] == ["Torgersen", None, None, None, None, None, 2007]


def test_bins_are_told_as_in_a_model_file() -> None:
    binned = minnet.train(PENGUINS, "species", networks=2, epochs=1, bins=4, hidden=(6,))
    network = page_document(binned)["network"]
    _, bins, *_ = binned.network.layers
    assert isinstance(bins, Bins)
    assert network["sizes"] == [len(binned.encoder.features) + len(bins.columns), 6, 3]
    assert network["bins"] == {
        "columns": bins.columns.tolist(),
        "lower": bins.lower.tolist(),
        "upper": bins.upper.tolist(),
    }
    assert page_document(fit(minnet.read_csv(IRIS), "species", NO_BINS))["network"]["bins"] is None


def test_the_strength_of_a_column_is_that_of_its_strongest_input(iris: Table) -> None:
    binned = minnet.train(iris, "species", networks=2, epochs=1, bins=4)
    dense = next(layer for layer in binned.network.layers if isinstance(layer, Dense))
    dense.weights.values[:] = 0.01
    dense.weights.values[:, 4 + 2 * 4 + 3] = 0.5  # the fourth bin of the third column
    strengths = [column["strength"] for column in page_document(binned)["columns"]]
    assert strengths == [0.01, 0.01, 0.25, 0.01]
