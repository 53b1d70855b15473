"""The page itself: template, style, script and data in one HTML file."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from minnet.page import ROWS
from minnet.page.data import page_document
from minnet.storage.files import replaced_file

if TYPE_CHECKING:
    import os

    from minnet.data.table import Data
    from minnet.model.model import Model
    from minnet.page.rows import Document

SCRIPTS = (
    "elements.js",
    "network.js",
    "state.js",
    "ask.js",
    "drawing.js",
    "inside.js",
    "plane.js",
    "regions.js",
    "learned.js",
    "trust.js",
    "main.js",
)


def write_page(
    model: Model,
    path: str | os.PathLike[str],
    data: Data | None = None,
    *,
    rows: int = ROWS,
    workers: int = 1,
) -> Document:
    """Write a page about a model, whole or not at all.

    Parameters
    ----------
    data
        A table to choose rows from and to judge the model by, a mapping of columns, or the name of
        a CSV file; without it, the page tells what the model alone can tell.
    rows
        How many rows of it the page holds at most.
    workers
        For training again, where there is a film; see `train_networks`.

    Returns
    -------
    Document
        What the page shows.

    Raises
    ------
    DataError
        If the table does not fit the model.
    FileError
        If the file cannot be written.
    """
    table = None if data is None else model.encoder.table(data)
    document = page_document(model, table, rows, workers)
    page = render(document).encode()
    with replaced_file(path) as file:
        file.write(page)
    return document


def render(document: Document) -> str:
    """Put everything into the template.

    The page may run its own script and style, told by their hashes, and nothing else; it may load
    nothing at all.
    """
    style = _read("style.css")
    script = "".join(map(_read, SCRIPTS))
    return Template(_read("template.html")).substitute(
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=embedded(document),
    )


def embedded(document: Document) -> str:
    """Write JSON that no HTML parser takes for anything but text: ASCII without <, > and &."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Name a text as a Content-Security-Policy does."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
