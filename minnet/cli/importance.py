"""`minnet importance`: which columns matter to a model."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import click

from minnet.analysis.importance import Importance, importance
from minnet.cli import options, text
from minnet.cli.options import Request
from minnet.data.cells import short_names
from minnet.errors import plural

MOST_COLUMNS_SHOWN = 30
BAR = 24


@options.command(
    "importance",
    "data",
    "model",
    click.option(
        "--shuffles",
        type=int,
        default=10,
        show_default=True,
        help="How often to shuffle each column.",
    ),
    "seed",
    "json",
    "workers",
    "scheduler",
    "quiet",
)
def command(request: Request, shuffles: int) -> None:
    """Which columns matter to a model, on held-out rows.

    Shuffles the cells of one column of DATA among the rows, and measures how much worse the log
    loss gets; then the next column. Rows are judged as by `minnet evaluate`. Of a large table, at
    most 10,000 rows are drawn.

    \b
    Examples:
      minnet importance iris.csv
      minnet importance iris.csv --shuffles 100 --json
    """
    model, seed = request.load_model(), request.settings["seed"]
    table = request.read_data(model.encoder)
    with request.cluster() as client:
        measured = importance(
            model, table, shuffles=shuffles, seed=seed, workers=request.workers, executor=client
        )
    request.note(model.encoder.unseen(table))
    options.print_lines(
        json.dumps(_document(measured, seed)) if request.as_json else _report(measured, seed)
    )
    request.suggest(f"minnet plot importance {options.quoted(request.data)}")


def _document(measured: Importance, seed: int) -> dict[str, Any]:
    return {
        "rows": measured.rows,
        "available_rows": measured.available,
        "judged_by": "all networks"
        if not measured.out_of_fold
        else "networks that never saw the row",
        "rows_in_training_table": measured.known,
        "rows_in_training_table_is_exact": measured.is_exact,
        "log_loss": measured.log_loss,
        "shuffles": measured.increases.shape[1],
        "seed": seed,
        "columns": [
            {
                "column": name,
                "increase": increase,
                "chance": chance,
                "more_than_chance": matters,
                "shuffles": of_shuffles,
                "networks": [None if math.isnan(value) else value for value in of_networks],
            }
            for name, increase, chance, matters, of_shuffles, of_networks in zip(
                measured.columns,
                measured.means.tolist(),
                measured.chance.tolist(),
                measured.matters.tolist(),
                measured.increases.tolist(),
                measured.network_increases.tolist(),
                strict=True,
            )
        ],
    }


def _report(measured: Importance, seed: int) -> str:
    rows = plural(measured.rows, "row")
    if measured.rows < measured.available:
        rows += f", drawn by seed {seed} from {measured.available:,}"
    return "\n".join(
        (
            f"{rows}, {measured.judged_by}",
            f"log loss {measured.log_loss:.3f} nats per row; increase: with the cells of a column "
            f"shuffled, mean of {plural(measured.increases.shape[1], 'shuffle')}",
            "by chance: how far from 0 the increase of an uninformative column may be (95 %)",
            "",
            *_lines(measured),
        )
    )


def _lines(measured: Importance) -> Iterator[str]:
    shown = slice(MOST_COLUMNS_SHOWN)
    means = measured.means
    cells = [
        [name, f"{mean:z.3f}", f"{chance:z.3f}", text.span(low, high, "{:z.3f}".format)]
        for name, mean, chance, low, high in zip(
            short_names(measured.columns[shown]),
            means[shown],
            measured.chance[shown],
            *measured.network_ranges[:, shown],
            strict=True,
        )
    ]
    table = text.table([["column", "increase", "by chance", "networks"], *cells]).split("\n")
    yield table[0]
    for line, mean, matters in zip(table[1:], means, measured.matters, strict=False):
        yield f"{line}  {text.bar(mean / means[0], BAR) if matters else 'no more than chance'}"
    if others := len(measured) - len(cells):
        matter = measured.matters[MOST_COLUMNS_SHOWN:].sum()
        yield f"{plural(others, 'other column')}, {matter:,} of them more than chance: see --json"
