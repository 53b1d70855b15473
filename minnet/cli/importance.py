"""`minnet importance`: which columns matter to a model."""

from __future__ import annotations

from minnet.analysis.importance import MOST_COLUMNS_SHOWN, Importance, importance
from minnet.cli import options
from minnet.data.cells import short_names
from minnet.errors import plural
from minnet.report import Cells, Section, bar, span

BAR = 14


@options.command(
    "importance",
    "data",
    "model",
    options.option("--shuffles", int, "How often to shuffle each column.", default=10),
    "seed",
    *options.RUNNING,
)
def command(request: options.Request, shuffles: int) -> None:
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
    with request.cluster() as workers:
        measured = importance(model, table, shuffles=shuffles, seed=seed, workers=workers)
    request.note(model.encoder.unseen(table))
    request.print_result(
        lambda: {"seed": seed, **measured.document()}, lambda: _report(measured, seed)
    )
    request.suggest(
        f"minnet plot importance {options.quoted(request.data)}", "the same as a picture"
    )


def _report(measured: Importance, seed: int) -> list[Section]:
    rows = plural(measured.rows, "row")
    if measured.rows < measured.available:
        rows += f", drawn by seed {seed} from {measured.available:,}"
    shown, means, matters = slice(MOST_COLUMNS_SHOWN), measured.means, measured.matters
    cells = [
        [
            name,
            f"{mean:z.3f}",
            f"{chance:z.3f}",
            span(low, high, "{:z.3f}".format),
            bar(mean / means[0], BAR) if is_more else "no more than chance",
        ]
        for name, mean, chance, is_more, low, high in zip(
            short_names(measured.columns[shown]),
            means[shown],
            measured.chance[shown],
            matters[shown],
            *measured.network_ranges[:, shown],
            strict=True,
        )
    ]
    parts: list[str | Cells] = [
        Cells(cells, ["column", "increase", "by chance", "networks", ""], left=(0, 4))
    ]
    if others := len(measured) - len(cells):
        matter = matters[MOST_COLUMNS_SHOWN:].sum()
        parts.append(
            f"{plural(others, 'other column')}, {matter:,} of them more than chance: see --json"
        )
    return [
        Section(
            f"{rows}, {measured.judged_by}",
            [
                f"log loss {measured.log_loss:.3f} nats per row",
                "increase: with the cells of a column shuffled, mean of "
                + plural(measured.increases.shape[1], "shuffle"),
                "by chance: how far from 0 the increase of an uninformative column may be (95 %)",
            ],
        ),
        Section("", parts),
    ]
