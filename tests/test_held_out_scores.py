"""Scores where the truth is known: what a table has to do with its training decides who judges it.

What rests on a draw is tested over ten dealings: other names of the columns deal the rows anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import minnet
from minnet.analysis.importance import importance
from minnet.data.table import Table
from minnet.errors import DataError
from minnet.model.diagnostics import is_changed_table
from minnet.model.fit import train
from minnet.sklearn import MinnetClassifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from minnet.model.model import Model
    from minnet.model.scores import Evaluation

DEALINGS = range(10)
Frame = dict[str, Any]


def accuracy_over_dealings(make: Callable[[int], tuple[Model, Any]]) -> float:
    return float(np.mean([minnet.evaluate(*make(k)).accuracy for k in DEALINGS]))


# Categories that only the held-out rows have.


def reviews(dealing: int, start: int = 0) -> Frame:
    texts = [f"{('bad', 'good')[k % 2]} product number {k}" for k in range(start, start + 100)]
    return {f"review{dealing}": texts, "y": ["neg", "pos"] * 50}


def test_a_text_that_differs_in_each_row_tells_nothing() -> None:
    accuracies = []
    for dealing in DEALINGS:
        model = train(reviews(dealing), "y")
        accuracies += [
            minnet.evaluate(model, reviews(dealing)).accuracy,
            minnet.evaluate(model, reviews(dealing, 1000)).accuracy,
        ]
        assert not importance(model, reviews(dealing)).matters.any()
    assert max(accuracies) <= 0.55


def test_out_of_fold_score_of_the_estimator_is_that_of_held_out_rows() -> None:
    frame = pd.DataFrame(reviews(0))
    estimator = MinnetClassifier().fit(frame[["review0"]], frame["y"])
    assert estimator.oof_score_ <= 0.55


def visits(dealing: int) -> Frame:
    """Forty visits of five rows; the label follows the visit's id, which no other visit shares."""
    labels = np.random.default_rng(dealing).permutation(np.arange(40) % 2).repeat(5)
    return {
        f"visit{dealing}": [f"v{k}" for k in np.arange(40).repeat(5)],
        f"x{dealing}": np.random.default_rng(dealing + 50).standard_normal(200),
        "y": np.array(["no", "yes"])[labels],
    }


def test_the_identifier_of_a_group_tells_nothing_of_other_groups() -> None:
    def make(dealing: int) -> tuple[Model, Frame]:
        table, group = visits(dealing), f"visit{dealing}"
        return train(table, "y", group=group, group_feature=True), table

    assert accuracy_over_dealings(make) <= 0.55


def names(dealing: int, seed: int, rows: int) -> Frame:
    """Two hundred names, each with its own label; three in ten labels are wrong."""
    of_name = np.random.default_rng(dealing).integers(0, 2, 200)
    generator = np.random.default_rng([dealing, seed])
    name = generator.integers(0, 200, rows)
    labels = np.where(generator.random(rows) < 0.3, 1 - of_name[name], of_name[name])
    return {
        f"name{dealing}": [f"n{k}" for k in name],
        "y": np.array(["no", "yes"])[labels],
    }


def test_many_names_print_what_fresh_rows_of_the_same_names_show() -> None:
    flattery = []
    for dealing in DEALINGS:
        table = names(dealing, 0, 400)
        model = train(table, "y")
        fresh = minnet.evaluate(model, names(dealing, 1, 2000), new=True)
        flattery.append(minnet.evaluate(model, table).accuracy - fresh.accuracy)
    assert np.mean(flattery) <= 0.02


# The training table, saved anew or in part.


@pytest.fixture(scope="module")
def noise() -> list[tuple[Model, pd.DataFrame]]:
    return models_of_noise()


def models_of_noise(dealings: Iterable[int] = DEALINGS) -> list[tuple[Model, pd.DataFrame]]:
    """Models that know their noise by heart, each with its training table."""
    made = []
    for dealing in dealings:
        generator = np.random.default_rng(dealing)
        values = generator.standard_normal((200, 100))
        frame = pd.DataFrame(values, columns=[f"d{dealing}x{k}" for k in range(100)])
        frame["flag"] = generator.integers(0, 2, 200).astype(bool)
        frame["y"] = np.array(["no", "yes"])[generator.integers(0, 2, 200)]
        model = train(frame, "y", weight_decay=0.0, bins=0)
        learned = model.probabilities(frame).argmax(axis=1)
        assert (np.array(model.class_names)[learned] == frame["y"]).mean() > 0.8
        made.append((model, frame))
    return made


