from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas
import polars
import pyarrow
import pytest
import scipy.sparse
import sklearn
from joblib.externals.loky import get_reusable_executor
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import AdaBoostClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

import minnet
from minnet.errors import CautionWarning, SettingsError
from minnet.sklearn import MinnetClassifier
from tests.helpers import IRIS, PENGUINS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers import Run

# As many as scikit-learn 1.6 has at least: were they not run, the test would say so.
FEWEST_CHECKS = 45
# It is skipped unless SciPy was imported with a setting for it.
ARRAY_API = "check_array_api_input"


def quick(**settings: Any) -> MinnetClassifier:
    return MinnetClassifier(**{"n_networks": 2, "max_iter": 5} | settings)


@pytest.fixture(scope="module")
def penguins() -> pandas.DataFrame:
    return pandas.read_csv(PENGUINS)


EXPECTED_FAILURE = {
    f"check_sample_weight_equivalence_on_{kind}_data": "a row of weight 2 is in one batch and fold,"
    " two equal rows may be in several: loss and gradient of a batch agree, trainings do not"
    for kind in ("dense", "sparse")
}
# Short trainings tell that they are short, and other rows that they are others: one test asks each.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::minnet.errors.CautionWarning"),
]


@parametrize_with_checks([MinnetClassifier()], expected_failed_checks=lambda _: EXPECTED_FAILURE)
def test_check_of_scikit_learn_is_passed(estimator: Any, check: Any) -> None:
    if check.func.__name__ != ARRAY_API:  # the test below runs that one
        check(estimator)


