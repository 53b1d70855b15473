"""What all pictures share: colours, markers, labels, axes to draw on, and the file they become.

Colours are Okabe and Ito's palette, which the colour-blind can tell apart; what matters also
differs in marker, line style or label, so that it survives a printer without colour.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from minnet.data.cells import LONGEST_NAME, short_names
from minnet.errors import SettingsError
from minnet.storage import replaced_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import AbstractPathEffect

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILLION, YELLOW = "#56B4E9", "#D55E00", "#F0E442"
GREY = "#666666"
SMALL_PRINT = 8.0
CLASS_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, YELLOW)
# Eleven, so that colour and marker together tell 77 classes apart.
CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p")
FORMATS = ("png", "svg", "pdf")
LEGENDS: dict[str, dict[str, Any]] = {
    "right": {"loc": "upper left", "bbox_to_anchor": (1, 1)},
    "below": {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14)},
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
    # matplotlib takes what stands between two dollar signs for a formula.
    return [name.replace("$", r"\$") for name in short_names(names, longest)]


def write(axes: Axes, text: str, place: tuple[Any, Any], **style: Any) -> None:
    """Write a text in the middle of a place, or so many points from it as `xytext` says."""
    usual = {"xytext": (0, 0), "textcoords": "offset points", "ha": "center", "va": "center"}
    axes.annotate(text, place, **(usual | style))


def add_legend(
    axes: Axes,
    where: str,
    lines: Sequence[Line2D] = (),
    names: Sequence[str] = (),
    **style: Any,
) -> None:
    """List what is drawn: all that has a label, or else lines with names from the data.

    Parameters
    ----------
    where
        One of `LEGENDS`.
    """
    style = {"frameon": False, **LEGENDS[where], **style}
    if not lines:
        axes.legend(**style)
        return
    # matplotlib leaves out what is called `_name`.
    legend = axes.legend(lines, ["name"] * len(lines), **style)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)


def rgb(colour: str) -> tuple[float, float, float]:
    """Red, green and blue of a colour written `#0072B2`, each in 0..1."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red / 255, green / 255, blue / 255


def class_colour(k: int) -> tuple[float, float, float]:
    """Colour of class k: seven bright ones, then the same ones darkened."""
    shade = 0.6 ** (k // len(CLASS_COLOURS) % 3)
    red, green, blue = rgb(CLASS_COLOURS[k % len(CLASS_COLOURS)])
    return shade * red, shade * green, shade * blue


def class_marker(k: int) -> str:
    """Marker of class k."""
    return CLASS_MARKERS[k % len(CLASS_MARKERS)]


def set_title(axes: Axes, *lines: str) -> None:
    """Write a title of one or more lines, flush left; empty ones are left out."""
    axes.set_title("\n".join(filter(None, lines)), loc="left", fontsize="medium")


def halo() -> list[AbstractPathEffect]:
    """White rim for a text, so that it can be read on whatever it stands."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=3, foreground="white")]


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
    metadata = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[ending]
    with (
        replaced_file(path) as file,
        rc_context({"svg.hashsalt": "minnet"}),
        warnings.catch_warnings(),
    ):
        # A letter that no font has is drawn as an empty box: nothing a reader could correct.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        axes.figure.figure.savefig(
            file, format=ending, dpi=150, metadata=metadata, bbox_inches="tight"
        )
