"""What the laws in these tests are tried on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from minnet.arrays import Array, IntArray


def logits(largest: float = 30.0) -> SearchStrategy[Array]:
    """Raw outputs of some rows, `(rows, classes)`, within +-`largest`."""
    shapes = arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6)
    return arrays.arrays(np.float64, shapes, elements=st.floats(-largest, largest))


class Answers(NamedTuple):
    """Raw outputs `(networks, rows, classes)`, with labels and weights `(networks, rows)`."""

    logits: Array
    labels: IntArray
    weights: Array


@st.composite
def answers(draw: DrawFn, largest: float = 10.0) -> Answers:
    """Raw outputs of some networks, and what was observed."""
    networks, rows, classes = (draw(st.integers(1, most)) for most in (3, 5, 5))
    return Answers(
        draw(
            arrays.arrays(
                np.float64, (networks, rows, classes), elements=st.floats(-largest, largest)
            )
        ),
        draw(arrays.arrays(np.int64, (networks, rows), elements=st.integers(0, classes - 1))),
        draw(arrays.arrays(np.float64, (networks, rows), elements=st.floats(0.1, 10))),
    )


def labels(most_rows: int = 60) -> SearchStrategy[IntArray]:
    """Labels of some rows, of up to six classes, some of which may be absent."""
    return arrays.arrays(np.int64, st.integers(1, most_rows), elements=st.integers(0, 5))