def digits(count: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def saved(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.apply(
            lambda column: (
                column.map(f"{{:.{count}g}}".format).astype(float)
                if column.dtype == float
                else column
            )
        )

    return saved


def float32(frame: pd.DataFrame) -> pd.DataFrame:
    numbers = frame.select_dtypes(float).columns
    return frame.astype(dict.fromkeys(numbers, np.float32))


def bootstrap(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sample(len(frame), replace=True, random_state=1)


def oversampled(frame: pd.DataFrame) -> pd.DataFrame:
    few = frame[frame["y"] == frame["y"].value_counts().index[-1]]
    return pd.concat([frame, few, few])


def relabelled(frame: pd.DataFrame) -> pd.DataFrame:
    changed = frame.copy()
    changed.loc[:59, "y"] = changed.loc[:59, "y"].map({"no": "yes", "yes": "no"})
    return changed


SAVED = {
    "as it is": lambda frame: frame,
    "shuffled": lambda frame: frame.sample(frac=1, random_state=0),
    "15 digits": digits(15),
    "14 digits": digits(14),
    "12 digits": digits(12),
    "float32": float32,
    "bootstrap": bootstrap,
    "ten times": lambda frame: pd.concat([frame] * 10),
    "smaller class three times": oversampled,
    "a half": lambda frame: frame[::2],
    "corrected labels": relabelled,
}


@pytest.mark.parametrize("saved", SAVED)
def test_training_table_is_judged_by_networks_that_never_saw_it(
    noise: list[tuple[Model, pd.DataFrame]], saved: str, tmp_path: Any
) -> None:
    accuracies, held = [], []
    for model, frame in noise:
        judged = minnet.evaluate(model, SAVED[saved](frame))
        # A number may lie so near to the middle of two of float32 that digits move it.
        assert judged.known == pytest.approx(len(judged), rel=0.01)
        low, high = judged.accuracy_interval
        held.append(low <= 0.5 <= high)
        accuracies.append(judged.accuracy)
    path = tmp_path / "saved.csv"
    SAVED[saved](frame).to_csv(path, index=False)
    assert minnet.evaluate(model, path).accuracy == accuracies[-1]
    assert abs(np.mean(accuracies) - 0.5) < 0.06
    assert sum(held) >= 8


def test_copies_count_once_in_intervals(noise: list[tuple[Model, pd.DataFrame]]) -> None:
    model, frame = noise[0]
    once, ten = (minnet.evaluate(model, pd.concat([frame] * k)) for k in (1, 10))
    assert ten.copies == 9 * len(frame)
    assert ten.accuracy_interval == pytest.approx(once.accuracy_interval, abs=1e-3)
    assert ten.log_loss_gain_interval == pytest.approx(once.log_loss_gain_interval, abs=2e-3)


def test_corrected_labels_move_no_row_to_another_judge(
    noise: list[tuple[Model, pd.DataFrame]],
) -> None:
    model, frame = noise[0]
    one, other = minnet.evaluate(model, frame), minnet.evaluate(model, relabelled(frame))
    np.testing.assert_array_equal(one.probabilities, other.probabilities)


@pytest.mark.parametrize("spelled", [str.upper, str.lower, lambda word: str(int(word == "True"))])
def test_spelling_of_truth_moves_no_row_to_another_judge(
    noise: list[tuple[Model, pd.DataFrame]], spelled: Callable[[str], str]
) -> None:
    model, frame = noise[0]
    other = frame.assign(flag=frame["flag"].astype(str).map(spelled))
    one, again = minnet.evaluate(model, frame), minnet.evaluate(model, other)
    np.testing.assert_array_equal(one.probabilities, again.probabilities)


def test_large_noise_is_judged_by_networks_that_never_saw_it() -> None:
    generator = np.random.default_rng(0)
    values = generator.standard_normal((4200, 300))
    frame = pd.DataFrame(values, columns=[f"x{k}" for k in range(300)])
    frame["y"] = np.array(["no", "yes"])[np.arange(4200) % 2]
    model = train(frame, "y", epochs=1, weight_decay=0.0, batch_size=32, bins=0)
    assert not model.folds.is_exact
    learned = np.array(model.class_names)[model.probabilities(frame).argmax(axis=1)] == frame["y"]
    assert learned.mean() > 0.55
    corrected = frame.assign(y=np.roll(frame["y"], 1))
    half_new = frame.copy()
    half_new.iloc[:2100, :300] += 0.01
    shorter = frame.assign(**digits(12)(frame[["x0", "x1"]]))
    for table in (frame, float32(frame), shorter, bootstrap(frame), corrected):
        judged = minnet.evaluate(model, table)
        assert judged.known == pytest.approx(4200, rel=0.02)
        assert abs(judged.balanced_accuracy - 0.5) < 0.03
    assert minnet.evaluate(model, half_new).known == pytest.approx(2100, rel=0.06)


# Rows that are not those of the training table.


def shapes(seed: int, rows: int = 120) -> Frame:
    """A coarse table: three categorical columns, and a label that they tell a little of."""
    generator = np.random.default_rng(seed)
    cells = generator.integers(0, (3, 6, 6), (rows, 3))
    probability = 0.2 + 0.2 * cells[:, 0] + 0.04 * cells[:, 1]
    return {
        "sex": [f"s{k}" for k in cells[:, 0]],
        "age": [f"a{k}" for k in cells[:, 1]],
        "class": [f"c{k}" for k in cells[:, 2]],
        "y": np.where(generator.random(rows) < probability, "yes", "no"),
    }


def test_fresh_rows_of_a_coarse_table_are_judged_by_all_networks() -> None:
    lost = []
    for seed in DEALINGS:
        model = train(shapes(seed), "y")
        own, fresh = minnet.evaluate(model, shapes(seed)), shapes(seed + 100)
        assert own.known == 120
        judged = minnet.evaluate(model, fresh)
        lost.append(judged.known == 0)
        assert minnet.evaluate(model, fresh, new=True).known == 0
    assert sum(lost) >= 9


def test_accounts_that_differ_by_one_are_other_rows() -> None:
    def accounts(start: int) -> Frame:
        return {
            "account": [4000123412341000 + start + k for k in range(64)],
            "code": [(start + k) % 7 for k in range(64)],
            "y": ["no", "yes"] * 32,
        }

    model = train(accounts(0), "y")
    assert minnet.evaluate(model, accounts(64)).known == 0
    assert minnet.evaluate(model, accounts(0)).known == 64
    assert minnet.evaluate(model, accounts(32)).known == 32


def test_mixed_file_is_judged_row_by_row(noise: list[tuple[Model, pd.DataFrame]]) -> None:
    model, frame = noise[0]
    new = frame[:80].copy()
    new[frame.columns[:100]] += 0.5
    mixed = minnet.evaluate(model, pd.concat([frame, new]))
    assert (mixed.known, mixed.new, len(mixed)) == (200, 80, 280)
    subsets: dict[str, Evaluation] = mixed.subsets
    assert subsets["training_table"].accuracy == minnet.evaluate(model, frame).accuracy
    everyone = minnet.evaluate(model, new)
    assert everyone.known == 0
    np.testing.assert_allclose(subsets["new"].probabilities, everyone.probabilities)
    assert subsets["new"].accuracy_interval == everyone.accuracy_interval
    assert mixed.judged_by == (
        "200 in the training table, each judged by a network that never saw it; 80 new, judged by "
        "the mean of 8 networks"
    )


def flowers(seed: int, rows: int = 150) -> Frame:
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % 3
    return {
        "length": generator.normal(labels * 2, 1.0),
        "width": generator.gamma(3.0, 1 + labels),
        "y": np.array(["a", "b", "c"])[labels],
    }


def test_training_table_in_other_units_is_told_from_fresh_rows() -> None:
    def looks_changed(model: Model, table: Frame) -> bool:
        return is_changed_table(model, Table.from_columns(table))

    for seed in DEALINGS:
        table = flowers(seed)
        model = train(table, "y", epochs=1)
        inches = table | {"length": table["length"] / 2.54, "width": 7 - 3 * table["width"]}
        assert minnet.evaluate(model, inches).known == 0
        assert looks_changed(model, inches)
        assert not looks_changed(model, flowers(seed + 100))
        half = {name: cells[:75] for name, cells in table.items()}
        rest = {name: cells[75:] for name, cells in table.items()}
        assert not looks_changed(train(half, "y", epochs=1), rest)


def of_groups(names: str, shift: float) -> Frame:
    generator = np.random.default_rng(0)
    values = generator.standard_normal((120, 3))
    return {
        "who": [f"{names}{k}" for k in np.arange(120) // 5],
        **{f"x{k}": values[:, k] + shift for k in range(3)},
        "y": np.where(values[:, 0] > 0, "yes", "no"),
    }


def test_new_rows_of_known_groups_are_judged_by_who_held_the_group_out() -> None:
    model = train(of_groups("p", 0), "y", group="who", epochs=5)
    known = minnet.evaluate(model, of_groups("p", 1))
    assert (known.known, known.new, known.out_of_fold) == (0, 0, True)
    assert known.judged_by.startswith("new rows of groups that are in the training table: each row")
    assert minnet.evaluate(model, of_groups("q", 1)).judged_by == "judged by the mean of 8 networks"
    with pytest.raises(DataError, match="or they were in groups of other names"):
        minnet.evaluate(model, of_groups("q", 0))


def test_single_network_judges_new_rows_and_those_it_held_out() -> None:
    model = train(flowers(0), "y", networks=1, epochs=5)
    both = {
        name: [*cells, *other]
        for (name, cells), other in zip(flowers(0).items(), flowers(1).values(), strict=True)
    }
    evaluation = minnet.evaluate(model, both)
    assert (evaluation.known, evaluation.new) == (30, 150)
    assert evaluation.judged_by == (
        "30 held out by the only network, which chose its epoch by them: that flatters; 150 new"
    )
