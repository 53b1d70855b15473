from __future__ import annotations

import datetime
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minnet
from minnet.analysis.importance import importance
from minnet.cli.predict import ask
from minnet.data.columns import CategoricalColumn, DateColumn, merge, summarize
from minnet.data.dates import DERIVED, ON_NO_DAY, moment
from minnet.data.encoding import Encoder
from minnet.data.table import as_table
from minnet.errors import DataError, ModelError
from minnet.model.document import from_bytes, to_bytes
from minnet.pages import page_document
from minnet.report import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from minnet.model.model import Model
    from tests.helpers import Run

QUICK: dict[str, Any] = {"networks": 2, "epochs": 3}
START = datetime.datetime(2024, 1, 1)


def columns_of(
    rows: int, is_yes: Callable[[datetime.datetime], bool], seed: int = 0
) -> dict[str, Any]:
    """Moments of 2024 and a number that says nothing; the label depends on the moment."""
    random = np.random.default_rng(seed)
    minutes = random.integers(0, 366 * 24 * 60, rows).tolist()
    when = [START + datetime.timedelta(minutes=minute) for minute in minutes]
    labels = ["yes" if is_yes(one) else "no" for one in when]
    return {"x": random.normal(size=rows).tolist(), "when": [*map(str, when)], "y": labels}


def is_evening(when: datetime.datetime) -> bool:
    return 17 <= when.hour < 22


def is_saturday(when: datetime.datetime) -> bool:
    return when.weekday() == 5


def described(cells: Sequence[str]) -> Any:
    return summarize(as_table({"when": [*cells]}))["when"].describe()


def shown(column: Any) -> dict[str, str]:
    assert isinstance(column, DateColumn)
    return {one.name: " ".join(one.categories) for one in column.derived}


@pytest.fixture(scope="module")
def evenings() -> tuple[Model, dict[str, Any]]:
    data = columns_of(600, is_evening)
    return minnet.train(data, "y"), data


def test_label_that_depends_on_the_hour_is_learned(evenings: tuple[Model, dict[str, Any]]) -> None:
    model, data = evenings
    assert max(Counter(data["y"]).values()) / 600 < 0.82
    assert minnet.evaluate(model, data).accuracy > 0.97
    assert minnet.evaluate(model, columns_of(2000, is_evening, seed=1)).accuracy > 0.97


def test_label_that_depends_on_the_weekday_is_learned() -> None:
    data = columns_of(500, is_saturday)
    data["when"] = [when[:10] for when in data["when"]]
    assert max(Counter(data["y"]).values()) / 500 < 0.88
    assert minnet.evaluate(minnet.train(data, "y"), data).accuracy > 0.97


@pytest.mark.parametrize(
    ("cells", "derived"),
    [
        (
            ["2024-12-30", "2025-01-05", "2024-12-25", ""],
            {"when.month": "December January", "when.weekday": "Monday Wednesday Sunday"},
        ),
        (
            ["2024-03-04 00:00", "2024-03-04T00:00:00Z", "2024-W10-1"],
            {"when.month": "March", "when.weekday": "Monday"},
        ),
        (
            ["2024-03-31T23:30:00-02:00", "2024-04-01 01:59:59.123456789+0000"],
            {"when.month": "April", "when.weekday": "Monday", "when.hour": "1"},
        ),
        (
            ["2024-03-04", "2024-03-05 13:00", "20240306T14"],
            {
                "when.month": "March",
                "when.weekday": "Monday Tuesday Wednesday",
                "when.hour": "0 13 14",
            },
        ),
        (["23:10", "07:00:30", "23:59:59.5"], {"when.hour": "23 7"}),
    ],
    ids=["dates", "midnights", "zones", "some with times", "times of day"],
)
def test_column_of_iso_dates_or_times_becomes_what_comes_again(
    cells: list[str], derived: dict[str, str]
) -> None:
    column = described(cells)
    assert shown(column) == derived
    assert column.has_missing == ("" in cells)


@pytest.mark.parametrize(
    "cells",
    [
        ["03/04/2024", "05/04/2024"],
        ["2024-03-04", "soon"],
        ["2024-03-04", "20240305"],
        ["2024-03-04", "12:30"],
        ["2024-13-04", "2024-12-04"],
        ["10-12", "18-24"],
        ["00:12:30", "00:07:10"],
    ],
    ids=["ambiguous", "text", "a number", "both", "no such month", "ranges", "durations"],
)
def test_column_of_anything_else_stays_text(cells: list[str]) -> None:
    assert isinstance(described(cells), CategoricalColumn)


def test_whole_numbers_stay_numbers() -> None:
    assert described(["20240304", "20240305"]).maximum == 20240305


@given(
    st.datetimes(min_value=datetime.datetime(1, 1, 3), max_value=datetime.datetime(9999, 12, 29))
)
def test_what_is_derived_is_what_the_moment_has(when: datetime.datetime) -> None:
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    written = when.replace(tzinfo=datetime.UTC).astimezone(zone).isoformat()
    assert moment(written) == moment(str(when)) == when
    of_moment = {kind: names[place(when)] for kind, (names, place) in DERIVED.items()}
    assert of_moment["month"] == when.strftime("%B")
    assert of_moment["weekday"] == when.strftime("%A")
    assert of_moment["hour"] == str(when.hour)
    assert moment(when.time().isoformat(), ON_NO_DAY) == datetime.datetime.combine(
        datetime.date(1970, 1, 1), when.time()
    )


