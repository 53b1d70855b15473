"""What a cell of a CSV file stands for: no value, a number, or text.

Names of columns that have none, and what they say.

Names of columns, categories and classes, made fit to stand in a report or a picture.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence, Sized
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, count
from typing import Literal

from minnet.errors import DataError, SettingsError, printable

LARGEST_EXACT = 2.0**53
"""Up to here, float64 holds all whole numbers."""
NOT_A_NUMBER = frozenset({"NaN", "nan", "NAN"})
MISSING = frozenset({"", "NA", "N/A", "n/a", "null", "NULL", "None", "?"}) | NOT_A_NUMBER
# Between spaces that `float` skips as well: `str.strip` and `\s` take \x1c to \x1f for spaces, too.
_SPACES = r"[^\S\x1c-\x1f]*"
_NUMBER = re.compile(rf"{_SPACES}(?ai:[+-]?((\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|inf(inity)?)){_SPACES}")
_PLAIN_NUMBER = re.compile(r"(?a:(-?(?:0|[1-9]\d*))(?:\.(\d*?)0*)?)")
_TRUTH = {"false": 0.0, "true": 1.0}

# Spaces and apostrophes that look alike, and stand between thousands.
_ALIKE = {" ": "\xa0\u2009\u202f", "'": "\u2019"}
_PLAIN_FORM = {other: plain for plain, others in _ALIKE.items() for other in others}
_COMMA_IS_DECIMAL: dict[int, str | None] = {ord(","): ".", ord("."): ","}
_THOUSANDS = re.compile(r"(?<!\d)[1-9]\d{0,2},\d{3}(?!\d)")


@dataclass(frozen=True)
class CellFormat:
    """How a file spells missing values and numbers.

    Attributes
    ----------
    missing_words
        Words that stand for "no value", besides those of `MISSING`.
    decimal
        The decimal mark, `.` or `,`; `.,` where each column may have either; empty if that is left
        to `for_file`.
    strip
        Characters to leave out of numbers: `$` and `,` in `$1,234`.

    Raises
    ------
    SettingsError
        If numbers cannot be read so.
    """

    missing_words: tuple[str, ...] = ()
    decimal: str = ""
    strip: str = ""

    def __post_init__(self) -> None:
        """Refuse to leave out what makes a number."""
        if self.decimal not in ("", ".", ",", ".,"):
            raise SettingsError(f"is {self.decimal!r}: it must be '.' or ','", "decimal")
        if not isinstance(self.strip, str) or not set(self.strip).isdisjoint("0123456789-"):
            raise SettingsError(f"is {self.strip!r}: digits and minus signs make a number", "strip")
        if self.decimal and self.decimal in self.strip:
            raise SettingsError(f"{self.decimal!r} cannot be the decimal mark and be left out, too")

    def for_file(self, delimiter: str) -> CellFormat:
        """Settle the decimal mark, given what separates the cells of a file."""
        free = "".join(mark for mark in ".," if mark not in self.strip)
        marks = self.decimal or (free[:1] if delimiter == "," else free)
        return replace(self, decimal=marks)

    def for_column(self, cells: Sequence[str]) -> tuple[CellFormat, Sequence[float]] | None:
        """Read the distinct cells of a column, all with one decimal mark.

        Returns the format with that mark and the numbers, or `None` if a cell is text, or a whole
        number that float64 does not hold: then the cells are names, such as account numbers. Words
        of truth, `true` and `false` in any case, are 1 and 0 where the others are 1 and 0. Where
        commas might as well separate thousands, as in `999` and `1,234`, they are no decimal marks
        unless `decimal` says so.
        """
        for mark in self.decimal or ".":
            one = self if self.decimal in ("", mark) else replace(self, decimal=mark)
            numbers = one.plain_numbers(cells) or [*map(one.number, cells)]
            if None in numbers:
                pairs = zip(cells, numbers, strict=True)
                numbers = [truth(cell) if number is None else number for cell, number in pairs]
                if not set(numbers) <= {0.0, 1.0}:
                    continue
            if one is not self and mark == "," and _may_be_thousands(cells):
                continue
            if any(map(is_rounded, cells, numbers)):  # type: ignore[arg-type]
                return None
            return one, numbers  # type: ignore[return-value]  # there is no `None` in it
        return None

    def is_missing(self, cell: str) -> bool:
        """Whether a cell stands for "no value"."""
        return cell.strip() in self.missing

    def number(self, cell: str) -> float | None:
        """Read the number in a cell, perhaps infinite; `None` for anything else."""
        for translation in self._translations:
            number = parse_number(cell.translate(translation))
            if number is not None:
                return number
        return None

    def plain_numbers(self, cells: Sequence[str]) -> array[float] | None:
        """Read many cells at once, NaN where missing; `None` where one needs a closer look.

        Gives what `is_missing` and `number` give cell by cell, and nothing where these might
        disagree with `float` or find an infinite number or text. Takes 0.2 to 0.4 us a cell, they
        0.7 us.
        """
        for translation in () if self.has_missing_numbers else self._translations:
            plain, words = cells, dict.fromkeys(self.missing, "nan")
            if translation:
                plain, words = "\0".join(cells).translate(translation).split("\0"), {}
            letters = "".join(plain)
            if "_" in letters or not letters.isascii() or len(plain) != len(cells):
                continue
            try:
                numbers = [*map(float, map(words.get, plain, plain))]
            except ValueError:
                continue
            # An infinite number is none of the words.
            if math.isfinite(sum(numbers)) or (
                len(plain) - sum(map(math.isfinite, numbers)) == sum(map(words.__contains__, plain))
            ):
                return array("d", numbers)
        return None

    @cached_property
    def missing(self) -> frozenset[str]:
        """All words that stand for "no value"."""
        return MISSING | {word.strip() for word in self.missing_words}

    @cached_property
    def has_missing_numbers(self) -> bool:
        """Whether some numbers stand for "no value"."""
        return any(parse_number(word) is not None for word in self.missing_words)

    @cached_property
    def _translations(self) -> list[dict[int, str | None]]:
        """What to change in a cell so that it is a number to Python, for each decimal mark."""
        unwanted = self.strip + "".join(_ALIKE.get(character, "") for character in self.strip)
        left_out: dict[int, str | None] = dict.fromkeys(map(ord, unwanted))
        return [
            (_COMMA_IS_DECIMAL if mark == "," else {}) | left_out for mark in self.decimal or "."
        ]


USUAL = CellFormat()

Kind = Literal["", "text", "numbers"]
"""Cells kept as text, or read as numbers alone, so that text is a bad cell; or whichever they are.

