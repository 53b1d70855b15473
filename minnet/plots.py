"""Pictures of a model, made with matplotlib; each function draws on `ax` or on a new figure.

Colours are from Okabe and Ito's palette, which the colour-blind can tell apart; what matters also
differs in line style, width or label, so that it survives a printer without colour.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from minnet.errors import SettingsError
from minnet.files import replaced_file
from minnet.training import guessing_loss

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minnet.model import Model

BLUE, ORANGE, GREEN, VERMILLION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#666666"
FORMATS = ("png", "svg", "pdf")


def new_axes(width: float = 7.0, height: float = 4.2) -> Axes:
    """Make the axes of a figure of that size in inches; no display and no pyplot involved."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    os.environ["MPLBACKEND"] = "agg"
    from matplotlib.figure import Figure

    axes: Axes = Figure(figsize=(width, height), layout="constrained").subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def check_format(path: str | os.PathLike[str]) -> str:
    """Tell the picture format from a file name's ending.

    Raises
    ------
    SettingsError
        If it is none of png, svg and pdf.
    """
    ending = os.fspath(path).rpartition(".")[2].lower()
    if ending not in FORMATS:
        raise SettingsError(f"{os.fspath(path)}: a picture's name must end in .png, .svg or .pdf")
    return ending


def save(axes: Axes, path: str | os.PathLike[str]) -> None:
    """Write the figure that `axes` belong to, whole or not at all; the ending says the format.

    Raises
    ------
    SettingsError
        If the ending is not a known format.
    FileError
        If the file cannot be written.
    """
    ending = check_format(path)
    with replaced_file(path) as file:
        # Without a date the same picture gives the same bytes.
        metadata = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[ending]
        axes.get_figure(root=True).savefig(  # type: ignore[union-attr]  # it was drawn on one
            file, format=ending, dpi=150, metadata=metadata
        )


def plot_loss(model: Model, ax: Axes | None = None) -> Axes:
    """Draw the loss of every epoch: thin lines for the networks, thick ones for their means.

    The dotted line is the loss of guessing, the vertical one the epoch whose weights were kept.
    """
    axes = ax or new_axes()
    history = model.history
    epochs = range(1, len(history.training_loss) + 1)
    for label, losses, colour, style in (
        ("training", history.training_loss, ORANGE, "--"),
        ("holdout", history.holdout_loss, BLUE, "-"),
    ):
        axes.plot(epochs, losses, style, color=colour, linewidth=0.6, alpha=0.35)
        axes.plot(
            epochs, losses.mean(axis=1), style, color=colour, linewidth=2.4, label=f"{label}, mean"
        )
    guessing = guessing_loss(model.settings.loss, len(model.encoder.class_names))
    axes.axhline(guessing, color=GREY, linestyle=":", label=f"guessing: {guessing:.3f}")
    kept = history.best_epoch
    kept_loss = history.holdout_loss[kept - 1].mean()
    axes.axvline(kept, color=GREY, linewidth=0.8)
    axes.plot([kept], [kept_loss], "o", color=BLUE, markeredgecolor="white", markersize=9)
    axes.annotate(
        f"kept: epoch {kept}, holdout {kept_loss:.3f}",
        (kept, 0.62),
        xycoords=axes.get_xaxis_transform(),
        xytext=(6, 0),
        textcoords="offset points",
    )
    axes.set_ylim(0, max(1.15 * guessing, float(history.holdout_loss.mean(axis=1).max()) * 1.05))
    unit = "nats per row" if model.settings.loss == "cross-entropy" else "per row"
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{model.settings.loss.replace('-', ' ')} ({unit})")
    networks = len(model.network)
    axes.set_title(
        f"{model.trained_on}: loss of {networks} network{'' if networks == 1 else 's'} "
        "(thin lines) and their mean",
        loc="left",
        fontsize="medium",
    )
    axes.legend(frameon=False)
    return axes
