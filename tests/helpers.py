"""What many tests use: the tables of this project, and how a command ended."""

from __future__ import annotations

import io
import re
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

import minnet
from minnet.data.cells import PLAIN, TableFormat
from minnet.data.csv import LINES_AT_ONCE, Chunk, CsvReader
from minnet.data.encoding import Examples
from minnet.data.table import Table
from minnet.network.preparation import Bins, FeatureSummary, Standardize, fit_preparation
from minnet.report import WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

    from minnet import Model, TrainingSettings

ROOT = Path(__file__).parents[1]
IRIS = ROOT / "data" / "iris.csv"
PENGUINS = ROOT / "data" / "penguins.csv"


def chunks_of(reader: CsvReader, lines_at_once: int = LINES_AT_ONCE) -> Iterator[Chunk]:
    """All rows of a CSV, those of so many lines at a time; of more where a row is not whole."""
    return map(reader.parser.chunk, reader.blocks(lines_at_once))


def rows_of(chunks: Iterable[Chunk]) -> list[list[str]]:
    """Rows of cells, one after another."""
    return [[*row] for chunk in chunks for row in zip(*chunk.columns, strict=True)]


@dataclass
class Ending:
    """How a command ended; broken lines of what it printed are whole, see `unfolded`.

    The widest line is that of all but commands to copy, as it was printed.
    """

    code: int
    out: str
    err: str
    widest: int = 0

    @property
    def only_error(self) -> str:
        """The one line a failed command may leave."""
        assert self.code in (1, 2), self
        assert self.out == "", self
        lines = self.err.splitlines()
        assert [line.startswith("Error: ") for line in lines].count(True) == 1, self
        assert "Traceback" not in self.err, self
        return lines[-1]


def unfolded(text: str) -> str:
    """A report or messages, with those lines whole again that were broken to fit a terminal.

    What is behind stands two columns to the right of where its text, the last in its line, began.
    """
    lines: list[str] = []
    first = before = ""
    for line in text.split("\n"):
        start = len(line) - len(line.lstrip()) - 2
        is_last = start >= 0 and re.fullmatch(r"\S+( \S+)*", first[start:]) is not None
        begins_there = is_last and not f"  {first}"[start : start + 2].strip()
        if begins_there and len(before) + 1 + len(line.split()[0]) > WIDTH:
            lines[-1] += f" {line.lstrip()}"
        else:
            lines.append(line)
            first = line
        before = line
    return "\n".join(lines)


class Run(Protocol):
    def __call__(self, *arguments: object, stdin: str | bytes = "") -> Ending: ...


def fit(
    table: Table, target: str, settings: TrainingSettings | None = None, **options: Any
) -> Model:
    """Train with settings made before."""
    return minnet.train(table, target, **(vars(settings) if settings else {}), **options)


def predicted(model: Model, table: Table) -> list[str]:
    """Class name of each row."""
    return minnet.predict(model, table).predicted


def recorded_pools(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many workers are started from now on, each time."""
    from minnet.training import processes

    counts: list[int] = []

    def recorded(pool: Any) -> Any:
        def start(*arguments: Any) -> Any:
            counts.append(1 if pool.__name__ == "ThisProcess" else arguments[0])
            return pool(*arguments)

        return start

    for pool in (processes.Workers, processes.ThisProcess):
        monkeypatch.setattr(processes, pool.__name__, recorded(pool))
    return counts


def cut_in_three(text: str) -> list[str]:
    """The rows of a CSV as three files, each with the header; no cell may hold a line end."""
    header, *rows = text.splitlines(keepends=True)
    cuts = [0, len(rows) // 4, len(rows) // 2, len(rows)]
    return [header + "".join(rows[first:last]) for first, last in pairwise(cuts)]


def examples_of_keys(
    keys: Any, labels: Any, groups: Any = None, *, wholes: Any = None, is_coarse: bool = False
) -> Examples:
    """Rows of which nothing but keys and labels is known."""
    rows = np.arange(len(keys))
    wholes = np.zeros_like(keys) if wholes is None else wholes
    known = labels, rows, keys, wholes, rows, groups
    return Examples(np.empty((len(keys), 0)), *known, is_coarse=is_coarse)


def known_note(rows: int) -> str:
    """What predict says of rows that are all in the training table."""
    return (
        f"note: {rows:,} of {rows:,} rows are in the training table: predictions for them flatter "
        "(see evaluate)\n"
    )


def preparation_by_rows(
    features: Any, rows: Any, scaled: Any, bins: int = 0, dtype: Any = np.float32
) -> list[Any]:
    """Layers fitted for networks that train on these rows each, whether in folds or not."""
    fewest = np.where(scaled, 0, -1)
    fitted = [
        fit_preparation(FeatureSummary.of(features[own]), fewest, dtype=dtype) for own in rows
    ]
    first = Standardize(
        np.concatenate([layers[0].means for layers in fitted]),  # type: ignore[attr-defined]
        np.concatenate([layers[0].scales for layers in fitted]),  # type: ignore[attr-defined]
        fitted[0][0].dtype,  # type: ignore[attr-defined]
    )
    columns = np.flatnonzero(scaled)
    if not bins or not len(columns):
        return [first]
    exact = Standardize(first.means, first.scales, np.float64)
    edges = np.zeros((len(rows), len(columns), bins + 1))
    for network, own in enumerate(rows):
        for place, column in enumerate(columns):
            cells = np.sort(features[own, column][~np.isnan(features[own, column])])
            if len(cells):
                places = [(k * (len(cells) - 1) + bins // 2) // bins for k in range(bins + 1)]
                quantiles = np.full((bins + 1, features.shape[1]), np.nan)
                quantiles[:, column] = cells[places]
                edges[network, place] = exact.forward(quantiles)[network, :, column]
    layer = bins_between(edges, columns, dtype)
    return [exact, layer] if len(layer.columns) else [first]


def bins_between(
    edges: Any, columns: Any, dtype: Any = np.float64, *, is_sharp: bool = False
) -> Bins:
    """A layer of the bins between edges, `(networks, columns, bins + 1)`, that any network has."""
    edges = np.asarray(edges, dtype=np.float64)
    has_width = edges[..., :-1] < edges[..., 1:]
    several = (has_width.sum(axis=-1) > 1).any(axis=0)
    kept = has_width.any(axis=0) & several[:, None]
    lower, upper = edges[..., :-1][:, kept], edges[..., 1:][:, kept]
    return Bins(np.asarray(columns)[np.nonzero(kept)[0]], lower, upper, is_sharp, dtype)


def standardized_by_rows(
    features: Any, rows: Any, scaled: Any, dtype: Any = np.float32
) -> Standardize:
    """Make the scaling layer of networks that train on these rows each."""
    (layer,) = preparation_by_rows(features, rows, scaled, 0, dtype)
    assert isinstance(layer, Standardize)
    return layer


def read_text(
    text: str | bytes, form: TableFormat = PLAIN, source: str = "data.csv", spread: Any = None
) -> Table:
    """Read the text of a CSV file."""
    data = text.encode() if isinstance(text, str) else text
    reader = CsvReader(io.BytesIO(data), source, form)
    return Table.from_files([nullcontext(reader)], source, form, spread)
