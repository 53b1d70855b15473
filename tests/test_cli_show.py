from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tests.helpers import IRIS

if TYPE_CHECKING:
    from tests.helpers import Run


def test_show_tells_columns_classes_layers_settings_and_scores(with_iris_model: Run) -> None:
    out = with_iris_model("show").out
    assert "trained on iris.csv to predict 'species'" in out
    assert "petal_width   numeric, 0.1 to 2.5, median 1.3" in out
    assert "versicolor  50 rows" in out
    assert "8 networks of 259 parameters" in out
    assert "features 4 -> 32 -> 3 classes" in out
    assert "weight decay" in out
    assert "kept epoch" in out


def test_one_network_has_no_range_of_scores(run: Run) -> None:
    run("train", IRIS, "--networks", 1, "--epochs", 2, "-q")
    assert re.search(r"\n  loss \d\.\d{3}\n  accuracy \d+\.\d %$", run("show").out.rstrip())


def test_json_show_is_one_object(with_iris_model: Run) -> None:
    document = json.loads(with_iris_model("show", "--json").out)
    assert document["classes"] == {"setosa": 50, "versicolor": 50, "virginica": 50}
    assert document["settings"]["hidden"] == [32]
    assert len(document["holdout_loss"]) == 8
