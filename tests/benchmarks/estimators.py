"""scikit-learn's `cross_val_score` without options: log loss and time of three classifiers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._testing import ignore_warnings

from minnet.errors import CautionWarning
from minnet.sklearn import MinnetClassifier
from tests.benchmarks.measure import Row, compare

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = {"wine": load_wine, "breast_cancer": load_breast_cancer, "digits": load_digits}
MINNET = "MinnetClassifier"
CLASSIFIERS = {
    MINNET: MinnetClassifier(),
    "MLPClassifier": make_pipeline(StandardScaler(), MLPClassifier(random_state=0)),
    "HistGradientBoosting": HistGradientBoostingClassifier(random_state=0),
}
SMOKE = {
    "TABLES": {"wine": load_wine},
    "CLASSIFIERS": {
        MINNET: MinnetClassifier(max_iter=1),
        "MLPClassifier": MLPClassifier(max_iter=1),
        "HistGradientBoosting": HistGradientBoostingClassifier(max_iter=1),
    },
}


def rows() -> Iterator[Row]:
    """Five folds of tables that nothing was tuned on."""
    for table, load in TABLES.items():
        figures = {name: _measure(classifier, load) for name, classifier in CLASSIFIERS.items()}
        for peer in [name for name in CLASSIFIERS if name != MINNET]:
            for kind, unit in enumerate(("log loss", "s")):
                own, other = [figures[MINNET][kind]], [figures[peer][kind]]
                yield compare(f"cross_val_score: {table}", unit, own, peer, other)


@ignore_warnings(category=(ConvergenceWarning, CautionWarning))
def _measure(classifier: Any, load: Any) -> tuple[float, float]:
    """Log loss and CPU seconds of five folds."""
    features, labels = load(return_X_y=True)
    start = time.process_time()
    losses = cross_val_score(clone(classifier), features, labels, scoring="neg_log_loss")
    return -float(losses.mean()), time.process_time() - start
