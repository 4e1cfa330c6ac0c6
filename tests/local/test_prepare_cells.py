"""How the stage prepare reads what `dataset.csv`, `missingMarkers`, `numbers`, `dates` and `categories` say."""

import gzip
import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prepare_support import context, labelled_rows, prepared, write_csv

from steelyard.api.errors import ConfigurationError, DataError, SteelyardError
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.data.prepare import prepare
from steelyard_trainer.data.reading import PreparedDataset

HEADER = ["a", "b", "target"]


def cells(dataset: PreparedDataset) -> dict[int, dict[str, Any]]:
    """The prepared rows by their number in the source."""
    found = {}
    for split in ("train", "validation", "test"):
        raw, rows = dataset.read_raw(split), dataset.read(split).rows
        for place, row in enumerate(rows.tolist()):
            found[row] = {name: column[place] for name, column in raw.items()}
    return dict(sorted(found.items()))


def fails(folder: Path, dataset: dict[str, Any], *needles: str, kind: type = DataError, **spec: Any) -> None:
    shutil.rmtree(folder / "workspace", ignore_errors=True)
    with pytest.raises(SteelyardError) as failure:
        prepare(context(folder, dataset, **spec))
    assert isinstance(failure.value, kind), failure.value
    assert all(needle in failure.value.message for needle in needles), failure.value.message


# --- dataset.csv ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1", "Windows-1252", "MacRoman"])
@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_encodings(tmp_path: Path, encoding: str, ending: str) -> None:
    text = "größe,target\n" + "".join(f"{'süß' if row % 2 else 'herb'},{row % 2}\n" for row in range(60))
    content = text.encode(encoding)
    (tmp_path / f"t.{ending}").write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    dataset = prepared(tmp_path, {"uri": f"t.{ending}", "csv": {"encoding": encoding}})
    assert dataset.preprocessing.feature_names == ["größe=herb", "größe=süß"]
    assert dataset.preprocessing.csv is not None and dataset.preprocessing.csv.encoding == encoding


def test_bytes_that_are_no_text_in_the_encoding_are_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,target\n1,x\n2,\x98\n")
    fails(tmp_path, {"uri": "t.csv", "csv": {"encoding": "Windows-1251"}}, "not text in Windows-1251")
    fails(tmp_path, {"uri": "t.csv"}, "line 3", "dataset.csv.encoding")


def test_bytes_that_are_no_text_far_down_are_told(tmp_path: Path) -> None:
    lines = b"".join(b"%d,%d\n" % (row, row % 2) for row in range(20_000))
    (tmp_path / "t.csv").write_bytes(b"a,target\n" + lines + b"2,\x98\n")
    fails(tmp_path, {"uri": "t.csv", "csv": {"encoding": "Windows-1251"}}, "not text in Windows-1251")


