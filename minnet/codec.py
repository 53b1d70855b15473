"""JSON read with suspicion: a checksum, exact keys and types, finite numbers of known shape."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike

from minnet.arrays import Array
from minnet.errors import ModelError

Document = dict[str, Any]
LONGEST_WHOLE_NUMBER = 20
TOO_DEEP = "it is nested too deeply"


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
        If it is no such document.
    """
    try:
        document = json.loads(
            data.decode(),
            object_pairs_hook=_no_key_twice,
            parse_float=_finite,
            parse_int=_whole,
            parse_constant=_refuse_constant,
        )
    except ModelError:
        raise
    except RecursionError:
        raise ModelError(TOO_DEEP) from None
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
    if "checksum" not in document:
        return
    try:
        matches = document.pop("checksum") == _checksum(document)
    except RecursionError:
        raise ModelError(TOO_DEEP) from None
    if not matches:
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
    if math.isinf(number):
        _refuse_constant(digits)
    return number


def _whole(digits: str) -> int:
    if len(digits) > LONGEST_WHOLE_NUMBER:
        raise ModelError(f"a whole number in it has {len(digits):,} digits")
    return int(digits)


def _refuse_constant(constant: str) -> NoReturn:
    raise ModelError(f"{constant} is not a finite number")


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
        return "{\n" + ",\n".join(deeper + line for line in lines) + "\n" + indent + "}"
    if isinstance(value, list) and value and isinstance(value[0], (list, dict)):
        lines = [_layout(item, deeper) for item in value]
        return "[\n" + ",\n".join(deeper + line for line in lines) + "\n" + indent + "]"
    text = _ENCODER.encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:  # the name of a file may be any bytes
        return json.dumps(value)
    return text


def plain(array: Array) -> Any:
    """Nested lists of floats; float32 in its shortest form, which reads back to the same bits."""
    if array.dtype != np.float32:
        return array.tolist()
    shortest = [float(str(number)) for number in array.ravel()]
    return np.array(shortest).reshape(array.shape).tolist()


def check_object(value: Any, where: str, **types: type) -> Document:
    """Check that `value` is an object with exactly these keys, of these types."""
    if not isinstance(value, dict):
        raise ModelError(f"{where} is not an object")
    for key in value.keys() - types.keys():
        raise ModelError(f"{where} has an unknown key {key!r}")
    for key, kind in types.items():
        if key not in value:
            raise ModelError(f"{where} has no key {key!r}")
        _check_type(value[key], kind, f"{key!r} of {where}")
    return value


def _check_type(value: Any, kind: type, where: str) -> None:
    accepted = (int, float) if kind is float else (kind,)
    if type(value) not in accepted:
        raise ModelError(f"{where} is not of type {kind.__name__}")


def check_items(kind: type, values: list[Any], where: str) -> tuple[Any, ...]:
    """Check that every item is of that type."""
    for value in values:
        _check_type(value, kind, f"an item of {where}")
    return tuple(values)


def check_array(
    value: Any, shape: tuple[int, ...], where: str, dtype: DTypeLike = np.float64
) -> Array:
    """Numbers of exactly that shape, as an array of that type."""
    # Checked before numpy sees it: one long text among many would make a gigantic array.
    if not _has_shape(value, shape):
        raise ModelError(f"{where} is not made of numbers of shape {shape}")
    with np.errstate(over="ignore"):
        array = np.array(value, dtype=np.float64).astype(dtype)
    if not np.isfinite(array).all():
        raise ModelError(f"{where} holds a number that is not finite in {array.dtype}")
    return array


def _has_shape(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether lists within lists are of that shape and hold nothing but numbers."""
    if type(value) is not list or len(value) != shape[0]:
        return False
    if len(shape) == 1:
        return set(map(type, value)) <= {int, float}
    return all(_has_shape(item, shape[1:]) for item in value)