def test_check_of_scikit_learn_with_the_array_api_is_passed() -> None:
    code = (
        "from sklearn.utils.estimator_checks import estimator_checks_generator\n"
        "from minnet.sklearn import MinnetClassifier\n"
        "for estimator, check in estimator_checks_generator(MinnetClassifier()):\n"
        "    print(check.func.__name__)\n"
        f"    if check.func.__name__ == {ARRAY_API!r}:\n"
        "        check(estimator)\n"
        "        print('passed')\n"
    )
    environment = os.environ | {"SCIPY_ARRAY_API": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", code]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    printed = ran.stdout.splitlines()
    assert len(printed) > FEWEST_CHECKS
    assert printed[printed.index(ARRAY_API) + 1] == "passed"


def test_checks_of_scikit_learn_can_fail() -> None:
    class Broken(MinnetClassifier):
        def predict(self, X: Any) -> Any:
            return super().predict(X)[::-1]

    results = check_estimator(Broken(n_networks=1, max_iter=5), on_fail=None, on_skip=None)
    assert "failed" in {result["status"] for result in results}


@pytest.mark.parametrize(("path", "target"), [(IRIS, "species"), (PENGUINS, "species")])
def test_frame_trains_the_very_model_that_train_makes_of_its_csv(
    path: Path, target: str, run: Run, tmp_path: Path
) -> None:
    frame = pandas.read_csv(path)
    frame.to_csv(tmp_path / "frame.csv", index=False)
    run("train", "frame.csv", "-t", target, "--seed", 3, "--epochs", 30)
    model = minnet.load(tmp_path / "model.json")
    features, labels = frame.drop(columns=target), frame[target]
    classifier = MinnetClassifier(random_state=3, max_iter=30).fit(features, labels)
    expected = model.probabilities(tmp_path / "frame.csv")
    np.testing.assert_array_equal(classifier.predict_proba(features), expected)
    np.testing.assert_array_equal(classifier.model_.network.values, model.network.values)


@pytest.mark.parametrize("make", [polars.from_pandas, pyarrow.Table.from_pandas])
def test_every_kind_of_frame_trains_the_same_model(make: Any, penguins: pandas.DataFrame) -> None:
    features, labels = penguins.drop(columns="species"), penguins["species"]
    expected = quick().fit(features, labels).predict_proba(features)
    classifier = quick().fit(make(features), labels)
    assert classifier.feature_names_in_.tolist() == features.columns.tolist()
    np.testing.assert_array_equal(classifier.predict_proba(make(features)), expected)
    np.testing.assert_array_equal(classifier.predict_proba(features), expected)


def test_labels_may_be_a_polars_series() -> None:
    frame = polars.read_csv(IRIS)
    classifier = quick().fit(frame.drop("species"), frame["species"])
    assert classifier.model_.encoder.target == "species"
    assert classifier.classes_.tolist() == ["setosa", "versicolor", "virginica"]


LABELS = {
    "whole numbers": [10, 9, 100],
    "numbers": [10.0, -2.0, 9.0],
    "text": ["b", "a", "C"],
    "words for nothing": ["NA", "None", ""],
    "numbers as text": ["10", "9", "1"],
    "truth": [True, False],
}

LABELS_OF_FRAMES: dict[str, tuple[Any, list[Any]]] = {
    "boolean": (pandas.Series([True, False] * 10, dtype="boolean"), [False, True]),
    "bool[pyarrow]": (pandas.Series([True, False] * 10, dtype="bool[pyarrow]"), [False, True]),
    "category of bools": (pandas.Series([True, False] * 10, dtype="category"), [False, True]),
    "column of bools": (
        pandas.DataFrame({"y": [True, False] * 10}, dtype="boolean"),
        [False, True],
    ),
    "Int64": (pandas.Series([1, 0] * 10, dtype="Int64"), [0, 1]),
    "int64[pyarrow]": (pandas.Series([1, 0] * 10, dtype="int64[pyarrow]"), [0, 1]),
    "category of numbers": (pandas.Series([10, 9] * 10, dtype="category"), [9, 10]),
    "Float64": (pandas.Series([1, 0] * 10, dtype="Float64"), [0.0, 1.0]),
    "string[pyarrow]": (pandas.Series(["b", "a"] * 10, dtype="string[pyarrow]"), ["a", "b"]),
    "polars bools": (polars.Series([True, False] * 10), [False, True]),
    "polars numbers": (polars.Series([1, 0] * 10), [0, 1]),
    "polars categories": (polars.Series(["b", "a"] * 10, dtype=polars.Categorical), ["a", "b"]),
    "pyarrow bools": (pyarrow.chunked_array([[True, False] * 10]), [False, True]),
    "pyarrow numbers": (pyarrow.array([1, 0] * 10), [0, 1]),
    "pyarrow dictionary": (pyarrow.array(["b", "a"] * 10).dictionary_encode(), ["a", "b"]),
}


@pytest.mark.filterwarnings("ignore:A column-vector y")
@pytest.mark.parametrize(("labels", "classes"), LABELS_OF_FRAMES.values(), ids=LABELS_OF_FRAMES)
def test_labels_of_frames_keep_their_names_as_in_a_csv(
    labels: Any, classes: list[Any], tmp_path: Path
) -> None:
    rows = pandas.DataFrame({"x": np.arange(20.0)})
    classifier = quick().fit(rows, labels)
    assert classifier.classes_.tolist() == classes
    assert set(map(type, classifier.classes_.tolist())) == set(map(type, classes))
    plain = labels.to_pandas() if hasattr(labels, "to_pandas") else labels
    rows.assign(y=plain).to_csv(tmp_path / "rows.csv", index=False)
    model = minnet.train(tmp_path / "rows.csv", "y", networks=2, epochs=5)
    assert classifier.model_.class_names == model.class_names == tuple(map(str, classes))
    assert classifier.predict(rows).dtype == classifier.classes_.dtype


@pytest.mark.parametrize(
    "labels",
    [
        pandas.Series([True, None] * 10, dtype="boolean"),
        pandas.Series(["a", None] * 10, dtype="category"),
        pandas.Series([1, None] * 10, dtype="int64[pyarrow]"),
        pandas.Series(["a", None] * 10),
        polars.Series([1, None] * 10),
        pyarrow.array(["a", None] * 10),
        np.array(["a", 1] * 10, object),
    ],
    ids=lambda labels: f"{type(labels).__module__} {getattr(labels, 'dtype', '')}",
)
def test_labels_that_are_missing_or_of_several_types_are_refused(labels: Any) -> None:
    with pytest.raises(
        ValueError, match=r"y contains NaN|labels of several types, or missing ones"
    ):
        quick().fit(np.arange(20.0)[:, None], labels)


def test_labels_without_a_name_are_the_target() -> None:
    classifier = quick().fit(np.arange(20.0)[:, None], polars.Series(["a", "b"] * 10))
    assert classifier.model_.encoder.target == "target"


def test_fit_that_fails_leaves_the_classifier_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, labels = pandas.DataFrame({"x": np.arange(20.0)}), ["a", "b"] * 10
    classifier = quick().fit(frame, labels)
    expected = classifier.predict_proba(frame)
    before = vars(classifier).copy()

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    other = pandas.DataFrame({"u": ["q", "r"] * 10, "v": np.arange(20.0)})
    with pytest.raises(ValueError, match="only one class"):
        classifier.fit(other, [1] * 20)
    with pytest.raises(ValueError, match="different labels"):
        classifier.fit(other[:10], range(10))
    for failing in ("train", "evaluate"):
        with monkeypatch.context() as patched:
            patched.setattr(f"minnet.sklearn.{failing}", interrupt)
            with pytest.raises(KeyboardInterrupt):
                classifier.fit(other, ["c", "d"] * 10)
    assert vars(classifier) == before
    np.testing.assert_array_equal(classifier.predict_proba(frame), expected)
    assert classifier.fit(other, ["c", "d"] * 10).feature_names_in_.tolist() == ["u", "v"]


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"hidden_layer_sizes": 0}, "`hidden_layer_sizes` is 0: it must be a whole number"),
        ({"hidden_layer_sizes": "8"}, "`hidden_layer_sizes` is '8': it must be a whole number"),
        ({"learning_rate_init": "0.1"}, "`learning_rate_init` is '0.1': it must be a number"),
        ({"alpha": -1}, "`alpha` is -1: it must be a number of 0 or more"),
        ({"max_iter": 2.5}, "`max_iter` is 2.5: it must be a whole number of 1 or more"),
        ({"n_iter_no_change": 0}, "`n_iter_no_change` is 0: it must be a whole number"),
        ({"batch_size": "all"}, "`batch_size` is 'all': it must be a whole number"),
        ({"solver": "lbfgs"}, "`solver` is 'lbfgs': it must be 'adam' or 'sgd'"),
        ({"class_weight": "equal"}, "`class_weight` is 'equal': "),
        ({"class_weight": {"a": "x"}}, "`class_weight` is {'a': 'x'}: "),
        ({"class_weight": {"a": 0}}, "`class_weight` is 0: it must be a number above 0"),
        ({"n_networks": -1}, "`n_networks` is -1: it must be a whole number"),
        ({"random_state": "0"}, "`random_state` is '0': it must be a whole number"),
    ],
)
def test_parameter_is_refused_by_the_name_it_has_in_scikit_learn(
    parameters: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(says)}"):
        quick(**parameters).fit([[0.0], [1.0]] * 5, ["a", "b"] * 5)


