from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.inspection import permutation_importance

import minnet
from minnet import Model, TrainingSettings, evaluate, importance
from minnet.analysis import importance as module
from minnet.analysis import importance as shuffled_losses
from minnet.analysis.importance import Importance, cyclic_shuffles
from minnet.data.table import Table
from minnet.errors import DataError, ModelError, SettingsError
from minnet.model.judges import judges_of
from tests.helpers import IRIS, fit, recorded_pools

if TYPE_CHECKING:
    from minnet.arrays import Array, IntArray

ROWS = 200
SETTINGS = TrainingSettings(networks=4, hidden=(8,), epochs=40)


def columns(seed: int = 0) -> dict[str, list[Any]]:
    """Make columns of which two decide the class, one of them a category with missing cells."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, ROWS)
    kinds = np.array(["round", "square", None])[np.where(labels == 2, 2, labels)]
    swapped = generator.random(ROWS) < 0.15
    kinds[swapped] = generator.permutation(kinds[swapped])
    size = labels * 3.0 + generator.normal(0, 1, ROWS)
    size[generator.random(ROWS) < 0.1] = np.nan
    return {
        "noise": generator.normal(size=ROWS).tolist(),
        "kind": kinds.tolist(),
        "constant": [7.0] * ROWS,
        "size": size.tolist(),
        "label": [f"class {label}" for label in labels],
    }


def table_of(values: dict[str, list[Any]]) -> Table:
    return Table.from_columns(values, source="data.csv")


TABLE = table_of(columns())
FRESH = table_of(columns(seed=1))


@pytest.fixture(scope="module")
def model() -> Model:
    return fit(TABLE, "label", SETTINGS)


def increase_of(measured: Importance, name: str) -> Array:
    increases: Array = measured.increases[measured.columns.index(name)]
    return increases


def own_features(model: Model, name: str) -> IntArray:
    """Which features a column becomes, by their names."""
    found: IntArray = np.flatnonzero(
        [feature.startswith(name) for feature in model.encoder.features]
    )
    return found


def log_loss(model: Model, features: Array, labels: IntArray) -> float:
    probabilities = model.member_probabilities_of(features).mean(axis=0)
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


class _Estimator(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # without types
    """A model for scikit-learn, which shuffles columns of positions, not of features."""

    def __init__(self, model: Model, features: Array, owns: list[IntArray]) -> None:
        self.model, self.features, self.owns = model, features, owns
        self.classes_ = np.arange(len(model.class_names))

    def fit(self, inputs: Array, labels: IntArray) -> _Estimator:
        return self

    def predict_proba(self, inputs: IntArray) -> Array:
        """Take for each cell the row it comes from, so that all its features come with it."""
        features = self.features.copy()
        for own, sources in zip(self.owns, inputs.T, strict=True):
            features[:, own] = self.features[sources][:, own]
        return self.model.member_probabilities_of(features).mean(axis=0)


def test_agrees_with_scikit_learn_on_the_same_probabilities(model: Model) -> None:
    examples = model.encoder.examples(FRESH)
    names = [column.name for column in model.encoder.columns]
    owns = [own_features(model, name) for name in names]
    positions = np.tile(np.arange(ROWS)[:, None], len(names))
    peer = permutation_importance(
        _Estimator(model, examples.features, owns),
        positions,
        examples.labels,
        scoring="neg_log_loss",
        n_repeats=60,
        random_state=0,
    )
    measured = importance(model, FRESH, shuffles=60)
    assert measured.known == 0
    for name, mean, of_shuffles in zip(names, peer.importances_mean, peer.importances, strict=True):
        own = increase_of(measured, name)
        # Its shuffles leave one row in `ROWS` where it is.
        expected = mean * ROWS / (ROWS - 1)
        error = np.sqrt((own.var() + of_shuffles.var()) / 60)
        assert own.mean() == pytest.approx(expected, abs=max(4 * error, 1e-6)), name
        assert own.std() == pytest.approx(of_shuffles.std(), rel=0.4, abs=1e-6)
    means = measured.means[measured.columns.index("size")]
    assert 4 * error < means / 10


def test_two_rows_can_only_be_swapped_so_that_every_number_is_known(model: Model) -> None:
    pair = {name: [values[0], values[-1]] for name, values in columns(seed=2).items()}
    pair |= {"kind": ["round", None], "size": [None, 5.0], "label": ["class 0", "class 2"]}
    measured = importance(model, pair, shuffles=3)
    examples = model.encoder.examples(table_of(pair))
    before = log_loss(model, examples.features, examples.labels)
    assert measured.log_loss == pytest.approx(before, rel=1e-6)
    for name in measured.columns:
        swapped = pair | {name: pair[name][::-1]}
        others = model.encoder.examples(table_of(swapped))
        expected = log_loss(model, others.features, others.labels) - before
        assert increase_of(measured, name) == pytest.approx([expected] * 3, rel=1e-5, abs=1e-7)
    assert abs(increase_of(measured, "size")[0]) > 0.01
    assert abs(increase_of(measured, "kind")[0]) > 0.01


def test_rows_of_the_training_table_are_judged_by_networks_that_never_saw_them(
    model: Model,
) -> None:
    measured = importance(model, TABLE)
    assert measured.log_loss == pytest.approx(evaluate(model, TABLE).log_loss, rel=1e-6)
    assert measured.judged_by == evaluate(model, TABLE).judged_by
    examples = model.encoder.examples(TABLE)
    mask = judges_of(model, examples).mask
    # Network 0 as it is told by that network alone, on its own rows with all pairs of cells.
    rows = np.flatnonzero(mask[0])
    own = own_features(model, "size")
    left, right = (half.ravel() for half in np.indices((len(rows), len(rows))))
    different = left != right
    features = examples.features[rows[left[different]]]
    features[:, own] = examples.features[rows[right[different]]][:, own]
    labels = examples.labels[rows]

    def loss_of_network(features: Array, labels: IntArray) -> float:
        probabilities = model.member_probabilities_of(features)[0]
        return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())

    expected = loss_of_network(features, labels[left[different]]) - loss_of_network(
        examples.features[rows], labels
    )
    many = importance(model, TABLE, shuffles=400)
    found = many.network_increases[many.columns.index("size"), 0]
    assert found == pytest.approx(expected, rel=0.05)


def test_networks_together_make_the_increase_of_all_rows(model: Model) -> None:
    measured = importance(model, TABLE)
    counts = judges_of(model, model.encoder.examples(TABLE)).mask.sum(axis=1)
    mean = (measured.network_increases * counts).sum(axis=1) / counts.sum()
    assert mean == pytest.approx(measured.means)
    assert measured.network_ranges[0] == pytest.approx(measured.network_increases.min(axis=1))


def test_networks_that_hold_out_the_same_rows_judge_them_together() -> None:
    shops = {"shop": [f"shop {row % 3}" for row in range(ROWS)]}
    table = table_of(columns() | shops)
    twice = fit(table, "label", replace(SETTINGS, networks=8, epochs=3), group="shop")
    measured = importance(twice, table)
    assert measured.rows == ROWS
    assert measured.log_loss == pytest.approx(evaluate(twice, table).log_loss, rel=1e-6)
    assert np.isfinite(measured.network_increases).all()


def test_networks_that_judge_no_row_have_no_increase(model: Model) -> None:
    examples = model.encoder.examples(TABLE)
    few = examples.rows[judges_of(model, examples).mask[1]]
    table = {name: [values[row] for row in few] for name, values in columns().items()}
    measured = importance(model, table)
    assert (measured.rows, measured.available) == (len(few), len(few))
    assert (np.isnan(measured.network_increases) == [[True, False, True, True]]).all()
    assert (measured.network_ranges[0] == measured.network_increases[:, 1]).all()


def test_columns_that_decide_matter_and_others_no_more_than_chance(model: Model) -> None:
    for table in (TABLE, FRESH):
        measured = importance(model, table)
        assert set(measured.columns[:2]) == {"size", "kind"}
        assert measured.matters.tolist() == [True, True, False, False]
        assert (np.diff(measured.means) <= 0).all()
        assert np.abs(increase_of(measured, "constant")).max() < module.RESOLUTION
        assert measured.chance.min() == module.RESOLUTION


def test_noise_is_seldom_taken_for_more_than_chance() -> None:
    """Of a model of nothing but noise, judged on noise it never saw."""
    generator = np.random.default_rng(0)

    def noise() -> Table:
        cells = {f"x{k}": generator.normal(size=60).tolist() for k in range(4)}
        labels = generator.integers(0, 2, 60)
        return table_of(cells | {"label": [f"class {label}" for label in labels]})

    model = fit(noise(), "label", replace(SETTINGS, epochs=15))
    ratios = np.concatenate(
        [
            measured.means / measured.chance
            for measured in (importance(model, noise()) for _ in range(100))
        ]
    )
    assert 0.005 < (ratios > 1).mean() < 0.06
    assert 0.005 < (ratios < -1).mean() < 0.06


def test_chance_is_students_and_of_several_groups_welchs() -> None:
    variances = np.array([[4.0, 0.0]])
    quantile = stats.t.ppf(0.975, 9)
    found = module._chance(variances, 10, 1.5)
    assert found[0] == pytest.approx(quantile * np.sqrt(4 * (0.1 + 1.5)), rel=1e-3)
    assert np.isnan(found[1])
    equal = module._chance(np.full((3, 1), 4.0), 10, 1.0)
    assert equal == pytest.approx(stats.t.ppf(0.975, 27) * np.sqrt(12 * 1.1), rel=1e-3)


def test_rows_that_judge_each_other_leave_more_to_chance(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    inflation = judges_of(model, model.encoder.examples(TABLE)).inflation
    usual = importance(model, TABLE)
    monkeypatch.setattr(module, "judges_of", lambda *_: replace(judges_of(*_), inflation=1.0))
    assert inflation > 1.5
    resolved = usual.chance > 2 * module.RESOLUTION
    assert resolved.sum() >= 2
    assert usual.chance[resolved] == pytest.approx(
        importance(model, TABLE).chance[resolved] * np.sqrt((0.1 + inflation) / 1.1)
    )


def test_all_features_of_a_column_move_together(model: Model) -> None:
    """Cells moved by hand, in the table, give what the features moved together give."""
    values = columns(seed=1)
    order = np.random.default_rng(3).permutation(ROWS)
    for name in ("kind", "size"):
        assert len(own_features(model, name)) > 1
    examples = model.encoder.examples(FRESH)
    back = np.argsort(examples.rows)
    for name in ("kind", "size"):
        moved = values | {name: [values[name][row] for row in order]}
        encoded = model.encoder.transform(table_of(moved))
        columns_of = [own_features(model, column.name) for column in model.encoder.columns]
        position = [column.name for column in model.encoder.columns].index(name)
        sources = np.empty((2, ROWS), dtype=np.int64)
        # The example of table row r gets the cells of table row order[r].
        sources[:, back] = back[order]
        _, after = shuffled_losses.losses_of_group(
            model.network,
            examples.features,
            examples.labels,
            np.ones(ROWS),
            [slice(own[0], own[-1] + 1) for own in columns_of],
            (slice(None), np.arange(ROWS), sources),
        )
        expected = log_loss(model, encoded, model.encoder.labels(FRESH)) * ROWS
        assert after[position, -1] == pytest.approx([expected] * 2, rel=1e-5)


def test_same_seed_gives_the_same_numbers_and_another_one_others(model: Model) -> None:
    once, again, other = (importance(model, FRESH, seed=seed) for seed in (0, 0, 1))
    assert (once.increases == again.increases).all()
    assert (increase_of(once, "size") != increase_of(other, "size")).all()


def test_order_of_rows_and_of_columns_decides_nothing(model: Model) -> None:
    order = np.random.default_rng(0).permutation(ROWS)
    for seed in (0, 1):
        values = columns(seed)
        mixed = {name: [values[name][row] for row in order] for name in reversed(values)}
        usual, other = importance(model, values), importance(model, mixed)
        assert usual.columns == other.columns
        assert (usual.increases == other.increases).all()


def test_shuffles_of_a_column_do_not_depend_on_the_columns_before_it() -> None:
    settings = replace(SETTINGS, hidden=(), bins=0, networks=1, epochs=2)
    increases = []
    for order in (["size", "noise", "kind", "label"], ["kind", "noise", "size", "label"]):
        model = fit(table_of({name: columns()[name] for name in order}), "label", settings)
        model.network.values[:] = 0
        weights = model.network.layers[1].parameters[0].values
        weights[0, own_features(model, "size")[0]] = [1, -2, 0.5]
        increases.append(increase_of(importance(model, FRESH), "size"))
    assert increases[0] == pytest.approx(increases[1], rel=1e-5)
    assert np.ptp(increases[0]) > 0


@pytest.mark.parametrize("rows", [2, 3, 10])
def test_no_cell_stays_and_each_other_row_is_as_likely(rows: int) -> None:
    sources = cyclic_shuffles(np.random.PCG64(0), 3000, rows)
    assert (np.sort(sources, axis=1) == np.arange(rows)).all()
    assert (sources != np.arange(rows)).all()
    for row in range(rows):
        counts = np.bincount(sources[:, row], minlength=rows)
        expected = 3000 / (rows - 1)
        assert np.delete(counts, row) == pytest.approx(expected, abs=5 * np.sqrt(expected))


def test_work_in_blocks_gives_the_same(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = importance(model, FRESH)
    monkeypatch.setattr(shuffled_losses, "ROWS_OF_A_TASK", 70)
    blocks = importance(model, FRESH)
    assert blocks.means == pytest.approx(usual.means, abs=1e-6)
    assert blocks.columns == usual.columns


def test_of_a_large_table_some_rows_are_drawn_by_the_seed(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 120)
    first, other = (importance(model, TABLE, seed=seed) for seed in (0, 1))
    assert (first.rows, first.available) == (120, ROWS * 4 // 5)
    assert first.log_loss != other.log_loss
    assert first.log_loss == importance(model, TABLE).log_loss
    assert first.matters.sum() == 2


def test_wide_tables_take_fewer_rows(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEWEST_DRAWN", 50)
    monkeypatch.setattr(module, "MOST_CELLS", 4 * 90)
    assert importance(model, FRESH).rows == 90
    monkeypatch.setattr(module, "MOST_CELLS", 4)
    assert importance(model, FRESH).rows == 50


def test_a_network_alone_judges_the_rows_it_held_out() -> None:
    alone = fit(TABLE, "label", replace(SETTINGS, networks=1))
    measured = importance(alone, TABLE)
    assert measured.rows == measured.available == ROWS // 5
    assert measured.network_increases.shape == (4, 1)
    assert "held out" in measured.judged_by


def test_a_network_without_hidden_layers_is_measured() -> None:
    linear = fit(TABLE, "label", replace(SETTINGS, hidden=()))
    assert set(importance(linear, TABLE).columns[:2]) == {"size", "kind"}


def test_a_row_alone_cannot_be_shuffled(model: Model) -> None:
    one = {name: values[:1] for name, values in columns(seed=1).items()}
    with pytest.raises(DataError, match="table: 1 labelled row: too few to shuffle"):
        importance(model, one)


def test_row_that_is_the_only_one_of_its_judges_is_left_out(model: Model) -> None:
    examples = model.encoder.examples(TABLE)
    mask = judges_of(model, examples).mask
    some = [*examples.rows[mask[1]], examples.rows[mask[0]][0]]
    table = {name: [values[row] for row in some] for name, values in columns().items()}
    measured = importance(model, table)
    assert measured.rows == measured.available == len(some) - 1
    assert np.isnan(measured.network_increases[:, 0]).all()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"shuffles": 1}, "`shuffles` is 1: it must be a whole number from 2 to 1,000"),
        ({"shuffles": 1001}, "`shuffles` is 1001"),
        ({"shuffles": 2.5}, "`shuffles` is 2.5"),
        ({"seed": -1}, "`seed` is -1"),
    ],
)
def test_settings_out_of_bounds_are_refused(
    model: Model, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(SettingsError, match=says):
        importance(model, TABLE, **settings)


def test_weights_too_large_to_predict_are_named() -> None:
    model = fit(TABLE, "label", replace(SETTINGS, epochs=1))
    model.network.values[:] = 1e30
    with pytest.raises(ModelError, match="no prediction is finite"):
        importance(model, TABLE)


def test_summary_names_the_first_column(model: Model) -> None:
    measured = importance(model, TABLE)
    assert len(measured) == 4
    assert repr(measured) == (
        f"<Importance: 4 columns, 2 matter more than chance, first {measured.columns[0]!r}>"
    )


def test_library_takes_the_name_of_a_file(iris_model: Any) -> None:
    measured = minnet.importance(minnet.load(iris_model), IRIS)
    assert measured.columns[0] in ("petal_length", "petal_width")


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_any_number_of_workers_measures_the_bits_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    started = recorded_pools(monkeypatch)
    table = minnet.read_csv(IRIS)
    model = fit(table, "species", networks=3, epochs=2)
    alone = importance(model, table, workers=3)
    monkeypatch.setattr(module, "FEWEST_CELLS_SPREAD", 0)
    for count in (2, np.int64(3)):
        measured = importance(model, table, workers=count)
        for name, figures in vars(alone).items():
            np.testing.assert_array_equal(figures, getattr(measured, name))
    assert started == [1, 2, 3]