In a column of numbers alone, words of truth are 1 and 0.
"""


@dataclass(frozen=True)
class TableFormat:
    """How a table is read.

    Attributes
    ----------
    text, numbers
        Names of columns of these kinds; see `Kind`.
    cells
        How the cells are spelled.
    name_columns
        For a file without a header: names its columns, given the cells of its first row.
    """

    text: Collection[str] = ()
    numbers: Collection[str] = ()
    cells: CellFormat = USUAL
    name_columns: Callable[[Sequence[str]], list[str]] | None = None

    def kinds(self, names: Collection[str]) -> dict[str, Kind]:
        """Tell the kind of each column of a table."""
        text = {find_name(name, names) for name in self.text}
        numbers = {find_name(name, names) for name in self.numbers}
        return {
            name: "text" if name in text else "numbers" if name in numbers else "" for name in names
        }


PLAIN = TableFormat()


def is_unicode(text: str) -> bool:
    """Whether text holds no byte that could not be read as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_rounded(cell: str, number: float) -> bool:
    """Whether a cell is a whole number that float64 does not hold."""
    return (
        LARGEST_EXACT < abs(number) < math.inf
        and cell.strip().lstrip("+-").isdigit()
        and int(cell) != number
    )


def _may_be_thousands(cells: Sequence[str]) -> bool:
    with_comma = [cell for cell in cells if "," in cell]
    return len(with_comma) < len(cells) and all(map(_THOUSANDS.search, with_comma))


def truth(cell: str) -> float | None:
    """Read a word of truth, in any case, as 1 or 0; `None` for anything else."""
    return _TRUTH.get(cell.strip().lower())


def parse_number(cell: str) -> float | None:
    """Read the number in a cell, perhaps infinite; `None` for anything else.

    Stricter than `float`, which also takes `1_000` and digits of other scripts.
    """
    return float(cell) if _NUMBER.fullmatch(cell) else None


def without_zeros(cell: str) -> str:
    """Write a number without the zeros that do not count; leave any other cell as it is.

    Two categories or classes that are the same then are one number: a column of whole numbers is
    written as `3.0` where a cell is missing. What begins with another 0, such as `01`, is a code.

    >>> [without_zeros(cell) for cell in ("3.0", "2.50", "10", "01", "1e3", "a")]
    ['3', '2.5', '10', '01', '1e3', 'a']
    """
    number = _PLAIN_NUMBER.fullmatch(cell)
    return ".".join(filter(None, number.groups())) if number else cell


def natural_order(name: str) -> tuple[float, str, str]:
    """Make a key to sort names by: numbers by value, digits within a text, too.

    >>> sorted(["class10", "class2", "10", "9"], key=natural_order)
    ['class2', 'class10', '9', '10']
    """
    padded = re.sub("[0-9]+", lambda digits: digits[0].zfill(LONGEST_NAME), name)
    return parse_number(name) or 0.0, padded, name


def pattern_without_zeros(cell: str) -> str | None:
    """Write a regular expression of the numbers that `without_zeros` makes this; `None` of text."""
    if not _PLAIN_NUMBER.fullmatch(cell):
        return None
    number = without_zeros(cell)
    return re.escape(number) + ("0*" if "." in number else r"(\.0*)?")


