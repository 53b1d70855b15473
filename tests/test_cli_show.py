from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tests.helpers import IRIS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers import Run


def test_show_tells_columns_classes_layers_settings_and_scores(with_iris_model: Run) -> None:
    out = with_iris_model("show").out
    assert out.startswith("trained on iris.csv to predict 'species'\n\ncolumns\n")
    assert "petal_width   numeric, 0.1 to 2.5, median 1.3" in out
    assert "versicolor  50 rows" in out
    assert "8 networks of 1,283 parameters" in out
    assert "features 4 and 32 bins -> 32 -> 3 classes" in out
    assert "weight decay" in out
    assert "kept epoch" in out


def test_one_network_has_no_range_of_scores(run: Run) -> None:
    run("train", IRIS, "--networks", 1, "--epochs", 2, "-q")
    assert re.search(r"\n  loss \d\.\d{3}\n  accuracy \d+\.\d %$", run("show").out.rstrip())


def test_show_tells_how_the_table_was_read(run: Run, tmp_path: Path) -> None:
    rows = [f"{row},5;{'ab'[row % 2]}" for row in range(30)]
    (tmp_path / "data.csv").write_text("\n".join(["-999;a", *rows]) + "\n")
    options = ["--no-header", "--missing", "-999", "--decimal", ",", "--strip", "$."]
    run("train", "data.csv", *options, "--networks", 2, "--epochs", 2, "-q")
    told = "read with --no-header --missing -999 --decimal , --strip '$.'"
    assert told in run("show").out.splitlines()
    assert json.loads(run("show", "--json").out)["reading"] == {
        "has_header": False,
        "missing_words": ["-999"],
        "decimal": ",",
        "strip": "$.",
    }


def test_json_show_is_one_object(with_iris_model: Run) -> None:
    document = json.loads(with_iris_model("show", "--json").out)
    assert document["classes"] == {"setosa": 50, "versicolor": 50, "virginica": 50}
    assert document["settings"]["hidden"] == [32]
    assert len(document["holdout_loss"]) == 8