def test_parameters_may_be_numbers_of_numpy() -> None:
    classifier = MinnetClassifier(
        hidden_layer_sizes=np.int64(4),
        learning_rate_init=np.float32(0.5),
        alpha=np.float32(0.25),
        max_iter=np.int64(2),
        n_networks=np.int64(2),
        batch_size=np.int64(8),
        random_state=np.int64(3),
    ).fit([[0.0], [1.0]] * 5, ["a", "b"] * 5)
    settings = pickle.loads(pickle.dumps(classifier)).model_.settings
    assert settings.hidden == (4,)
    assert (settings.learning_rate, settings.weight_decay, settings.seed) == (0.5, 0.25, 3)


@pytest.mark.parametrize(
    ("cells", "labels", "ends"),
    [
        ([*range(9)], [*"abcdefghi"], "nothing to learn from; choose a label column"),
        ([*map(str, range(79)), "n.a."], ["a", "b"] * 40, "leave the column out"),
        (pandas.to_timedelta(range(40), "h"), ["a", "b"] * 20, "leave the column out"),
    ],
    ids=["labels", "cell", "durations"],
)
def test_errors_name_no_option_that_the_classifier_lacks(
    cells: Any, labels: Any, ends: str
) -> None:
    with pytest.raises(ValueError, match=f"{ends}$"):
        quick().fit(pandas.DataFrame({"x": cells}), labels)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_classes_keep_the_type_of_the_labels(labels: list[Any]) -> None:
    y = np.repeat(np.array(labels), 20)
    X = np.repeat(np.arange(len(labels)), 20)[:, None] + np.linspace(0, 0.5, len(y))[:, None]
    classifier = MinnetClassifier(n_networks=3).fit(X, y)
    assert classifier.classes_.tolist() == sorted(labels)
    assert classifier.classes_.dtype == y.dtype
    assert classifier.score(X, y) > 0.9
    known = np.isfinite(classifier.oof_probabilities_).all(axis=1)
    judged = classifier.classes_[classifier.oof_probabilities_[known].argmax(axis=1)]
    assert (judged == y[known]).mean() == classifier.oof_score_ > 0.8
    members = classifier.member_probabilities(X)
    assert members.shape == (3, len(y), len(labels))
    np.testing.assert_allclose(members.mean(axis=0), classifier.predict_proba(X))
    predicted = classifier.predict_proba(X).argmax(axis=1)
    of_predicted = members[:, np.arange(len(y)), predicted]
    np.testing.assert_allclose(classifier.spread(X), np.ptp(of_predicted, axis=0))
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.predict(X), classifier.predict(X))