def frames_of(data: dict[str, Any]) -> dict[str, Any]:
    """The same table in other forms of its moments."""
    frame = pandas.DataFrame(data)
    moments = pandas.to_datetime(frame["when"])
    in_polars = polars.DataFrame(data).with_columns(polars.col("when").str.to_datetime())
    zoned = moments.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    return {
        "ISO with a T": data | {"when": [f"{when.replace(' ', 'T')}Z" for when in data["when"]]},
        "objects": data | {"when": moments.dt.to_pydatetime().tolist()},
        "numpy": data | {"when": moments.to_numpy()},
        "pandas": frame.assign(when=moments),
        "pandas with a zone": frame.assign(when=zoned),
        "pandas with arrow": frame.assign(when=moments.astype("timestamp[us][pyarrow]")),
        "polars": in_polars,
        "polars with a zone": in_polars.with_columns(
            polars.col("when").dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
        ),
        "pyarrow": in_polars.to_arrow(),
        "pyarrow with a zone": pyarrow.Table.from_pandas(frame.assign(when=zoned)),
    }


def test_frames_make_the_model_that_text_makes() -> None:
    data = columns_of(60, is_evening)
    model = minnet.train(data, "y", **QUICK)
    for name, frame in frames_of(data).items():
        other = minnet.train(frame, "y", **QUICK)
        assert to_bytes(other) == to_bytes(model), name
        assert minnet.evaluate(model, frame).known == minnet.evaluate(model, data).known, name


def test_times_of_day_of_frames_are_those_of_text() -> None:
    times = [datetime.time(12, 30), None, datetime.time(7)]
    expected = described(["12:30", "", "07:00:00"])
    for values in (times, polars.Series(times), pyarrow.array(times, pyarrow.time64("ns"))):
        assert summarize(as_table({"when": values}))["when"].describe() == expected


def test_parquet_makes_the_model_that_csv_makes(run: Run) -> None:
    frame = pandas.DataFrame(columns_of(60, is_evening))
    frame.to_csv("t.csv", index=False)
    frame.assign(when=pandas.to_datetime(frame["when"])).to_parquet("u.parquet")
    models = []
    for data in ("t.csv", "u.parquet"):
        assert run("train", data, "--networks", 2, "--epochs", 3).code == 0
        models.append(minnet.load("model.json"))
    assert models[0].encoder == models[1].encoder
    assert (models[0].network.values == models[1].network.values).all()
    lines = run("predict", "u.parquet").out.splitlines()
    assert lines[1].split(",")[1] == str(frame["when"][0])


def test_dates_are_judged_from_all_parts_of_a_table() -> None:
    def of_parts(*parts: list[str]) -> Any:
        tables = [as_table({"when": cells, "y": ["a"] * len(cells)}) for cells in parts]
        return merge([*map(summarize, tables)])["when"].describe()

    first, second, nothing = ["2024-03-04", "2024-03-05"], ["2024-04-04 12:00"], ["", ""]
    assert of_parts(first, second, nothing) == described(first + second + nothing)
    assert isinstance(of_parts(first, ["soon"]), CategoricalColumn)
    assert isinstance(of_parts(first, ["12:00"]), CategoricalColumn)


DATES = ["2024-03-04", "2024-05-05"]


def learned(cells: list[str]) -> Encoder:
    return Encoder.fit(as_table({"when": cells * 2, "y": [*"aabb"]}), "y")


@pytest.mark.parametrize(
    ("trained", "cell", "says"),
    [
        (DATES, "soon", "'soon' is not a date such as 2024-03-31"),
        (DATES, "13:00", "'13:00' is not a date such as 2024-03-31"),
        (["13:00", "14:00"], "2024-05-05", "'2024-05-05' is not a time such as 14:30"),
    ],
)
def test_late_text_names_its_line(trained: list[str], cell: str, says: str) -> None:
    encoder = learned(trained)
    with pytest.raises(DataError) as error:
        encoder.transform(encoder.table({"when": [trained[0], cell, trained[0]]}))
    assert str(error.value) == f"table:2: column 'when': {says}"


def test_numbers_where_training_had_dates_are_told() -> None:
    encoder = learned(DATES)
    table = as_table({"when": np.arange(5000.0)})
    with pytest.raises(DataError, match="column 'when' holds numbers: each must be a date"):
        encoder.transform(table)


def test_missing_dates_and_other_months_deserve_caution() -> None:
    encoder = learned(DATES)
    table = encoder.table({"when": ["2025-03-03", "2024-04-07", ""]})
    assert encoder.cautions(table) == [
        [],
        ["unseen category: when.month"],
        ["missing, but never missing in training: when.month, when.weekday"],
    ]
    assert encoder.transform(table).sum(axis=1).tolist() == [2, 1, 0]


