"""What all pictures share: colours, markers, labels, axes to draw on, and the file they become.

Colours are Okabe and Ito's palette, which the colour-blind can tell apart; what matters also
differs in marker, line style or label, so that it survives a printer without colour.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from minnet.data.cells import LONGEST_NAME, short_names
from minnet.errors import SettingsError
from minnet.storage import replaced_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILLION, YELLOW = "#56B4E9", "#D55E00", "#F0E442"
GREY = "#666666"
SMALL_PRINT, LONGEST_SOURCE = 8.0, 40
CLASS_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, YELLOW)
# Eleven, so that colour and marker together tell 77 classes apart.
CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p")
FORMATS: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""The endings of a picture's name, and what is told of it besides: never when it was made."""
LEGENDS: dict[str, dict[str, Any]] = {
    "right": {"loc": "upper left", "bbox_to_anchor": (1, 1)},
    "below": {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14), "ncols": 2},
    "inside": {"loc": "lower center", "bbox_to_anchor": (0.5, 0.02), "fontsize": "small"},
}
"""Where a legend may stand."""


def new_axes(width: float = 7.0, height: float = 4.2) -> Axes:
    """Make the axes of a figure of that size in inches; no display and no pyplot involved."""
    from matplotlib.figure import Figure

    axes: Axes = Figure(figsize=(width, height), layout="constrained").subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def label(name: str, longest: int = LONGEST_NAME) -> str:
    r"""Make a name from the data fit to stand in a picture, whatever is in it.

    >>> label("price in $ or\n$")
    'price in \\$ or\\n\\$'
    """
    return labels([name], longest)[0]


def labels(names: Iterable[str], longest: int = LONGEST_NAME) -> list[str]:
    """Make all names of an axis or a legend fit to stand there, and keep them distinct."""
    # matplotlib takes what stands between two dollar signs for a formula, and leaves a `_name` out
    # of legends.
    return [
        " " * name.startswith("_") + name.replace("$", r"\$")
        for name in short_names(names, longest)
    ]


def write(axes: Axes, text: str, place: tuple[Any, Any], **style: Any) -> None:
    """Write a text in the middle of a place, or so many points from it as `xytext` says."""
    usual = {"xytext": (0, 0), "textcoords": "offset points", "ha": "center", "va": "center"}
    axes.annotate(text, place, **usual | style)


def finish(axes: Axes, source: str, *title: str, legend: str = "", **style: Any) -> Axes:
    """Write a title, flush left, and a legend of what has a label; return the same axes.

    Parameters
    ----------
    source
        Name of the file whose rows are shown: the title begins with it, if it is known.
    title
        Its lines; empty ones are left out.
    legend
        Where it stands, one of `LEGENDS`; empty for none.
    style
        Of the legend.
    """
    name = f"{label(os.path.basename(source), LONGEST_SOURCE)}: " if source else ""
    axes.set_title(name + "\n".join(filter(None, title)), loc="left", fontsize="medium")
    if legend:
        axes.legend(frameon=False, **LEGENDS[legend] | style)
    return axes


def most_frequent(shown: int, classes: int) -> str:
    """Say which classes are drawn, if not all are."""
    return f"drawn: the {shown} most frequent of {classes} classes" if shown < classes else ""


def rgb(colour: str, shade: float = 1.0) -> tuple[float, float, float]:
    """Red, green and blue of a colour written `#0072B2`, each in 0..1, darkened by `shade`."""
    red, green, blue = (shade * (part / 255) for part in bytes.fromhex(colour[1:]))
    return red, green, blue


def class_colour(k: int) -> tuple[float, float, float]:
    """Colour of class k: seven bright ones, then the same ones darkened."""
    return rgb(CLASS_COLOURS[k % len(CLASS_COLOURS)], 0.6 ** (k // len(CLASS_COLOURS) % 3))


def class_marker(k: int) -> str:
    """Marker of class k."""
    return CLASS_MARKERS[k % len(CLASS_MARKERS)]


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


def isolate() -> None:
    """Make matplotlib silent and the same for everybody, whatever it is set up to do.

    For a process that does nothing else; in a notebook the reader's own settings hold.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    os.environ["MPLBACKEND"] = "agg"
    import matplotlib

    matplotlib.rcdefaults()


def save(axes: Axes, path: str | os.PathLike[str]) -> None:
    """Write the figure that `axes` belong to, whole or not at all; the ending says the format.

    The same picture gives the same bytes.

    Raises
    ------
    SettingsError
        If the ending is not a known format.
    FileError
        If the file cannot be written.
    """
    from matplotlib import rc_context

    ending = check_format(path)
    with (
        replaced_file(path) as file,
        rc_context({"svg.hashsalt": "minnet"}),
        warnings.catch_warnings(),
    ):
        # A letter that no font has is drawn as an empty box: nothing a reader could correct.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        axes.figure.figure.savefig(
            file, format=ending, dpi=150, metadata=FORMATS[ending], bbox_inches="tight"
        )
