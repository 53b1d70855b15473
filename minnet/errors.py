"""The errors minnet raises on purpose, each the one line that a user reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

MOST_LISTED = 12


def printable(text: str) -> str:
    r"""Escape what would move the cursor, start a line or colour the terminal.

    >>> printable("a\x1b[31m\n")
    'a\\x1b[31m\\n'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def plural(number: int, noun: str) -> str:
    """`1 row`, `2 rows`, `12,345 rows`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def counted(number: float) -> str:
    """Write how many there are, or their weight.

    >>> counted(12345), counted(2 / 3)
    ('12,345', '0.666667')
    """
    return f"{number:,.0f}" if number >= 1e5 or number % 1 == 0 else f"{number:,.6g}"


def in_list(name: str) -> str:
    """Quote a name that would be taken for several, or for another, between commas.

    >>> [in_list(name) for name in ("a", "a, b", "a ", "", "`a`")]
    ['a', "'a, b'", "'a '", "''", "'`a`'"]
    """
    return repr(name) if set(",`") & set(name) or not name or name != name.strip() else name


def listed(names: Sequence[str]) -> str:
    """Write names between commas, of many the first ones and how many there are.

    >>> listed("abc"), listed("abcdefghijklmnop")
    ('a, b, c', 'a, b, c, d, e, f, g, h, i, j, k, l, ... (16 in all)')
    """
    more = [f"... ({len(names):,} in all)"] if len(names) > MOST_LISTED else []
    return ", ".join([*names[:MOST_LISTED], *more])


class MinnetError(Exception):
    """Something the user can correct; `str(error)` is one plain sentence on one line.

    It names parameters as Python does, in backticks.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))

    def naming(self, rename: Callable[[str], str]) -> str:
        """Say the same, naming parameters otherwise, as the command line does with its options."""
        return re.sub("(?<!')`([a-z_]+)`", lambda found: rename(found[1]), str(self))


class DataError(MinnetError):
    """The table is not what it should be; names file, line and column where there are such."""


class ModelError(MinnetError):
    """A file is not a usable model."""


class FileError(MinnetError):
    """A file cannot be read or written."""


class TrainingError(MinnetError):
    """Training could not go on, for example because the loss became infinite."""


class WorkerError(TrainingError):
    """Work could not go on because a worker process was killed."""


class SettingsError(MinnetError):
    """What was asked for is invalid: a value out of bounds, a column that does not exist.

    A message on the value of a parameter begins with its name, `parameter`.
    """

    def __init__(self, message: str, parameter: str = "") -> None:
        super().__init__(f"`{parameter}` {message}" if parameter else message)


class PackageError(MinnetError, ImportError):
    """A package that minnet takes only on request is not installed; `extra` asks for it."""

    def __init__(self, package: str, extra: str = "", what: str = "this") -> None:
        install = f"pip install '.[{extra}]' in a clone of minnet" if extra else "pip install it"
        super().__init__(f"{what} needs the package {package}: {install}")


class CautionWarning(UserWarning):
    """Some rows lie outside the training range, or hold what training never had."""


class UnseenCategoriesWarning(UserWarning):
    """Most rows of a column hold categories that training did not have."""


HABITS = {
    "train": "fit learn",
    "predict": "classify infer",
    "evaluate": "test score validate",
    "show": "info inspect summary describe",
    "export": "onnx convert",
    "target": "y label labels class",
    "ignore": "drop exclude skip",
    "data": "i f input csv",
    **dict.fromkeys(("output", "m_file", "plot", ">_file"), "o out output save"),
    "learning_rate": "lr eta",
    "hidden": "layers units neurons",
    "epochs": "iterations max_iter steps",
    "seed": "random_state",
    "workers": "j jobs n_jobs threads",
}
"""What other tools call what minnet has: of what is there, the first is meant."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Ask about what is meant by habit, or else the nearest name there is; nothing if none is near.

    Names that begin with what was typed come before those that are similar.

    >>> did_you_mean("losss", ["loss", "regions"]), did_you_mean("PRED", ["spread", "predict"])
    ("; did you mean 'loss'?", "; did you mean 'predict'?")
    >>> did_you_mean("--lr", ["--loss", "--learning-rate"])
    "; did you mean '--learning-rate'?"
    """
    import difflib  # only needed on the way to an error

    folded, of_form = _plain_form(name), {_plain_form(other): other for other in known}
    usual = [form for form, words in HABITS.items() if form in of_form and folded in words.split()]
    begun = usual[:1] or [form for form in of_form if folded and form.startswith(folded)]
    close = difflib.get_close_matches(folded, begun or of_form, n=1, cutoff=0.0 if begun else 0.6)
    return f"; did you mean {of_form[close[0]]!r}?" if close else ""


def _plain_form(name: str) -> str:
    """Write alike what differs in case, in the signs between words or as an option."""
    return name.casefold().lstrip("-").replace("-", "_").replace(" ", "_")


def unknown_name(place: str, kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name does not exist, which one was perhaps meant, and which ones there are.

    >>> unknown_name("iris.csv", "column", "specis", ["sepal_length", "species"])
    "iris.csv has no column 'specis'; did you mean 'species'? It has: sepal_length, species"
    """
    names = list(known)
    guess = did_you_mean(name, names) or "."
    return f"{place} has no {kind} {name!r}{guess} It has: {listed([*map(in_list, names)])}"
