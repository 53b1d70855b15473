"""JSON read with suspicion, and dataclasses written in it and read from it by their annotations."""

from __future__ import annotations

import hashlib
import json
import math
import re
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from minnet.arrays import Array
from minnet.errors import ModelError

Document = dict[str, Any]
LONGEST_WHOLE_NUMBER = 20


def to_text(document: Document) -> str:
    """Write a document with a line for each key and each row of numbers; the same gives the same.

    A checksum over all the rest comes after the first two keys, on a line of its own: deleting
    that line is how one says "I edited it".
    """
    items = list(document.items())
    checksum = ("checksum", _checksum(document))
    return _layout(dict([*items[:2], checksum, *items[2:]]), "") + "\n"


def from_text(data: bytes) -> Document:
    """Parse a document; no key may stand twice in an object and every number must be finite.

    Raises
    ------
    ModelError
        If it is no such document; too deep a one raises a `RecursionError`.
    """
    try:
        document = json.loads(
            data.decode(),
            object_pairs_hook=_no_key_twice,
            parse_float=_finite,
            parse_int=_whole,
            parse_constant=_finite,
        )
    except ValueError:
        raise ModelError("it is not JSON") from None
    if not isinstance(document, dict):
        raise ModelError("it is not a JSON object")
    return document


def check_checksum(document: Document) -> None:
    """Take the checksum out of a document, if it is there, and compare.

    Raises
    ------
    ModelError
        If it does not match.
    """
    if "checksum" in document and document.pop("checksum") != _checksum(document):
        raise ModelError(
            "the checksum does not match: the file is damaged (if you edited it on purpose, "
            "delete the checksum line)"
        )


def _no_key_twice(pairs: list[tuple[str, Any]]) -> Document:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ModelError("a key stands in it twice")
    return document


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ModelError(f"{digits} is not a finite number")
    return number


def _whole(digits: str) -> int:
    if len(digits) > LONGEST_WHOLE_NUMBER:
        raise ModelError(f"a whole number in it has {len(digits):,} digits")
    return int(digits)


# One for all: `json.dumps` with an option makes another for each of some 600 rows, in 3 ms.
_ENCODER = json.JSONEncoder(ensure_ascii=False)


def _checksum(document: Document) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def _layout(value: Any, indent: str) -> str:
    """JSON with a line for each key and for each row of numbers; lists hold items of one kind."""
    deeper = indent + " "
    if isinstance(value, dict):
        lines = [f"{json.dumps(key)}: {_layout(item, deeper)}" for key, item in value.items()]
    elif isinstance(value, list) and value and isinstance(value[0], (list, dict)):
        lines = [_layout(item, deeper) for item in value]
    else:
        text = _ENCODER.encode(value)
        # The name of a file may be any bytes.
        return json.dumps(value) if re.search("[\ud800-\udfff]", text) else text
    begin, end = "{}" if isinstance(value, dict) else "[]"
    return f"{begin}\n" + ",\n".join(deeper + line for line in lines) + f"\n{indent}{end}"


def encoded(value: Any, kind: Any, where: str = "it") -> Any:
    """Write a value as JSON has it, so that `decoded` reads it back.

    Raises
    ------
    ModelError
        If an array holds a number that is not finite.
    """
    if isinstance(value, np.ndarray):
        if not np.isfinite(value).all():
            raise ModelError(f"{where} holds a number that is not finite")
        return plain(value)
    kinds = _members(kind)
    if type(value) is tuple:
        return [encoded(item, get_args(kinds[0])[0], where) for item in value]
    own: Any = type(value)
    hints = _hints(own)
    if not hints:
        return value
    names = {"kind": own.__name__} if len(kinds) > 1 else {}
    return names | {key: encoded(getattr(value, key), hint, key) for key, hint in hints.items()}


def decoded(value: Any, kind: Any, where: str) -> Any:
    """Read a value of a kind from JSON, of which nothing is taken on trust.

    Parameters
    ----------
    kind
        `str`, `int`, `float`, `bool` or a `Literal` of words; `tuple[kind, ...]`, a list; a
        dataclass or named tuple, an object with exactly its fields, whose own checks say what they
        may hold; `kind | None`; one of several dataclasses, whose name stands in the key "kind".
        `Annotated[Array, dtype, axes]` is lists within lists of finite numbers, of that depth.
    where
        Names the value in errors; empty for the whole file.

    Raises
    ------
    ModelError
        If the value is not of that kind.
    """
    if value is None and NoneType in get_args(kind):
        return None
    kinds = _members(kind)
    if len(kinds) > 1:
        by_name = {one.__name__: one for one in kinds}
        name = _checked(value, dict, where).get("kind")
        if type(name) is not str or name not in by_name:
            raise ModelError(f"the kind of {where} is not one of {', '.join(by_name)}")
        rest = {key: item for key, item in value.items() if key != "kind"}
        return decoded(rest, by_name[name], where)
    (kind,) = kinds
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _array(value, arguments[1], arguments[2], where)
    if origin is Literal:
        if _checked(value, str, where) not in arguments:
            raise ModelError(f"{where} is not one of {', '.join(arguments)}")
        return value
    if origin is tuple:
        items = enumerate(_checked(value, list, where))
        return tuple(decoded(item, arguments[0], f"{where}[{place}]") for place, item in items)
    hints = _hints(kind)
    if not hints:
        return _checked(value, kind, where)
    name = where or "the file"
    for key in _checked(value, dict, name).keys() - hints.keys():
        raise ModelError(f"{name} has an unknown key {key!r}")
    for key in hints.keys() - value.keys():
        raise ModelError(f"{name} has no key {key!r}")
    start = f"{where}." if where else ""
    return kind(**{key: decoded(value[key], hint, start + key) for key, hint in hints.items()})


def _members(kind: Any) -> list[Any]:
    """Kinds that a union consists of, but for `None`; any other kind alone."""
    if get_origin(kind) not in (Union, UnionType):
        return [kind]
    return [one for one in get_args(kind) if one is not NoneType]


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Fields of a dataclass or a named tuple and what kinds they are; none of plain types."""
    return get_type_hints(kind, include_extras=True)


def _checked(value: Any, kind: type, where: str) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ModelError(f"{where} is not of type {kind.__name__}")
    return value


def plain(array: Array) -> Any:
    """Nested lists of numbers; float32 in its shortest form, which reads back to the same bits."""
    if array.dtype != np.float32:
        return array.tolist()
    shortest = [float(str(number)) for number in array.ravel()]
    return np.array(shortest).reshape(array.shape).tolist()


def _array(value: Any, dtype: str, axes: int, where: str) -> Array:
    # As objects: one long text among many would make a gigantic array.
    objects = np.array(value, object)
    kinds = {int, float} if dtype.startswith("float") else {int}
    if objects.ndim != axes or not set(map(type, objects.flat)) <= kinds:
        raise ModelError(f"{where} is not an array of numbers with {axes} axes")
    try:
        with np.errstate(over="ignore"):
            array: Array = objects.astype(dtype)
    except OverflowError:
        raise ModelError(f"{where} holds a number that {dtype} does not") from None
    if not np.isfinite(array).all():
        raise ModelError(f"{where} holds a number that is not finite in {dtype}")
    return array
