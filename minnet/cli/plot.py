"""`minnet plot`: pictures of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from minnet.cli import options
from minnet.cli.options import COLUMN, FILE, Choice
from minnet.model.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NETWORKS = 100
# What each kind of picture takes; DATA in capitals where there is no picture without it.
TAKES = {
    "loss": (),
    "confusion": ("DATA",),
    "calibration": ("DATA",),
    "regions": ("DATA", "x", "y"),
    "network": ("data", "row", "network"),
    "seeds": ("DATA", "networks"),
    "importance": ("DATA",),
    "roc": ("DATA", "of"),
    "pr": ("DATA", "of"),
    "tune": ("DATA",),
}


@click.command("plot")
@click.argument("kind", metavar="[KIND]", type=Choice(list(TAKES)), default="loss")
@click.argument("data", type=FILE, required=False)
@options.model_option
@click.option(
    "-o",
    "--output",
    type=FILE,
    help="The picture: .png, .svg or .pdf.  [default: KIND.png]",
)
@click.option(
    "--x",
    type=COLUMN,
    help="regions: the column on the horizontal axis.  [default: one with large weights]",
)
@click.option(
    "--y",
    type=COLUMN,
    help="regions: the column on the vertical axis.  [default: one with large weights]",
)
@click.option("--row", type=int, metavar="N", help="network: show what row N of DATA does in it.")
@click.option("--network", type=int, metavar="K", help="network: which one, counted from 1.")
@click.option(
    "--networks", type=click.IntRange(min=2), help=f"seeds: how many.  [default: {NETWORKS}]"
)
@click.option(
    "--class", "of", metavar="NAME", help="roc, pr: this class against the rest.  [default: all]"
)
@options.quiet_option
def command(
    kind: str, data: str | None, model: str, output: str | None, quiet: bool, **chosen: Any
) -> None:
    """Pictures of a model.

    \b
    loss         how it learned
    confusion    which classes of DATA it takes for which
    calibration  whether its probabilities for DATA hold
    regions      what it predicts over two numeric columns, with the rows of DATA
    network      units and weights; with DATA and --row, what that row does in them
    seeds        how its probabilities for DATA move when it is trained from other seeds
    importance   how much its loss on DATA grows when a column is shuffled
    roc          false alarms for rows found, over all thresholds, with the area
    pr           precision and recall, over all thresholds, with the area
    tune         the losses of the configurations in DATA, which `minnet tune --json` printed

    \b
    Examples:
      minnet plot
      minnet plot regions iris.csv --x petal_length --y petal_width -o regions.svg
    """
    from minnet.cli.tune import read_trials
    from minnet.model.document import load
    from minnet.plots import figure
    from minnet.plots.curves import plot_trials

    given = {name: value for name, value in chosen.items() if value is not None}
    _check_usage(kind, data, given)
    output = output or f"{kind}.png"
    options.if_interrupted(f"{output} was not written")
    options.check_picture(output, *([data] if data else []), model)
    if kind == "tune" and data is not None:
        axes = plot_trials(*read_trials(data))
    else:
        axes = _draw(kind, load(model), data, given, quiet=quiet)
    figure.save(axes, output)
    options.print_message(f"wrote {output}", quiet=quiet)


def _check_usage(kind: str, data: str | None, given: dict[str, Any]) -> None:
    """Refuse what a kind of picture needs and has not got, and what it would not look at."""
    takes = TAKES[kind]
    for name in given:
        if name not in takes:
            option = "class" if name == "of" else name
            raise click.UsageError(f"`plot {kind}` takes no --{option}")
    if data is None and "DATA" in takes:
        what = "what `minnet tune --json` printed" if kind == "tune" else "a labelled CSV file"
        raise click.UsageError(f"`plot {kind}` needs DATA, {what}")
    if data is not None and not {"DATA", "data"} & set(takes):
        raise click.UsageError(f"`plot {kind}` takes no DATA")
    if kind == "network" and (data is None) != ("row" not in given):
        raise click.UsageError("`plot network` takes DATA and --row together")


def _draw(kind: str, model: Model, data: str | None, given: dict[str, Any], *, quiet: bool) -> Axes:
    from minnet.plots import scores
    from minnet.plots.network import plot_network, plot_row
    from minnet.plots.regions import plot_regions

    network = given["network"] - 1 if "network" in given else None
    if kind == "loss":
        return scores.plot_loss(model)
    if data is None:
        return plot_network(model, network or 0)
    table = options.read_data(data, model.encoder)
    if kind == "network":
        from minnet.analysis.explanation import explain

        return plot_row(explain(model, table, given["row"] - 1, network))
    if kind == "regions":
        return plot_regions(model, table, **given)
    if kind == "seeds":
        from minnet.analysis.seeds import study_seeds
        from minnet.cli.progress import Progress

        settings = replace(model.settings, networks=given.get("networks", NETWORKS), seed=0)
        workers = click.get_current_context().obj
        with Progress("{}/{} networks", settings.networks, quiet=quiet) as progress:
            study = study_seeds(model.encoder, table, settings, progress.advance, workers=workers)
        return scores.plot_seeds(study)
    if kind == "importance":
        from minnet.analysis.importance import importance
        from minnet.plots.scores import plot_importance

        return plot_importance(importance(model, table))
    from minnet.model.scores import evaluate
    from minnet.plots.curves import plot_precision_recall, plot_roc

    draws: dict[str, Callable[..., Axes]] = {
        "confusion": scores.plot_confusion,
        "calibration": scores.plot_calibration,
        "roc": plot_roc,
        "pr": plot_precision_recall,
    }
    return draws[kind](evaluate(model, table), **given)
