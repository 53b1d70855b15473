from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from matplotlib.cbook import is_math_text  # type: ignore[attr-defined]
from matplotlib.colors import to_hex

from minnet.errors import SettingsError
from minnet.plots import figure

if TYPE_CHECKING:
    from pathlib import Path

BEGINNINGS = {"png": b"\x89PNG\r\n", "svg": b"<?xml", "pdf": b"%PDF-"}


@pytest.mark.parametrize("text", ["$a$", "a $5 or $6", r"\$x$", "$", "$$", r"$\frac{1}{2}$"])
def test_dollar_signs_in_a_label_make_no_formula(text: str) -> None:
    shown, is_formula = is_math_text(figure.label(text)), False
    assert shown is is_formula
    axes = figure.new_axes()
    written = axes.text(0, 0, figure.label(text))
    assert written._preprocess_math(written.get_text()) == (text, False)  # type: ignore[attr-defined]


def test_label_is_one_short_printable_line() -> None:
    assert figure.label("a\nb\x1b") == "a\\nb\\x1b"
    assert figure.label("x" * 24) == "x" * 24
    assert figure.label("x" * 12 + "y" * 13) == "x" * 10 + "..." + "y" * 11
    assert figure.label("Größe 大小") == "Größe 大小"


def test_labels_of_one_axis_are_told_apart() -> None:
    long = "a class whose name is long until "
    names = [f"{long}$1", f"{long}$2", "a", "a ", "a  b", "a b", f"{long[:15]} and as{long[15:]}$1"]
    assert figure.labels(names) == [
        r"a class wh...ng until \$1",
        r"a class wh...ng until \$2",
        "a",
        "'a '",
        "'a  b'",
        "a b",
        r"a class wh...ng until \$1 (2)",
    ]


@pytest.mark.filterwarnings("error")
def test_legend_lists_names_that_begin_with_an_underscore(tmp_path: Path) -> None:
    axes = figure.new_axes()
    names = ["_a", "b", "__", "_"]
    for i, name in enumerate(figure.labels(names)):
        axes.plot([0, 1], [i, i], label=name)
    figure.finish(axes, "", "names", legend="right")
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text().strip() for text in legend.get_texts()] == names
    figure.save(axes, tmp_path / "a.png")


def test_colour_and_marker_tell_many_classes_apart() -> None:
    looks = {
        (to_hex(figure.class_colour(k)), figure.CLASS_MARKERS[k % len(figure.CLASS_MARKERS)])
        for k in range(77)
    }
    assert len(looks) == 77
    assert len({to_hex(figure.class_colour(k)) for k in range(21)}) == 21


@pytest.mark.parametrize("ending", BEGINNINGS)
def test_picture_has_the_format_of_its_ending_and_no_date(tmp_path: Path, ending: str) -> None:
    hashes = set()
    for name in ("a", "B"):
        axes = figure.new_axes()
        axes.plot([0, 1], [1, 0])
        axes.fill_between([0, 1], [0, 1], clip_on=True)
        path = tmp_path / f"{name}.{ending if name == 'a' else ending.upper()}"
        figure.save(axes, path)
        data = path.read_bytes()
        assert data.startswith(BEGINNINGS[ending])
        assert not any(mark in data for mark in (b"CreationDate", b"<dc:date>", b"tIME"))
        hashes.add(hashlib.sha256(data).hexdigest())
    assert len(hashes) == 1


@pytest.mark.parametrize("ending", BEGINNINGS)
def test_letters_that_no_font_has_cause_no_warning(tmp_path: Path, ending: str) -> None:
    axes = figure.new_axes()
    axes.set_title("\U0001f642 中文 \u1234")
    axes.set_xticks([0, 1], ["中", "\U0001f642"])
    figure.save(axes, tmp_path / f"a.{ending}")


def test_nothing_that_is_drawn_is_cut_off(tmp_path: Path) -> None:
    axes = figure.new_axes(2, 2)
    figure.save(axes, tmp_path / "short.png")
    axes.set_title("a title that is wider than its axes by far", loc="left")
    figure.save(axes, tmp_path / "long.png")
    widths = [
        int.from_bytes((tmp_path / f"{name}.png").read_bytes()[16:20], "big")
        for name in ("short", "long")
    ]
    assert widths[1] > widths[0] + 100


@pytest.mark.parametrize("name", ["a.gif", "png", "a.", "a.png.bak"])
def test_other_endings_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"must end in \.png, \.svg or \.pdf"):
        figure.save(figure.new_axes(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_drawing_needs_neither_pyplot_nor_a_display_and_leaves_settings_alone() -> None:
    code = (
        "import sys, logging, os, matplotlib\n"
        "matplotlib.rcParams['lines.linewidth'] = 7\n"
        "from minnet.plots import figure, network, regions, scores\n"
        "figure.new_axes()\n"
        "assert matplotlib.rcParams['lines.linewidth'] == 7\n"
        "assert 'MPLBACKEND' not in os.environ\n"
        "assert logging.getLogger('matplotlib').level == logging.NOTSET\n"
        "figure.isolate()\n"
        "assert matplotlib.rcParams['lines.linewidth'] == 1.5\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    hidden = ("MPLBACKEND", "DISPLAY")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
