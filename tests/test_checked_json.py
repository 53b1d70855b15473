from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from minnet.arrays import Array
from minnet.codec import check_checksum, decoded, encoded, from_text, plain, to_text
from minnet.errors import ModelError

DOCUMENT: dict[str, Any] = {
    "format": "test",
    "version": 1,
    "name": 'größe 🐧 "\n',
    "rows": [[1.5, -0.0], [1e-300, 1e300]],
    "inner": {"flag": True, "none": None, "empty": [], "nothing": {}},
}

strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
numbers = st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | strings
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
    max_leaves=6,
)
documents = st.dictionaries(
    strings.filter(lambda key: key != "checksum"), values, min_size=2, max_size=4
)


@given(documents)
def test_document_is_read_back_as_it_was_written(document: dict[str, Any]) -> None:
    read = from_text(to_text(document).encode())
    assert "checksum" in read
    check_checksum(read)
    # repr tells 1 from 1.0 and from True, and 0.0 from -0.0.
    assert repr(read) == repr(document)


def test_same_document_gives_the_same_text() -> None:
    assert to_text(DOCUMENT) == to_text(json.loads(json.dumps(DOCUMENT)))


def test_text_is_json_with_a_line_for_each_row_and_ends_in_a_newline() -> None:
    lines = to_text(DOCUMENT).split("\n")
    assert lines[:3] == ["{", ' "format": "test",', ' "version": 1,']
    assert lines[4:9] == [
        r' "name": "größe 🐧 \"\n",',
        ' "rows": [',
        "  [1.5, -0.0],",
        "  [1e-300, 1e+300]",
        " ],",
    ]
    assert lines[-2:] == ["}", ""]


def test_checksum_stands_on_a_line_of_its_own_after_the_first_two_keys() -> None:
    line = to_text(DOCUMENT).splitlines()[3]
    assert re.fullmatch(r' "checksum": "sha256:[0-9a-f]{64}",', line)


def test_checksum_line_may_be_deleted() -> None:
    lines = to_text(DOCUMENT).splitlines()
    del lines[3]
    edited = from_text("\n".join(lines).replace("1.5", "2.5").encode())
    check_checksum(edited)
    assert edited["rows"][0][0] == 2.5


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1.5", "1.25"),
        ("-0.0", "0.0"),
        ("true", "1"),
        ('"version": 1', '"version": 1.0'),
        ('"none"', '"nome"'),
        ("[]", "[null]"),
        ("sha256:", "sha512:"),
        ('"checksum": "', '"checksum": "x'),
    ],
)
def test_change_that_the_checksum_does_not_know_of_is_noticed(old: str, new: str) -> None:
    text = to_text(DOCUMENT)
    assert text.count(old) == 1
    document = from_text(text.replace(old, new).encode())
    with pytest.raises(ModelError, match="the checksum does not match: the file is damaged"):
        check_checksum(document)


@pytest.mark.parametrize("checksum", [None, 7, [], ""])
def test_checksum_of_another_type_does_not_match(checksum: object) -> None:
    with pytest.raises(ModelError, match="checksum does not match"):
        check_checksum({**DOCUMENT, "checksum": checksum})


def test_checksum_does_not_mind_spaces_or_the_order_of_keys() -> None:
    document = json.loads(to_text(DOCUMENT))
    text = json.dumps(dict(reversed(document.items())), indent=8)
    read = from_text(text.encode())
    check_checksum(read)
    assert read == DOCUMENT


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is not JSON"),
        (b"minnet", "it is not JSON"),
        (b'{"a": 1', "it is not JSON"),
        (b'{"a": 1} 2', "it is not JSON"),
        (b"{'a': 1}", "it is not JSON"),
        (b'{"a": "\xff"}', "it is not JSON"),
        (b'{"a": 1\x00}', "it is not JSON"),
        (b'{"a": ' + b"9" * 20_000 + b"}", "a whole number in it has 20,000 digits"),
        (b'{"a": 1e999}', "1e999 is not a finite number"),
        (b"\x80\x04\x95", "it is not JSON"),
        (b"[1, 2]", "it is not a JSON object"),
        (b"null", "it is not a JSON object"),
        (b'{"a": 1, "a": 1}', "a key stands in it twice"),
        (b'{"x": [{"a": 1, "b": 2, "a": 3}]}', "a key stands in it twice"),
        (b'{"a": NaN}', "NaN is not a finite number"),
        (b'{"a": [Infinity]}', "Infinity is not a finite number"),
        (b'{"a": -Infinity}', "-Infinity is not a finite number"),
    ],
    ids=lambda value: value[:12] if isinstance(value, bytes) else "",
)
def test_text_that_is_no_such_document_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ModelError) as error:
        from_text(data)
    assert str(error.value) == message