def test_scores_of_held_out_rows_are_those_of_evaluate(penguins: pandas.DataFrame) -> None:
    features, labels = penguins.drop(columns="species"), penguins["species"]
    classifier = MinnetClassifier(max_iter=30).fit(features, labels)
    scores = minnet.evaluate(classifier.model_, penguins)
    assert scores.out_of_fold
    assert classifier.oof_score_ == scores.accuracy
    np.testing.assert_array_equal(classifier.oof_probabilities_[scores.rows], scores.probabilities)
    assert np.isfinite(classifier.oof_probabilities_).all()
    assert classifier.oof_score_ == (
        (classifier.classes_[classifier.oof_probabilities_.argmax(axis=1)] == labels).mean()
    )


def test_rows_that_no_network_held_out_have_no_honest_prediction() -> None:
    frame = pandas.read_csv(IRIS)
    classifier = quick(n_networks=1).fit(frame.drop(columns="species"), frame["species"])
    known = np.isfinite(classifier.oof_probabilities_).all(axis=1)
    assert 20 <= known.sum() <= 40
    assert np.isnan(classifier.oof_probabilities_[~known]).all()


def test_loss_curves_are_means_over_the_networks() -> None:
    frame = pandas.read_csv(IRIS)
    classifier = quick(max_iter=7).fit(frame.drop(columns="species"), frame["species"])
    history = classifier.model_.history
    assert classifier.n_iter_ == len(classifier.loss_curve_) == 7
    np.testing.assert_allclose(classifier.loss_curve_, history.training_loss.mean(axis=1))
    np.testing.assert_allclose(classifier.validation_loss_curve_, history.holdout_loss.mean(axis=1))


def test_every_parameter_reaches_the_setting_that_it_is_named_for() -> None:
    frame = pandas.read_csv(IRIS)
    classifier = MinnetClassifier(
        hidden_layer_sizes=(np.int64(5), 4),
        learning_rate_init=0.02,
        alpha=0.1,
        max_iter=np.int64(3),
        n_iter_no_change=2,
        batch_size=16,
        solver="sgd",
        class_weight="balanced",
        n_networks=3,
        random_state=9,
    ).fit(frame.drop(columns="species"), frame["species"])
    assert classifier.model_.settings == minnet.TrainingSettings(
        hidden=(5, 4),
        learning_rate=0.02,
        weight_decay=0.1,
        epochs=3,
        patience=2,
        batch_size=16,
        optimizer="sgd",
        balanced=True,
        networks=3,
        seed=9,
    )


def test_parameters_have_the_recipe_as_their_defaults() -> None:
    frame = pandas.read_csv(IRIS)
    classifier = MinnetClassifier().fit(frame.drop(columns="species"), frame["species"])
    assert classifier.model_.settings == minnet.TrainingSettings()


def test_seed_may_come_from_a_generator() -> None:
    X, y = np.arange(20.0)[:, None], np.arange(20) % 2
    one, same = (quick(random_state=np.random.RandomState(4)).fit(X, y) for _ in range(2))
    assert one.model_.settings.seed == same.model_.settings.seed > 0
    assert quick(random_state=None).fit(X, y).model_.settings.seed >= 0


def test_class_weights_move_the_predictions() -> None:
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(200, 2)), np.array(["no", "yes"] * 100)
    for favourite in ("no", "yes"):
        classifier = quick(class_weight={favourite: 50.0}).fit(X, y)
        assert (classifier.predict(X) == favourite).mean() > 0.9
    with pytest.raises(ValueError, match="not in class_weight"):
        quick(class_weight={"maybe": 2.0}).fit(X, y)


