from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet.data.cells import LONGEST_NAME, short_name, short_names

LONG = "a name that is the same for "


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["petal_width", "größe 大"], ["petal_width", "größe 大"]),
        (["a", "a ", " a", "a  b", "a b"], ["a", "'a '", "' a'", "'a  b'", "a b"]),
        (["a\tb", "a\nb", "a\xa0b", "\x1b[31m"], [r"a\tb", r"a\nb", r"a\xa0b", r"\x1b[31m"]),
        (["x" * LONGEST_NAME, "y" * 25], ["x" * LONGEST_NAME, "y" * 10 + "..." + "y" * 11]),
        (
            [f"{LONG}40 letters, {end}" for end in "ab"],
            ["a name tha... letters, a", "a name tha... letters, b"],
        ),
        (
            [f"{LONG}{middle} forty letters" for middle in "abc"],
            [
                "a name tha...rty letters",
                "a name tha...rty letters (2)",
                "a name tha...rty letters (3)",
            ],
        ),
        (["a\n", r"a\n", r"a\n (2)"], [r"a\n", r"a\n (2)", r"a\n (2) (2)"]),
    ],
    ids=["plain", "spaces", "unprintable", "long", "end", "middle", "alike"],
)
def test_names_are_shown_short_and_distinct(names: list[str], shown: list[str]) -> None:
    assert short_names(names) == shown


@given(st.lists(st.text(max_size=9) | st.text("a \n\\'()2.", max_size=9), unique=True), st.data())
def test_distinct_names_stay_distinct_printable_and_short(
    names: list[str], data: st.DataObject
) -> None:
    longest = data.draw(st.integers(7, 12))
    shown = short_names(names, longest)
    assert len(set(shown)) == len(shown) == len(names)
    assert all(name.isprintable() for name in shown)
    assert all(name == " ".join(name.split()) or "'" in name or "..." in name for name in shown)
    for name, short in zip(names, shown, strict=True):
        assert short.startswith(short_name(name, longest))
        assert len(short_name(name, longest)) <= longest