def test_name_of_a_file_that_is_not_unicode_can_be_written() -> None:
    document = {**DOCUMENT, "name": b"\xff.csv".decode("utf-8", "surrogateescape")}
    assert from_text(to_text(document).encode())["name"] == document["name"]


finite32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def read_back(array: Array) -> Array:
    return np.array(json.loads(json.dumps(plain(array))), dtype=array.dtype)


@given(arrays.arrays(np.float32, arrays.array_shapes(), elements=finite32))
def test_every_float32_is_read_back_bit_for_bit(array: Array) -> None:
    again = read_back(array)
    assert again.shape == array.shape
    assert again.tobytes() == array.tobytes()


@given(
    arrays.arrays(
        np.float64, arrays.array_shapes(), elements=st.floats(allow_nan=False, allow_infinity=False)
    )
)
def test_every_float64_is_read_back_bit_for_bit(array: Array) -> None:
    assert read_back(array).tobytes() == array.tobytes()


def test_float32_of_all_magnitudes_are_read_back_bit_for_bit() -> None:
    exponents = np.arange(255, dtype=np.uint32)[:, None] << 23
    fractions = np.array([0, 1, 0x2AAAAA, 0x555555, 0x7FFFFF], dtype=np.uint32)
    array = (exponents | fractions | np.array([[[0]], [[1 << 31]]], np.uint32)).view(np.float32)
    assert np.isfinite(array).all()
    assert read_back(array).tobytes() == array.tobytes()


@given(finite32)
def test_float32_is_written_with_no_more_digits_than_it_needs(number: float) -> None:
    written = json.dumps(plain(np.array(number, dtype=np.float32)))
    digits = len(re.sub(r"e.*|[-.]", "", written).strip("0"))
    shorter = f"{number:.{max(digits - 2, 0)}e}"
    assert digits <= 9
    assert digits <= 1 or np.float32(shorter) != np.float32(number)


@dataclass(frozen=True)
class Square:
    side: float


@dataclass(frozen=True)
class Circle:
    radius: float
    colour: str | None = None

    def __post_init__(self) -> None:
        if self.radius < 0:
            raise ModelError("a radius is negative")


@dataclass(frozen=True)
class Picture:
    name: Literal["old", "new"]
    shapes: tuple[Square | Circle, ...]
    frame: Square | None


PICTURE = Picture("new", (Circle(1.5, "red"), Square(2.0), Circle(0.5)), None)


def test_dataclasses_are_read_back_as_they_were_written() -> None:
    written = encoded(PICTURE, Picture)
    assert written == {
        "name": "new",
        "shapes": [
            {"kind": "Circle", "radius": 1.5, "colour": "red"},
            {"kind": "Square", "side": 2.0},
            {"kind": "Circle", "radius": 0.5, "colour": None},
        ],
        "frame": None,
    }
    assert decoded(written, Picture, "") == PICTURE
    assert decoded(written | {"frame": {"side": 3}}, Picture, "").frame == Square(3.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "other"}, "name is not one of old, new"),
        ({"name": ["new"]}, "name is not of type str"),
        ({"title": 1}, "the file has an unknown key 'title'"),
        ({"shapes": {}}, "shapes is not of type list"),
        ({"shapes": [[]]}, "shapes[0] is not of type dict"),
        ({"shapes": [{"side": 1}]}, "the kind of shapes[0] is not one of Square, Circle"),
        (
            {"shapes": [{"kind": [], "side": 1}]},
            "the kind of shapes[0] is not one of Square, Circle",
        ),
        ({"shapes": [{"kind": "Square"}]}, "shapes[0] has no key 'side'"),
        ({"shapes": [{"kind": "Square", "side": "1"}]}, "shapes[0].side is not of type float"),
        (
            {"shapes": [{"kind": "Square", "side": 1, "radius": 1}]},
            "shapes[0] has an unknown key 'radius'",
        ),
        (
            {"shapes": [{"kind": "Circle", "radius": -1, "colour": None}]},
            "a radius is negative",
        ),
        ({"frame": 5}, "frame is not of type dict"),
        ({"frame": {"side": None}}, "frame.side is not of type float"),
    ],
)
def test_what_is_not_such_a_dataclass_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as error:
        decoded(encoded(PICTURE, Picture) | change, Picture, "")
    assert str(error.value) == message


