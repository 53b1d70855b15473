"""Kinds of parameters: files, columns and choices, and what a shell offers for them behind Tab."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from minnet.errors import MinnetError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable


class _File(click.ParamType):  # type: ignore[type-arg]  # no type takes one in click 8.2
    """Name of a file; nothing is looked up yet."""

    name = "file"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


class _Column(click.ParamType):  # type: ignore[type-arg]
    """Name of a column of DATA: offered if DATA stands before it and its header can be read."""

    name = "column"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        # While its value is missing, click leaves what it has read in `args`.
        data = next(filter(_is_file, [ctx.params.get("data"), *ctx.args]), None)
        return offered(_names(data), incomplete) if data else []


class _HiddenSizes(click.ParamType):  # type: ignore[type-arg]
    """Reads `32`, or `16,16` for two layers, or `0` for none."""

    name = "text"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if value.strip() == "0":
            return ()
        sizes = [size.strip() for size in value.split(",")]
        if not all(size.isascii() and size.isdigit() and len(size) < 20 for size in sizes):
            self.fail(f"{value!r} is not a width like 32 or a list like 16,16", param, ctx)
        return tuple(map(int, sizes))


class Choice(click.Choice):  # type: ignore[type-arg]
    """One of some words; another one is answered with the nearest of them."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Say which word was perhaps meant, or else which there are."""
        if guess := did_you_mean(str(value), self.choices):
            return f"{value!r} is unknown{guess}"
        return super().get_invalid_choice_message(value, ctx)


FILE = _File()
COLUMN = _Column()
HIDDEN = _HiddenSizes()


def _is_file(name: str | None) -> bool:
    return name is not None and os.path.isfile(name)


def _names(data: str) -> list[str]:
    """Names of the columns of a table, as --no-header has them if it needs that; none on errors."""
    from minnet.data.column_names import default_names
    from minnet.data.csv_reader import CsvReader

    for naming in (None, default_names):
        with suppress(MinnetError, OSError), open(data, "rb") as file:
            return CsvReader(file, data, naming).names
    with suppress(MinnetError, OSError), open(data, "rb") as file:
        from minnet.data.table import make_reader  # imports numpy

        return make_reader(file, data).names
    return []


def offered(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Those of the names that begin like this, written as the shell takes them.

    bash alone puts a word on the command line as it is, so for bash it is quoted.
    """
    is_bash = os.environ.get("_MINNET_COMPLETE", "").startswith("bash")
    return [
        CompletionItem(shlex.quote(name) if is_bash else name)
        for name in names
        if name.startswith(incomplete) and name.isprintable()
    ]
