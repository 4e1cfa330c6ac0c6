"""Dates as people write them: parts of them are features, and predict reads them as training did."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cells_support import DATE, Case
from predict_support import Predictor, as_parquet, rows_of
from predict_support import predicted as predicted

from steelyard.api.errors import DataError


def test_iso_dates_become_parts_and_predict_does_the_same(tmp_path: Path, predicted: Predictor) -> None:
    case = Case(tmp_path, DATE)
    assert case.prepared.columns == (("date", "Date"),)
    names = case.prepared.preprocessing.feature_names
    assert names == [f"date.{part}" for part in ("year", "month", "day", "weekday", "dayOfYear", "seconds")]
    assert case.score("r2") > 0.9
    rows = rows_of(DATE, "t.csv")
    assert predicted(case.folder, rows).score < 1
    in_parquet = as_parquet(rows.assign(date=pd.to_datetime(rows["date"])))
    assert predicted(case.folder, in_parquet).predictions == predicted(case.folder, rows).predictions


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("%d.%m.%Y", {"dates": {"date": "%d.%m.%Y"}}),
        ("%Y%m%d", {"dates": {"date": "%Y%m%d"}}),
        ("%Y-%m-%dT00:00:00Z", {}),
        ("%Y-%m-%d 00:00", {"dates": {"date": "ISO8601"}}),
    ],
)
def test_dates_of_other_forms(tmp_path: Path, predicted: Predictor, form: str, said: dict[str, Any]) -> None:
    rows = rows_of(DATE, "t.csv")
    frame = rows.assign(date=pd.to_datetime(rows["date"]).dt.strftime(form))
    case = Case(tmp_path, DATE, frame, **said)
    assert case.score("r2") > 0.9
    assert predicted(case.folder, frame).score < 1


@pytest.mark.parametrize("kind", ["date32", "timestamp", "tz", "text"])
def test_dates_of_parquet(tmp_path: Path, predicted: Predictor, kind: str) -> None:
    rows = rows_of(DATE, "t.csv")
    moments = pd.to_datetime(rows["date"])
    dates = {
        "date32": lambda: pa.array(moments.dt.date),
        "timestamp": lambda: pa.array(moments),
        "tz": lambda: pa.array(moments.dt.tz_localize("UTC")),
        "text": lambda: pa.array(rows["date"], pa.string()),
    }[kind]()
    table = pa.table({"date": dates, "y": rows["y"].astype(float)})
    pq.write_table(table, tmp_path / "own.parquet")
    case = Case(tmp_path, DATE, tmp_path / "own.parquet")
    assert case.score("r2") > 0.9
    # A CSV file of the same days, and the file itself.
    expected = predicted(case.folder, rows).predictions
    assert predicted(case.folder, (tmp_path / "own.parquet").read_bytes()).predictions == expected


def test_times_and_durations_of_parquet(tmp_path: Path, predicted: Predictor) -> None:
    minutes = np.arange(400) * 3
    table = pa.table(
        {
            "at": pa.array(minutes * 60_000_000, pa.time64("us")),
            "took": pa.array(minutes * 1000, pa.duration("ms")),
            "y": np.abs(minutes - 700.0),
        }
    )
    pq.write_table(table, tmp_path / "own.parquet")
    case = Case(tmp_path, DATE, tmp_path / "own.parquet")
    assert case.prepared.preprocessing.feature_names == ["at.hour", "at.seconds", "took"]
    assert case.score("r2") > 0.9
    assert predicted(case.folder, (tmp_path / "own.parquet").read_bytes()).score < 60


def test_gaps_among_dates_are_filled(tmp_path: Path, predicted: Predictor) -> None:
    rows = rows_of(DATE, "t.csv")
    frame = rows.assign(date=["" if row % 9 == 0 else cell for row, cell in enumerate(rows["date"])])
    for strategy, fill in (
        ({"strategy": "Median"}, None),
        ({"strategy": "Constant", "text": "2020-05-01"}, 1588291200.0),
    ):
        shutil.rmtree(tmp_path / "workspace", ignore_errors=True)
        case = Case(tmp_path, DATE, frame, missingValues={"value": 0.0, **strategy} if fill else strategy)
        column = case.prepared.preprocessing.columns[0]
        assert fill in (None, column.fill)
    case.score("r2")
    assert "56" in predicted(case.folder, frame).err


def test_a_cell_that_is_no_date_is_named(tmp_path: Path) -> None:
    rows = rows_of(DATE, "t.csv")
    frame = rows.assign(date=["soon" if row == 7 else cell for row, cell in enumerate(rows["date"])])
    with pytest.raises(DataError, match=r"row 8 \(line 9\), column 'date': 'soon' is not a date of the form ISO8601"):
        Case(tmp_path, DATE, frame)


def test_dates_of_no_known_form_are_words_and_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(DATE, "t.csv")
    Case(tmp_path, DATE, rows.assign(date=pd.to_datetime(rows["date"]).dt.strftime("%d.%m.%Y")))
    assert "dates: {date: '%d.%m.%Y'}" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_date_as_the_target_is_refused(tmp_path: Path, kind: str) -> None:
    days = pd.date_range("2024-01-01", periods=60)
    frame = pd.DataFrame({"x": range(60), "y": days})
    table = tmp_path / f"own.{kind}"
    frame.to_csv(table, index=False) if kind == "csv" else frame.to_parquet(table, index=False)
    with pytest.raises(DataError, match=r"the target 'y'.* holds .*a date.* can't be predicted as it is"):
        Case(tmp_path, DATE, table)
