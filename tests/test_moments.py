from __future__ import annotations

import warnings
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet.network.preparation import (
    Bins,
    FeatureSummary,
    Moments,
    RowSample,
    Standardize,
    fit_preparation,
)
from tests.helpers import preparation_by_rows

FOLDS = 3


def table(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(rows, 5)) * [1, 1e6, 1e-7, 0, 1] + [0, 5, 1, 0.1, 0]
    features[generator.random(features.shape) < 0.1] = np.nan
    features[:, 4] = generator.random(rows) < 0.5
    return features, generator.integers(FOLDS, size=rows)


SCALED = np.array([True, True, True, True, False])
FEWEST = np.where(SCALED, 0, -1)


@given(
    rows=st.integers(1, 60), seed=st.integers(0, 99), cuts=st.lists(st.integers(0, 60), max_size=4)
)
def test_layers_of_merged_parts_are_those_of_the_whole(
    rows: int, seed: int, cuts: list[int]
) -> None:
    features, fold_of_row = table(rows, seed)
    bounds = [0, *sorted(min(cut, rows) for cut in cuts), rows]
    parts = [
        FeatureSummary.of(
            features[first:last],
            fold_of_row[first:last],
            FOLDS,
            np.arange(first, last, dtype=np.uint64),
        )
        for first, last in pairwise(bounds)
    ]
    layers = fit_preparation(
        reduce(FeatureSummary.merge, parts), FEWEST, range(FOLDS), 3, dtype=np.float64
    )
    own_rows = [np.flatnonzero(fold_of_row != fold) for fold in range(FOLDS)]
    expected = preparation_by_rows(features, own_rows, SCALED, 3, np.float64)
    assert isinstance(layers[0], Standardize)
    np.testing.assert_allclose(layers[0].means, expected[0].means, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(layers[0].scales, expected[0].scales, rtol=1e-6, atol=1e-20)
    np.testing.assert_array_equal(layers[0].scales == 0, expected[0].scales == 0)
    assert [type(layer) for layer in layers] == [type(layer) for layer in expected]
    if len(layers) == 1:
        return
    assert isinstance(layers[1], Bins)
    np.testing.assert_array_equal(layers[1].columns, expected[1].columns)
    for edges in ("lower", "upper"):
        wanted = getattr(expected[1], edges)
        np.testing.assert_allclose(getattr(layers[1], edges), wanted, rtol=1e-6, atol=1e-6)
    for network, own in enumerate(own_rows):
        some = features[own][:, :4]
        if len(own) and not np.isnan(some).all(axis=0).any():
            np.testing.assert_allclose(layers[0].means[network, 0, :4], np.nanmean(some, axis=0))


def test_indicator_that_too_few_rows_of_a_network_show_is_unknown_to_it() -> None:
    features = np.zeros((9, 2))
    features[[0, 3, 6], 1] = 1  # twice in the first fold, once in the second
    features[[0, 3, 6], 0] = [1, 2, 3]
    fold_of_row = np.arange(9) % 3
    fold_of_row[[0, 3, 6]] = [0, 0, 1]
    (layer,) = fit_preparation(
        FeatureSummary.of(features, fold_of_row, 3),
        np.array([0, 2]),
        [0, 1, 2],
    )
    assert isinstance(layer, Standardize)
    assert layer.scales[:, 0, 1].tolist() == [0, 1, 1]
    assert layer.means[:, 0, 1].tolist() == [0, 0, 0]


def test_without_bins_there_is_one_layer() -> None:
    features, fold_of_row = table(20, 0)
    summary = FeatureSummary.of(features, fold_of_row, FOLDS)
    (layer,) = fit_preparation(summary, FEWEST, [0, 1, 2, 0])
    assert isinstance(layer, Standardize)
    assert layer.means.shape == (4, 1, 5)
    np.testing.assert_array_equal(layer.means[0], layer.means[3])


def test_huge_numbers_neither_overflow_nor_warn() -> None:
    features = np.array([[1e308, 1e-308], [1.2e308, 3e-308], [1e308, 2e-308], [1.1e308, 1e-308]])
    parts = [Moments.of(features[k : k + 2], np.zeros(2, np.int64), 1) for k in (0, 2)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        merged = parts[0].merge(parts[1])
    scaled = features / [1e308, 1e-308]
    np.testing.assert_allclose(merged.means[0] / [1e308, 1e-308], scaled.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        merged.deviations[0] / [1e308, 1e-308], scaled.std(axis=0), rtol=1e-12
    )


@given(draws=st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=30), data=st.data())
def test_sample_of_parts_is_the_sample_of_the_whole(draws: list[int], data: st.DataObject) -> None:
    keys = np.array(draws, np.uint64)
    rows = np.zeros(len(keys), np.int64), keys.astype(float)
    whole = RowSample(keys, keys[:, None].astype(float), *rows)
    cut = data.draw(st.integers(0, len(keys)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minnet.network.preparation.MOST_SAMPLED", 7)
        one, other = (
            RowSample(*(part[half] for part in whole)).smallest()
            for half in (slice(cut), slice(cut, None))
        )
        merged = one.merge(other)
    assert merged.draws.tolist() == sorted(draws)[:7]
    np.testing.assert_array_equal(merged.features[:, 0], merged.draws.astype(float))
