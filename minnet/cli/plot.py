"""`minnet plot`: pictures of a model."""

from __future__ import annotations

import click

from minnet.cli import options


@click.command("plot")
@click.argument("kind", type=click.Choice(["loss"]), default="loss")
@options.model_option
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="The picture: .png, .svg or .pdf.  [default: KIND.png]",
)
def command(kind: str, model: str, output: str | None) -> None:
    """Pictures of a model.

    \b
    Examples:
      minnet plot
      minnet plot loss -o loss.svg
    """
    from minnet import plots
    from minnet.files import check_replaceable
    from minnet.model import Model

    output = output or f"{kind}.png"
    plots.check_format(output)
    check_replaceable(output)
    plots.save(plots.plot_loss(Model.load(model)), output)
    options.talk(f"wrote {output}")
