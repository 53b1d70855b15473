"""`minnet importance`: which columns matter to a model."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import click

from minnet.analysis.importance import Importance
from minnet.cli import options, text
from minnet.cli.options import cluster
from minnet.data.cells import short_names
from minnet.errors import plural

MOST_COLUMNS_SHOWN = 30
BAR = 24


@click.command("importance")
@options.data_argument
@options.model_option
@click.option(
    "--shuffles", type=int, default=10, show_default=True, help="How often to shuffle each column."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@options.json_option
@options.workers_option
@options.scheduler_option
@options.quiet_option
def command(
    data: str,
    model: str,
    shuffles: int,
    seed: int,
    as_json: bool,
    workers: int,
    scheduler: str | None,
    quiet: bool,
) -> None:
    """Which columns matter to a model, on held-out rows.

    Shuffles the cells of one column of DATA among the rows, and measures how much worse the log
    loss gets; then the next column. Rows are judged as by `minnet evaluate`. Of a large table, at
    most 10,000 rows are drawn.

    \b
    Examples:
      minnet importance iris.csv
      minnet importance iris.csv --shuffles 100 --json
    """
    from minnet.analysis.importance import importance
    from minnet.model.document import load

    loaded = load(model)
    table = options.read_data(data, loaded.encoder, workers)
    with cluster(scheduler, quiet=quiet) as client:
        measured = importance(
            loaded, table, shuffles=shuffles, seed=seed, workers=workers, executor=client
        )
    options.report_unseen(loaded.encoder, table, quiet=quiet)
    options.print_lines(
        json.dumps(_document(measured, seed)) if as_json else _report(measured, seed)
    )
    hint = f"minnet plot importance {options.quoted(data)}{options.unless_default(model)}"
    options.print_message(f"next: {hint}", quiet=quiet)


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
