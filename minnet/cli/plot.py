"""`minnet plot`: pictures of a model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

import minnet
from minnet.analysis.seeds import NETWORKS
from minnet.cli import options
from minnet.cli.seeds import train_all
from minnet.cli.tune import read_trials
from minnet.plots import figure, scores

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


@options.command(
    "plot",
    click.argument("kind", metavar="[KIND]", type=options.Choice(list(TAKES)), default="loss"),
    click.argument("data", type=options.FILE, required=False),
    "model",
    options.option(
        "-o --output", options.FILE, "The picture: .png, .svg or .pdf.  [default: KIND.png]"
    ),
    options.option(
        "--x",
        options.COLUMN,
        "regions: the column on the horizontal axis.  [default: one with large weights]",
    ),
    options.option(
        "--y",
        options.COLUMN,
        "regions: the column on the vertical axis.  [default: one with large weights]",
    ),
    options.option("--row", int, "network: show what row N of DATA does in it.", metavar="N"),
    options.option("--network", int, "network: which one, counted from 1.", metavar="K"),
    options.option("--networks", click.IntRange(min=2), f"seeds: how many.  [default: {NETWORKS}]"),
    options.option(
        "--class of", str, "roc, pr: this class against the rest.  [default: all]", metavar="NAME"
    ),
    "quiet",
)
def command(request: options.Request, kind: str, output: str | None, **chosen: Any) -> None:
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
    options_given = (chosen | request.settings).items()
    given = {name: value for name, value in options_given if value is not None}
    _check_usage(kind, request.data, given)
    output = output or f"{kind}.png"
    request.check_picture(output)
    figure.save(_draw(kind, request, given), output)
    request.say(f"wrote {output}")


def _check_usage(kind: str, data: str, given: dict[str, Any]) -> None:
    """Refuse what a kind of picture needs and has not got, and what it would not look at."""
    takes = TAKES[kind]
    for name in given:
        if name not in takes:
            option = "class" if name == "of" else name
            raise click.UsageError(f"`plot {kind}` takes no --{option}")
    if not data and "DATA" in takes:
        what = "what `minnet tune --json` printed" if kind == "tune" else "a labelled CSV file"
        raise click.UsageError(f"`plot {kind}` needs DATA, {what}")
    if data and not {"DATA", "data"} & set(takes):
        raise click.UsageError(f"`plot {kind}` takes no DATA")
    if kind == "network" and bool(data) != ("row" in given):
        raise click.UsageError("`plot network` takes DATA and --row together")


def _draw(kind: str, request: options.Request, given: dict[str, Any]) -> figure.Axes:
    if kind == "tune":
        return minnet.plot_trials(**read_trials(request.data))
    model = request.load_model()
    network = given["network"] - 1 if "network" in given else None
    if kind == "loss":
        return minnet.plot_loss(model)
    if not request.data:
        return minnet.plot_network(model, network or 0)
    table = request.read_data(model.encoder)
    if kind == "network":
        return minnet.plot_row(minnet.explain(model, table, given["row"] - 1, network))
    if kind == "regions":
        return minnet.plot_regions(model, table, **given)
    if kind == "importance":
        return minnet.plot_importance(minnet.importance(model, table))
    if kind == "seeds":
        settings = replace(model.settings, networks=given.get("networks", NETWORKS), seed=0)
        return scores.plot_seeds(train_all(request, model.encoder, table, settings))
    draw = getattr(minnet, "plot_precision_recall" if kind == "pr" else f"plot_{kind}")
    return draw(minnet.evaluate(model, table), **given)