@pytest.mark.parametrize(
    ("weights", "more", "expected"),
    [
        ({"c": 1.0}, {}, "no class 'c'"),
        ({"a": 0.0}, {}, "`class_weights` is 0: it must be a number above 0"),
        ({"a": 1.0}, {"balanced": True}, "`balanced` must be False"),
    ],
)
def test_train_refuses_class_weights_that_mean_nothing(
    weights: dict[str, float], more: dict[str, Any], expected: str
) -> None:
    with pytest.raises(SettingsError, match=expected):
        minnet.train({"x": range(8), "y": ["a", "b"] * 4}, "y", class_weights=weights, **more)


def test_class_weights_are_settings_of_the_model(tmp_path: Path) -> None:
    table = {"x": range(8), "y": ["a", "b"] * 4}
    model = minnet.train(table, "y", class_weights={"b": 3}, networks=2, epochs=2)
    assert model.settings.class_weights == (1.0, 3.0)
    minnet.save(model, tmp_path / "model.json")
    assert minnet.load(tmp_path / "model.json").settings == model.settings
    again = minnet.train(table, "y", networks=2, epochs=2)
    assert (again.network.values != model.network.values).any()
    minnet.save(again, tmp_path / "again.json")
    assert '"class_weights": null' in (tmp_path / "again.json").read_text()