def test_same_moments_written_otherwise_are_the_same_rows() -> None:
    one = as_table({"when": ["2024-03-04", "2024-03-05 01:00+01:00"]})
    other = as_table({"when": ["2024-03-04 00:00:00", "2024-03-05T00:00Z"]})
    encoder = learned(DATES)
    for keys, same in zip(encoder.keys(one), encoder.keys(other), strict=True):
        assert keys.tolist() == same.tolist()
    assert len(set(encoder.keys(one).exact.tolist())) == 2


def test_dates_stay_text_where_that_is_asked_for() -> None:
    data = {"when": DATES * 9, "y": ["a", "b"] * 9}
    model = minnet.train(data, "y", categorical="when", **QUICK)
    assert model.encoder.features == ["when = 2024-03-04", "when = 2024-05-05"]
    notes = Encoder.fit(as_table(data), "y", categorical=["when"])
    assert notes.columns == model.encoder.columns


def test_importance_moves_a_date_as_one_column(evenings: tuple[Model, dict[str, Any]]) -> None:
    model, data = evenings
    measured = importance(model, data, shuffles=3)
    assert measured.columns == ("when", "x")
    assert measured.matters.tolist() == [True, False]


def test_dates_have_a_line_in_show(evenings: tuple[Model, dict[str, Any]]) -> None:
    report = as_text(evenings[0].report())
    assert "\n  when  dates: 12 months, 7 weekdays, 24 hours\n" in report
    times = minnet.train({"at": ["08:15", "19:30"] * 9, "y": [*"ab"] * 9}, "y", **QUICK)
    assert "\n  at  times: 2 hours\n" in as_text(times.report())


def test_page_has_an_input_for_each_derived_column(evenings: tuple[Model, dict[str, Any]]) -> None:
    model, data = evenings
    document = page_document(model, as_table(data), rows=600)
    names = [(one["column"], one["name"]) for one in document["columns"]]
    derived = [("when", f"when.{kind}") for kind in DERIVED]
    assert names == [("x", "x"), *derived]
    features = [
        document["table"]["cells"][0],
        *(
            [float(cell == category) for cell in cells]
            for column, cells in zip(document["columns"], document["table"]["cells"], strict=True)
            for category in column.get("categories", ())
        ),
    ]
    np.testing.assert_array_equal(np.transpose(features), model.encoder.transform(as_table(data)))
    assert [one["column"] for one in document["importance"]] == ["when", "x"]


def test_model_file_keeps_dates_and_refuses_what_is_not_derived_of_them(
    evenings: tuple[Model, dict[str, Any]],
) -> None:
    model, data = evenings
    saved = to_bytes(model)
    loaded = from_bytes(saved, "m.json")
    assert loaded.encoder == model.encoder
    assert (loaded.probabilities(data) == model.probabilities(data)).all()
    for before, after in ((b'"when.hour"', b'"when.year"'), (b'"name": "when"', b'"name": "wann"')):
        lines = [line for line in saved.split(b"\n") if b'"checksum"' not in line]
        with pytest.raises(ModelError, match="has not the columns that are derived of dates"):
            from_bytes(b"\n".join(lines).replace(before, after), "m.json")


def test_name_that_is_derived_and_there_already_is_told() -> None:
    table = as_table({"d": ["2024-03-04"] * 4, "d.month": [1, 2, 3, 4], "y": [*"abab"]})
    with pytest.raises(ModelError, match="its column names are not all different"):
        Encoder.fit(table, "y")


def test_forecasts_have_one_note_and_dates_no_other(run: Run) -> None:
    lines = [
        f"2024-03-{i % 28 + 1:02},2024-03-04 {i % 24:02}:10,{'ab'[i % 2]}\n" for i in range(99)
    ]
    err = run("train", "-", "--epochs", 2, stdin="day,at,y\n" + "".join(lines)).err
    assert "99 rows, 2 date columns, target 'y'" in err
    assert [line for line in err.splitlines() if "'day'" in line] == [
        "note: dates in 'day' and 'at': rows are dealt to folds at random; to judge forecasts, "
        "evaluate on later rows"
    ]


def test_cell_that_keeps_a_column_from_being_dates_is_told(run: Run) -> None:
    lines = [f"2024-03-{i % 28 + 1:02},{'ab'[i % 2]}\n" for i in range(99)]
    err = run("train", "-", "--epochs", 2, stdin=f"day,y\n{''.join(lines)}soon,a\n").err
    assert (
        "note: column 'day' is read as categories: 'soon' is not a date; if it stands for a "
        "missing value: --missing soon\n"
    ) in err


def test_date_is_asked_for_until_it_is_one(
    evenings: tuple[Model, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cells = iter(["1.5", "today", "2024-03-31 14:30"])
    monkeypatch.setattr("click.prompt", lambda *_, **__: next(cells))
    table = ask(evenings[0])
    assert table["when"].spellings == ("2024-03-31 14:30",)
    said = "column 'when': 'today' is not a date such as 2024-03-31\n"
    assert capsys.readouterr().err == said