@pytest.mark.parametrize("delimiter", [";", "|", "\t", ":"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    write_csv(tmp_path / "comma.csv", HEADER, labelled_rows())
    (tmp_path / "t.csv").write_text((tmp_path / "comma.csv").read_text().replace(",", delimiter))
    dataset = prepared(tmp_path, {"uri": "t.csv", "csv": {"delimiter": delimiter}})
    assert [cell["a"] for cell in cells(dataset).values()] == [row[0] for row in labelled_rows()]
    fails(tmp_path, {"uri": "t.csv", "csv": {"comment": "#"}}, "no column 'target'")


def test_lines_above_the_header_and_comments_are_not_read(tmp_path: Path) -> None:
    rows = "".join(f"{row},{row % 2}\n# note, {row}\n" for row in range(9000))
    (tmp_path / "t.csv").write_text(f"A report\n\nx,target\n{rows}")
    said = {"uri": "t.csv", "csv": {"headerRow": 3, "comment": "#"}}
    assert [cell["x"] for cell in cells(prepared(tmp_path, said)).values()] == list(range(9000))
    (tmp_path / "t.csv").write_text(f"A report\n\nx,target\n{rows}oops,1\n")
    # Row and line are those of the file.
    fails(tmp_path, said, "row 9,001 (line 18,004), column 'x': 'oops' is not a number")


def test_a_table_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("".join(f"{row}.5,{'no' if row % 2 else 'yes'}\n" for row in range(60)))
    dataset = prepared(tmp_path, {"uri": "t.csv", "target": "column2", "csv": {"headerRow": 0}})
    assert dataset.columns == (("column1", "Number"),)
    assert cells(dataset)[0] == {"column1": 0.5, "column2": "yes"}


@pytest.mark.parametrize("late", [False, True])
def test_decimal_commas_of_a_whole_file(tmp_path: Path, late: bool) -> None:
    numbers = [float(row) if late and row < 7000 else row + 0.25 for row in range(9000)]
    rows = "".join(f"{number:g}".replace(".", ",") + f";{row % 2}\n" for row, number in enumerate(numbers))
    (tmp_path / "t.csv").write_text(f"x;target\n{rows}")
    dataset = prepared(tmp_path, {"uri": "t.csv", "csv": {"delimiter": ";", "decimal": ","}})
    assert [cell["x"] for cell in cells(dataset).values()] == numbers
    (column,) = dataset.preprocessing.columns
    assert column.transform(["1,5"], scaled=False).tolist() == [[1.5]]  # type: ignore[call-arg]


def test_a_decimal_comma_in_the_target(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x;target\n" + "".join(f"{row};{row},5\n" for row in range(60)))
    dataset = prepared(tmp_path, {"uri": "t.csv", "csv": {"delimiter": ";", "decimal": ","}})
    assert (dataset.task, cells(dataset)[3]["target"]) == ("Regression", 3.5)
    assert dataset.preprocessing.target_cells(["1,5"]) == [1.5]


def test_a_target_of_numbers_in_other_clothes_is_no_class(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", ["x", "target"], [[row, f"{row * 1000:,}"] for row in range(60)])
    fails(
        tmp_path,
        {"uri": "t.csv"},
        "column 'target'",
        "numbers: {target: {thousands: ','}}",
        "spec.task: Classification",
    )
    shutil.rmtree(tmp_path / "workspace")
    dataset = prepared(tmp_path, {"uri": "t.csv", "numbers": {"target": {"thousands": ","}}})
    assert (dataset.task, cells(dataset)[3]["target"]) == ("Regression", 3000)


# --- gaps -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", ["", " ", "     ", "\t", "\u00a0", " NA  "])
@pytest.mark.parametrize("is_late", [False, True])
def test_blanks_alone_are_missing_in_columns_of_numbers(tmp_path: Path, gap: str, is_late: bool) -> None:
    rows = [[row + 0.5, row % 2] for row in range(9000)]
    rows[8000 if is_late else 10][0] = gap  # type: ignore[call-overload]
    write_csv(tmp_path / "t.csv", ["x", "target"], rows)
    dataset = prepared(tmp_path, {"uri": "t.csv", "missingValues": {"strategy": "Mean"}})
    assert (dataset.columns, dataset.findings["missing"]) == ((("x", "Number"),), {"x": 1})


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_markers_are_gaps_in_columns_of_every_kind(tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame(
        {
            "number": [-999, *range(1, 60)],
            "word": ["-999", *["a", "b"] * 29, "a"],
            "day": ["-999", *[f"2024-01-{1 + row % 28:02}" for row in range(59)]],
            "target": ["x", "y"] * 30,
        }
    )
    file = tmp_path / f"t.{kind}"
    frame.to_csv(file, index=False) if kind == "csv" else frame.to_parquet(file, index=False)
    said = {"uri": file.name, "missingMarkers": ["-999"], "missingValues": {"strategy": "Median"}}
    dataset = prepared(tmp_path, said)
    assert dict(dataset.columns) == {"number": "Number", "word": "Category", "day": "Date"}
    assert dataset.findings["missing"] == {"number": 1, "word": 1, "day": 1}
    assert cells(dataset)[0] == {"number": None, "word": None, "day": None, "target": "x"}


# --- columns ----------------------------------------------------------------------------------------------------------


def test_the_most_frequent_words_of_the_training_part_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["a"] * 300 + ["b"] * 200 + [f"rare{row}" for row in range(1500)]
    write_csv(tmp_path / "t.csv", ["w", "target"], [[word, row % 2] for row, word in enumerate(words)])
    dataset = prepared(tmp_path, {"uri": "t.csv", "categories": {"max": 2}})
    (column,) = dataset.preprocessing.columns
    assert column.words == ("a", "b", "other")  # type: ignore[union-attr]
    train = dataset.read("train")
    is_rare = np.array([row >= 500 for row in train.rows])
    np.testing.assert_array_equal(train.features[:, 2], is_rare)
    assert dataset.findings["otherCells"] == {"w": int(is_rare.sum())}
    assert "more than 2 different words" in capsys.readouterr().out
    assert Preprocessing.from_json(json.loads(json.dumps(dataset.preprocessing.to_json()))) == dataset.preprocessing


def test_a_thousand_words_and_one_more(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", ["w", "target"], [[f"w{row % 1100}", row % 2] for row in range(4000)])
    assert prepared(tmp_path, {"uri": "t.csv"}).preprocessing.width == 1001


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_whole_numbers_that_float64_does_not_hold(tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame({"id": [2**53 + 1 + row for row in range(60)], "x": [1e20, 1.5] * 30, "target": [0, 1] * 30})
    file = tmp_path / f"t.{kind}"
    frame.to_csv(file, index=False) if kind == "csv" else frame.to_parquet(file, index=False)
    fails(tmp_path, {"uri": file.name}, "column 'id' holds whole numbers above 2^53", "dataset.exclude")
    # A measured number may be large.
    assert dict(prepared(tmp_path, {"uri": file.name, "exclude": ["id"]}).columns) == {"x": "Number"}


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([1, 2] * 30, pa.int8()),
        pa.array([1.0, 2.0] * 30, pa.float32()),
        pa.array(["1", "2.0"] * 30, pa.large_string()),
        pa.array(["1", "2"] * 30).dictionary_encode(),
        pa.array([1, 2] * 30).dictionary_encode(),
        pa.array([1, 2] * 30).cast(pa.decimal128(21, 2)),
    ],
    ids=str,
)
def test_a_category_of_any_parquet_type_has_the_words_of_a_csv_file(tmp_path: Path, cells: pa.Array) -> None:
    pq.write_table(pa.table({"code": cells, "target": ["x", "y"] * 30}), tmp_path / "t.parquet")
    dataset = prepared(tmp_path, {"uri": "t.parquet", "categorical": ["code"]})
    assert dataset.preprocessing.feature_names == ["code=1", "code=2"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_dates_that_stand_for_never(tmp_path: Path, kind: str) -> None:
    ends = [date(9999, 12, 31), date(1, 1, 1), date(2024, 2, 29)] * 20
    frame = pd.DataFrame({"until": ends, "target": [0, 1] * 30})
    frame.to_csv(tmp_path / "t.csv", index=False) if kind == "csv" else frame.to_parquet(tmp_path / "t.parquet")
    dataset = prepared(tmp_path, {"uri": f"t.{kind}"})
    assert dataset.columns == (("until", "Date"),)
    assert [cells(dataset)[row]["until"].year for row in range(3)] == [9999, 1, 2024]


@pytest.mark.parametrize(
    "until",
    [
        pa.array([2_932_897, 0, 5] * 20, pa.date32()),
        pa.array([-719_163 * 86_400_000, 0, 5] * 20, pa.date64()),
        pa.array([2_932_897 * 86_400, 0, 5] * 20, pa.timestamp("s")),
        pa.array([-(2**62), 0, None] * 20, pa.timestamp("us", "UTC")),
    ],
    ids=lambda cells: str(cells.type),
)
def test_dates_outside_of_the_calendar(tmp_path: Path, until: pa.Array) -> None:
    pq.write_table(pa.table({"until": until, "target": [0, 1] * 30}), tmp_path / "t.parquet")
    fails(tmp_path, {"uri": "t.parquet"}, "column 'until' holds a date outside the years 1 to 9999", "dataset.exclude")


@pytest.mark.parametrize("cell", [float("inf"), -float("inf")])
def test_a_target_without_end_in_parquet(tmp_path: Path, cell: float) -> None:
    target = [row + 0.5 if row != 7 else cell for row in range(60)]
    pq.write_table(pa.table({"x": list(range(60)), "target": target}), tmp_path / "t.parquet")
    fails(tmp_path, {"uri": "t.parquet"}, "row 8", "'target'", "inf")


def test_text_of_numbers_in_parquet_is_read_as_in_csv(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [f"{row}.5" for row in range(60)], "target": [0, 1] * 30}), tmp_path / "t.parquet")
    dataset = prepared(tmp_path, {"uri": "t.parquet"})
    assert (dataset.columns, cells(dataset)[1]["x"]) == ((("x", "Number"),), 1.5)


def test_a_feature_that_equals_the_target_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [[row % 3, f"{row % 3}.0", "x" if row else "y", row % 3] for row in range(90)]
    write_csv(tmp_path / "t.csv", ["copy", "again", "not", "target"], rows)
    assert prepared(tmp_path, {"uri": "t.csv"}).findings["featuresEqualToTarget"] == ["again", "copy"]
    assert "the feature 'copy' equals the target 'target' in every row" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("dataset", "kind", "needles"),
    [
        ({"numbers": {"c": {}}}, ConfigurationError, ["spec.dataset.numbers.c", "no column 'c'"]),
        ({"dates": {"c": "ISO8601"}}, ConfigurationError, ["spec.dataset.dates.c", "no column 'c'"]),
        ({"numbers": {"w": {}}}, DataError, ["row 1 (line 2), column 'w': 'u' is not a number"]),
        ({"dates": {"w": "%Y"}}, DataError, ["row 1 (line 2), column 'w': 'u' is not a date of the form %Y"]),
    ],
)
def test_what_the_manifest_says_of_columns_must_fit(
    tmp_path: Path, dataset: dict[str, Any], kind: type, needles: list[str]
) -> None:
    write_csv(tmp_path / "t.csv", ["w", "x", "target"], [["u", row, row % 2] for row in range(60)])
    fails(tmp_path, {"uri": "t.csv", **dataset}, *needles, kind=kind)


def test_numbers_of_a_column_that_is_no_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": range(60), "target": [0, 1] * 30}), tmp_path / "t.parquet")
    fails(tmp_path, {"uri": "t.parquet", "numbers": {"x": {}}}, "holds int64, no text", kind=ConfigurationError)


def test_a_plain_style_makes_numbers_of_codes(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", ["x", "target"], [[f"{row:03}", row % 2] for row in range(60)])
    assert prepared(tmp_path, {"uri": "t.csv"}).columns == (("x", "Category"),)
    shutil.rmtree(tmp_path / "workspace")
    dataset = prepared(tmp_path, {"uri": "t.csv", "numbers": {"x": {}}})
    assert (dataset.columns, cells(dataset)[7]["x"]) == ((("x", "Number"),), 7)