def test_columns_are_checked_by_name() -> None:
    frame = pandas.read_csv(IRIS)
    features = frame.drop(columns="species")
    classifier = quick().fit(features, frame["species"])
    with pytest.raises(ValueError, match="feature names should match"):
        classifier.predict(features.rename(columns={"petal_width": "width"}))
    with pytest.raises(ValueError, match="same order"):
        classifier.predict(features[features.columns[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        by_position = classifier.predict_proba(features.to_numpy())
    np.testing.assert_array_equal(by_position, classifier.predict_proba(features))


def test_column_of_the_labels_name_does_not_collide_with_theirs() -> None:
    frame = pandas.DataFrame({"target": [0.0, 1] * 10, "y": [1.0, 2] * 10})
    assert quick().fit(frame, [0, 1] * 10).model_.encoder.target == "target_"
    labels = pandas.Series([0, 1] * 10, name="y")
    assert quick().fit(frame, labels).model_.encoder.target == "y_"


def test_unfitted_classifier_says_so() -> None:
    for method in ("predict", "predict_proba", "member_probabilities", "spread"):
        with pytest.raises(NotFittedError):
            getattr(MinnetClassifier(), method)([[1.0]])


def test_frame_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="0 sample"):
        quick().fit(pandas.DataFrame({"x": []}), [])


def test_durations_are_a_value_error_with_advice() -> None:
    frame = pandas.DataFrame({"time": pandas.to_timedelta(range(4), "h")})
    with pytest.raises(ValueError, match="hours, year, month"):
        quick().fit(frame, [0, 1, 0, 1])


def test_dates_of_a_frame_are_taken_as_they_are() -> None:
    frame = pandas.DataFrame({"day": pandas.date_range("2024-01-01", periods=60)})
    labels = frame["day"].dt.day_of_week >= 5
    classifier = quick(max_iter=60).fit(frame, labels)
    assert classifier.score(frame, labels) > 0.9


@pytest.mark.parametrize(
    "chosen", ["code", ["code"], [1], np.array([False, True]), [False, True]], ids=repr
)
def test_numbers_are_categories_where_that_is_asked_for(chosen: Any) -> None:
    frame = pandas.DataFrame({"size": [1.5, 2.5, 3.5, 4.5] * 9, "code": [7, 7, 3, 3] * 9})
    classifier = quick(categorical_features=chosen).fit(frame, [*"abab"] * 9)
    assert classifier.model_.encoder.features == ["size", "code = 3", "code = 7"]
    as_floats = classifier.predict_proba(frame.astype({"code": float}))
    np.testing.assert_array_equal(as_floats, classifier.predict_proba(frame))


def test_columns_of_an_array_are_categories_by_position() -> None:
    X = np.array([[1.5, 7.0], [2.5, 3.0]] * 9)
    classifier = quick(categorical_features=[1]).fit(X, [*"ab"] * 9)
    assert classifier.model_.encoder.features == ["x0", "x1 = 3.0", "x1 = 7.0"]
    for wrong in ([2], [True], "x2"):
        with pytest.raises(ValueError, match=r"categorical_features|no column 'x2'"):
            quick(categorical_features=wrong).fit(X, [*"ab"] * 9)


def test_classifier_works_in_the_tools_of_scikit_learn(penguins: pandas.DataFrame) -> None:
    features, labels = penguins.drop(columns="species"), penguins["species"]
    scores = cross_val_score(quick(max_iter=20), features, labels, cv=3, n_jobs=2)
    get_reusable_executor().shutdown(wait=True)
    assert scores.min() > 0.8
    search = GridSearchCV(quick(), {"hidden_layer_sizes": [4, (8,)], "alpha": [0.0, 0.1]}, cv=2)
    assert search.fit(features, labels).best_score_ > 0.6
    calibrated = CalibratedClassifierCV(quick(max_iter=20), cv=2).fit(features, labels)
    np.testing.assert_allclose(calibrated.predict_proba(features).sum(axis=1), 1)
    numbers = ["bill_length_mm", "bill_depth_mm"]
    transformer = make_column_transformer((StandardScaler(), numbers), remainder="passthrough")
    pipeline = make_pipeline(transformer, quick(max_iter=20)).set_output(transform="pandas")
    assert pipeline.fit(features, labels).score(features, labels) > 0.8
    copy = clone(pipeline)
    assert copy.get_params()["minnetclassifier__max_iter"] == 20


def test_pickle_holds_the_model_and_not_the_rows_it_saw_last() -> None:
    frame = pandas.read_csv(IRIS)
    features = frame.drop(columns="species")
    classifier = quick().fit(features, frame["species"])
    small = len(pickle.dumps(classifier))
    classifier.predict_proba(pandas.concat([features] * 50))
    assert len(pickle.dumps(classifier)) == small
    again = pickle.loads(pickle.dumps(classifier))
    expected = classifier.predict_proba(features)
    np.testing.assert_array_equal(again.predict_proba(features), expected)
    network = again.model_.network
    assert np.shares_memory(network.values, network.layers[-1].parameters[0].values)
    assert pickle.loads(pickle.dumps(MinnetClassifier(alpha=0.5))).alpha == 0.5


def test_verbose_prints_each_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = np.arange(20.0)[:, None], np.arange(20) % 2
    quick(max_iter=3, verbose=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(re.fullmatch(r"loss \d\.\d{4}, holdout loss \d\.\d{4}", line) for line in lines)
    quick().fit(X, y)
    assert capsys.readouterr().out == ""


def test_missing_scikit_learn_is_one_line_that_says_what_to_install() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import minnet.sklearn"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = ran.stderr.splitlines()[-1]
    assert last.startswith("minnet.errors.PackageError: minnet.sklearn needs the package scikit-le")
    assert last.endswith("pip install '.[sklearn]' in a clone of minnet")


def blobs(rows: int = 150) -> tuple[Any, Any, Any]:
    generator = np.random.default_rng(0)
    y = np.arange(rows) % 3
    x = generator.normal(size=(rows, 2)) + 1.5 * y[:, None]
    return x, y, generator.choice([0.5, 1, 3], rows)


def test_sample_weights_are_those_of_train() -> None:
    x, y, weights = blobs()
    weights[:10] = 0
    fitted = quick().fit(x, y, sample_weight=weights)
    columns = {"x0": x[:, 0], "x1": x[:, 1], "w": weights, "y": y.astype(str)}
    model = minnet.train(columns, "y", weights="w", networks=2, epochs=5)
    assert (model.network.values == fitted.model_.network.values).all()
    assert np.isnan(fitted.oof_probabilities_[:10]).all()
    assert fitted.oof_score_ == minnet.evaluate(model, columns).accuracy
    assert (quick().fit(x, y).model_.network.values != model.network.values).any()


def test_class_whose_rows_all_have_weight_0_is_no_class() -> None:
    x, y, weights = blobs()
    labels = np.array(["NA", "b", "c"])[y]
    fitted = quick().fit(x, labels, sample_weight=np.where(y == 1, 0, weights))
    assert fitted.classes_.tolist() == ["NA", "c"]
    assert fitted.predict_proba(x).shape == (150, 2)
    with pytest.raises(ValueError, match="only one class"):
        quick().fit(x, y, sample_weight=(y == 1) * 1.0)


def test_ensembles_and_calibration_of_scikit_learn_pass_weights_on() -> None:
    x, y, weights = blobs()
    boosted = AdaBoostClassifier(quick(), n_estimators=2).fit(x, y, sample_weight=weights)
    assert boosted.score(x, y) > 0.6
    calibrated = CalibratedClassifierCV(quick(), cv=2)
    assert calibrated.fit(x, y, sample_weight=weights).score(x, y) > 0.6
    with sklearn.config_context(enable_metadata_routing=True):
        routed = make_pipeline(StandardScaler(), quick().set_fit_request(sample_weight=True))
        routed[0].set_fit_request(sample_weight=False)
        seen = routed.fit(x, y, sample_weight=weights)[-1].model_
    alone = quick().fit(StandardScaler().fit_transform(x), y, sample_weight=weights).model_
    assert (seen.network.values == alone.network.values).all()


def test_name_of_the_target_decides_nothing() -> None:
    x, y, _ = blobs()
    models = [
        quick().fit(x, labels).model_
        for labels in (y, y.tolist(), pandas.Series(y, name="kind"), pandas.Series(y))
    ]
    first, *others = ((model.network.values, model.folds.entries) for model in models)
    for other in others:
        for one, another in zip(first, other, strict=True):
            assert np.array_equal(one, another)


def test_thresholds_of_scikit_learn_go_with_it() -> None:
    x, y, _ = blobs()
    labels = y > 1
    fixed = FixedThresholdClassifier(quick(), threshold=0.1).fit(x, labels)
    assert (fixed.predict(x) == (fixed.estimator_.predict_proba(x)[:, 1] >= 0.1)).all()
    tuned = TunedThresholdClassifierCV(quick(), cv=2).fit(x, labels)
    assert balanced_accuracy_score(labels, tuned.predict(x)) > 0.6


def test_groups_are_kept_in_one_fold_as_by_train() -> None:
    x, y, _ = blobs()
    groups = np.repeat([*"abcdefghij"], 15)
    fitted = quick().fit(x, y, groups=groups)
    columns = {"x0": x[:, 0], "x1": x[:, 1], "group": groups, "y": y.astype(str)}
    model = minnet.train(columns, "y", group="group", networks=2, epochs=5)
    assert (model.network.values == fitted.model_.network.values).all()
    assert fitted.model_.folds.groups is not None


def test_bins_loss_and_patience_are_settings() -> None:
    x, y, _ = blobs()
    fitted = quick(bins=3, loss="squared-residuals", n_iter_no_change=np.inf, max_iter=7).fit(x, y)
    settings = fitted.model_.settings
    assert (settings.bins, settings.loss, settings.patience) == (3, "squared-residuals", 7)
    assert fitted.n_iter_ == 7
    assert fitted.loss_ == fitted.loss_curve_[-1]
    assert fitted.best_loss_ == fitted.model_.history.kept_losses.mean()


def test_logarithms_of_probabilities_are_finite() -> None:
    x, y, _ = blobs()
    fitted = quick().fit(x, y)
    expected = np.log(fitted.predict_proba(x))
    np.testing.assert_allclose(fitted.predict_log_proba(x), expected)
    assert np.isfinite(fitted.predict_log_proba(x * 1e300)).all()


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_training_that_still_improved_warns() -> None:
    x, y, _ = blobs()
    with pytest.warns(ConvergenceWarning, match="max_iter=5 epochs .* still improving"):
        quick().fit(x, y)
    quick(max_iter=200, n_iter_no_change=3).fit(x, y)


@pytest.mark.filterwarnings("default::minnet.errors.CautionWarning")
def test_rows_that_deserve_caution_warn_once() -> None:
    x, y, _ = blobs()
    fitted = quick().fit(x, y)
    with pytest.warns(CautionWarning, match="some rows deserve caution") as told:
        fitted.predict_proba(x * 100)
    assert [one.filename for one in told] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.predict_proba(x)


def test_sparse_arrays_are_made_dense_while_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, _ = blobs()
    x[x < 1] = 0
    dense = quick().fit(x, y)
    for kind in (scipy.sparse.csr_array, scipy.sparse.coo_matrix):
        fitted = quick().fit(kind(x), y)
        assert (fitted.model_.network.values == dense.model_.network.values).all()
        assert (fitted.predict_proba(kind(x)) == dense.predict_proba(x)).all()
    monkeypatch.setattr("minnet.sklearn.total_memory", lambda: 4000)
    with pytest.raises(ValueError, match="150 rows and 2 columns is too large to be made dense"):
        quick().fit(scipy.sparse.csr_array(x), y)


def test_it_cannot_go_on_from_where_it_was() -> None:
    assert not hasattr(MinnetClassifier(), "partial_fit")
    assert not hasattr(MinnetClassifier(), "warm_start")