def test_key_that_is_missing_is_named() -> None:
    with pytest.raises(ModelError, match="the file has no key 'frame'"):
        decoded({"name": "new", "shapes": []}, Picture, "")


@pytest.mark.parametrize(
    ("kind", "value", "fits"),
    [
        (int, 3, True),
        (int, 3.0, False),
        (int, True, False),
        (int, "3", False),
        (float, 3.0, True),
        (float, 3, True),
        (float, False, False),
        (float, None, False),
        (str, "3", True),
        (str, 3, False),
        (bool, True, True),
        (bool, 1, False),
    ],
)
def test_types_are_exact(kind: type, value: object, fits: bool) -> None:
    if fits:
        assert decoded(value, kind, "it") == value
        assert type(decoded(value, kind, "it")) is kind
        assert decoded([value, value], tuple[kind, ...], "it") == (value, value)  # type: ignore[valid-type]
        return
    with pytest.raises(ModelError, match=f"it is not of type {kind.__name__}"):
        decoded(value, kind, "it")
    with pytest.raises(ModelError, match=rf"it\[1\] is not of type {kind.__name__}"):
        decoded([kind(), value], tuple[kind, ...], "it")  # type: ignore[valid-type]


@pytest.mark.parametrize(
    ("value", "shape"),
    [([[1, 2.5], [-0.0, 1e300]], (2, 2)), ([1, 2], (2,)), ([], (0,)), ([[], []], (2, 0))],
)
def test_array_is_float64(value: list[Any], shape: tuple[int, ...]) -> None:
    array = decoded(value, Annotated[Array, "float64", len(shape)], "weights")
    assert (array.shape, array.dtype) == (shape, np.float64)
    np.testing.assert_array_equal(array, np.reshape(value, shape))


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_every_whole_number_is_read_back(dtype: str) -> None:
    bounds = np.iinfo(dtype)
    array = np.array([bounds.min, 7, bounds.max], dtype)
    kind = Annotated[Array, dtype, 1]
    read = decoded(from_text(to_text({"a": encoded(array, kind)}).encode())["a"], kind, "it")
    assert (read.dtype, read.tolist()) == (dtype, array.tolist())
    for beyond in (bounds.min - 1, bounds.max + 1):
        with pytest.raises(ModelError, match=f"it holds a number that {dtype} does not"):
            decoded([5, beyond], kind, "it")
    with pytest.raises(ModelError, match="it is not an array of numbers with 1 axes"):
        decoded([5, 1.0], kind, "it")


@pytest.mark.parametrize(
    "value",
    [
        [1, 2, 3],
        [[1], [2, 3]],
        [[[1, 2]]],
        [[1, 2], [3]],
        [[1, [2]]],
        [["1", "2"]],
        [[1, "2"]],
        [[1, None]],
        [[None, None]],
        [[True, False]],
        [[1.5, True]],
        [[{}, {}]],
        [5],
        ["ab"],
        "ab",
        {},
        None,
        [[1.5, 1e39]],
        [[1.5, float("inf")]],
        [[1.5, float("nan")]],
    ],
)
def test_what_is_not_an_array_of_numbers_is_refused(value: list[Any]) -> None:
    with pytest.raises(ModelError, match=r"^weights "):
        decoded(value, Annotated[Array, "float32", 2], "weights")


def test_array_nested_deeper_than_numpy_goes_is_refused() -> None:
    value: list[Any] = [1.0]
    for _ in range(200):
        value = [value]
    with pytest.raises(ModelError, match=r"^weights "):
        decoded(value, Annotated[Array, "float64", 1], "weights")


def test_array_that_is_not_finite_cannot_be_written() -> None:
    with pytest.raises(ModelError, match="it holds a number that is not finite"):
        encoded(np.array([1, np.nan]), Annotated[Array, "float64", 1])
