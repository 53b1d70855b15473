from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

import minnet
from minnet.report import MOST_SHOWN

HOSTILE = "<script>f(1)</script>"
NAMES = [HOSTILE, '"><img src=x onerror=y>', "a & b", "line\nbreak", "<b>", "&lt;"]


class Page(HTMLParser):
    """Gathers tags, attributes and cells, and checks that tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.cells: list[str] = []
        self.rows = 0
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.rows += tag == "tr"
        if tag in ("td", "th", "caption"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.cells[-1] += data


@pytest.fixture(scope="module")
def columns() -> dict[str, list[object]]:
    generator = np.random.default_rng(0)
    return {
        HOSTILE: generator.normal(size=60).tolist(),
        "<i>town</i>": [NAMES[row % 5] for row in range(60)],
        "kind": [NAMES[row // 20 % 3] for row in range(60)],
    }


@pytest.fixture(scope="module")
def shown(columns: dict[str, list[object]]) -> dict[str, str]:
    table = minnet.Table.from_columns(columns, source="<table>.csv")
    model = minnet.train(table, "kind", networks=3, epochs=3)
    far = {**columns, HOSTILE: [1e6] * 60}
    return {
        "model": model._repr_html_(),
        "evaluation": minnet.evaluate(model, table)._repr_html_(),
        "predictions": minnet.predict(model, far)._repr_html_(),
        "explanation": minnet.explain(model, table, row=4)._repr_html_(),
    }


@pytest.mark.parametrize("what", ["model", "evaluation", "predictions", "explanation"])
def test_what_a_notebook_shows_is_a_table_whatever_the_names(
    shown: dict[str, str], what: str
) -> None:
    page = Page(shown[what])
    assert page.tags == {"table", "caption", "tr", "th", "td"}
    # No colour is fixed, so that it is readable in a dark notebook.
    assert page.attributes <= {"colspan"}
    assert any(HOSTILE in cell for cell in page.cells)
    assert any('"><img src=x onerror=y>' in cell for cell in page.cells)
    assert any("a & b" in cell for cell in page.cells)


def test_evaluation_shows_its_scores(
    shown: dict[str, str], columns: dict[str, list[object]]
) -> None:
    scores = minnet.evaluate(minnet.train(columns, "kind", networks=3, epochs=3), columns)
    cells = Page(scores._repr_html_()).cells
    assert cells[0] == f"{len(scores)} rows, {scores.judged_by}"
    for name, fact in scores.facts:
        assert cells[cells.index(fact) - 1] == name
    for name, of_class in scores.class_scores.items():
        expected = [name, f"{of_class.precision:.3f}", f"{of_class.recall:.3f}"]
        start = cells.index(name, cells.index("precision"))
        assert cells[start : start + 3] == expected
        assert cells[start + 4] == str(of_class.rows)


def test_predictions_show_the_first_rows_and_count_the_others(shown: dict[str, str]) -> None:
    page = Page(shown["predictions"])
    assert page.cells[0] == "minnet predictions, 60 rows"
    assert page.rows == MOST_SHOWN + 2
    assert page.cells[-1] == "... 48 more rows"
    assert any(f"outside training range: {HOSTILE}" in cell for cell in page.cells)


def test_explanation_shows_values_and_every_class(columns: dict[str, list[object]]) -> None:
    model = minnet.train(columns, "kind", networks=3, epochs=3)
    explanation = minnet.explain(model, columns, row=4)
    cells = Page(explanation._repr_html_()).cells
    for section in explanation.report():
        assert section.title in cells
    start = cells.index(HOSTILE)
    assert cells[start + 1] == f"{explanation.values[0]:.15g}"
    assert cells[start + 4] == f"{explanation.trace.layers[0].inputs[0]:#.4g}"


def test_notebook_output_of_many_classes_and_features_stays_small() -> None:
    columns = {f"c{k}": [float(i * k % 7) for i in range(200)] for k in range(100)}
    table = {**columns, "y": [f"class{i % 40}" for i in range(200)]}
    model = minnet.train(table, "y", networks=1, epochs=1)
    for shown, most in (
        (minnet.evaluate(model, table), 7000),
        (minnet.predict(model, table), 7000),
        (minnet.explain(model, table, row=0), 20_000),
    ):
        assert len(shown._repr_html_()) < most