_SIGNS = r"[$€£¥₹₽₩₺¢%=\"\s]*"
_UNIT = r"(?P<unit>(°|[^\W\d_])[^\d\s+\-.,]{0,9})?"
# For each decimal mark: a number with or without something between its thousands.
_WRITTEN = {
    mark: re.compile(
        rf"{_SIGNS}[+-]?{_SIGNS}(\d{{1,3}}([{other}\s'\u2019]\d{{3}})+|\d+)([{mark}]\d+)?{_SIGNS}"
        rf"{_UNIT}{_SIGNS}"
    )
    for mark, other in (".,", ",.")
}


def suggest_options(
    cells: Sequence[str], share: float = 1.0, units: bool = False
) -> dict[str, str]:
    """Tell the options, as a shell takes them, that read cells as numbers which are not plain ones.

    For decimal commas, for what stands between thousands, for signs of currencies and percent, for
    numbers that spreadsheets take for text, as in `="7"`.

    Parameters
    ----------
    share
        How many of the cells must be so.
    units
        Whether they may end in a unit, the same in all of these.

    >>> suggest_options(["$1,234.50", "$7"]), suggest_options(["4.2 cm"], units=True)
    ({'strip': "'$,'"}, {'strip': "' cm'"})
    """
    import shlex  # only needed for what is rarely there

    for mark, pattern in _WRITTEN.items():
        found = [match for cell in cells if (match := pattern.fullmatch(cell))]
        of_units = [match["unit"] for match in found if units]
        unit = max({*of_units}, key=of_units.count, default=None)
        matching = [match[0].strip() for match in found if match["unit"] == unit]
        if matching and len(matching) >= share * len(cells):
            unwanted = dict.fromkeys(re.sub(rf"[\d+\-{mark}]", "", "".join(matching)))
            strip = "".join(dict.fromkeys(_PLAIN_FORM.get(sign, sign) for sign in unwanted))
            quoted = f'"{strip}"' if "'" in strip and "$" not in strip else shlex.quote(strip)
            has_comma = mark == "," and any(mark in cell for cell in matching)
            return ({"strip": quoted} if strip else {}) | ({"decimal": ","} if has_comma else {})
    return {}


INDEX = "(index)"
"""What the first column is called if it has no name, as in what pandas writes by default."""


def is_index(name: str) -> bool:
    """Whether a column has no name of its own; pandas calls it `__index_level_0__` in Parquet."""
    return name == INDEX or name.startswith("__index_level_")


def default_names(cells: Sized) -> list[str]:
    """column1, column2, ...: for a file without a header, given a row of it."""
    return [f"column{position}" for position in range(1, len(cells) + 1)]


def is_default_name(name: str, columns: int) -> bool:
    """Whether a name is one of column1, column2, ... up to so many."""
    return bool(re.fullmatch("column[1-9][0-9]{0,8}", name)) and int(name[6:]) <= columns


LONGEST_NAME = 24


def short_names(names: Iterable[str], longest: int = LONGEST_NAME) -> list[str]:
    """Make names that stand together short and printable, and keep them distinct.

    A name is cut in the middle, because the end of `flipper_length_mm is missing` matters as much
    as the beginning; one with white space that cannot be seen is put in quotes. Names that look
    alike after that are numbered.

    >>> short_names(["a", "a ", "a name that is far too long 1", "a name that was far too long 1"])
    ['a', "'a '", 'a name tha... too long 1', 'a name tha... too long 1 (2)']
    """
    shown_names: dict[str, None] = {}
    for name in names:
        short = short_name(name, longest)
        numbered = chain([short], (f"{short} ({number})" for number in count(2)))
        shown_names[next(shown for shown in numbered if shown not in shown_names)] = None
    return list(shown_names)


def short_name(name: str, longest: int = LONGEST_NAME) -> str:
    """Make a name short and printable, without a look at others."""
    shown = printable(name)
    if shown != " ".join(shown.split()):
        shown = f"'{shown}'"
    return cut_middle(shown, longest)


def cut_middle(text: str, longest: int) -> str:
    """Leave out the middle of a text that is too long."""
    if len(text) <= longest:
        return text
    kept = longest - 3
    return f"{text[: kept // 2]}...{text[-(kept - kept // 2) :]}"


def find_name(name: str, names: Collection[str]) -> str | None:
    """Find a name, or else the only one that differs from it just in white space around it."""
    if name in names:
        return name
    alike = [other for other in names if other.strip() == name.strip()]
    return alike[0] if len(alike) == 1 else None


def check_distinct(names: Iterable[str], where: str, advice: str = "") -> None:
    """Refuse two columns of one name."""
    for name, times in Counter(names).items():
        if times > 1:
            raise DataError(f"{where}: two columns are named {name!r}: rename one{advice}")


def check_same_columns(
    one: str, names: Iterable[str], other: str, other_names: Iterable[str]
) -> None:
    """Refuse two files, or parts of a table, that have not the same columns.

    Raises
    ------
    DataError
        If a column is in one of them only.
    """
    columns, other_columns = dict.fromkeys(names), dict.fromkeys(other_names)
    for name in columns | other_columns:
        if name not in columns or name not in other_columns:
            without, having = (other, one) if name in columns else (one, other)
            raise DataError(f"{without} has no column {name!r}, but {having} has one")
