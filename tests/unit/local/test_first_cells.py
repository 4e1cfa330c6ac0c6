"""What `validate` finds in a Parquet table's columns and first rows: what the stage prepare would refuse."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steelyard.api.dataset import Dataset
from steelyard.cells.messages import stray_word
from steelyard.contract.stages import ExitCode
from steelyard.local.source import Finding, source_findings

ROWS = 40
SIZES = [10.5 + row for row in range(ROWS)]
PRICES = [100.0 + row for row in range(ROWS)]


def findings_of(folder: Path, columns: dict[str, Any], **dataset: Any) -> list[Finding]:
    path = folder / "t.parquet"
    pq.write_table(pa.table(columns), path)
    spec = Dataset.model_validate({"uri": "t.parquet", "target": "price", **dataset})
    return source_findings(spec, path)


def told(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """(field, message without the file) of each."""
    assert all(".parquet" in finding.problem.message for finding in findings)
    return [
        (
            finding.problem.path.removeprefix("spec.dataset."),
            finding.problem.message.partition("t.parquet")[2].lstrip(", "),
        )
        for finding in findings
    ]


def with_gap(cells: Sequence[Any], row: int) -> list[Any]:
    return [None if place == row else cell for place, cell in enumerate(cells, 1)]


def test_a_good_table_of_every_type_is_not_complained_of(tmp_path: Path) -> None:
    day = datetime.date(2024, 2, 29)
    columns = {
        "price": PRICES,
        "size": SIZES,
        "rooms": [row % 5 for row in range(ROWS)],
        "place": ["Ulm", "Wien"] * (ROWS // 2),
        "kind": pa.array(["flat", "house"] * (ROWS // 2)).dictionary_encode(),
        "new": [True, False] * (ROWS // 2),
        "built": [day] * ROWS,
        "at": pa.array(range(ROWS), pa.timestamp("ns")),
        "took": pa.array(range(ROWS), pa.duration("ns")),
        "number": ["1.234,5"] * ROWS,
        "day": [20240229] * ROWS,
        "nested": [[1]] * ROWS,
        "code": ["NA"] * ROWS,
    }
    dataset = {
        "exclude": ["nested", "code"],
        "numbers": {"number": {"decimal": ",", "thousands": "."}},
        "dates": {"day": "%Y%m%d", "built": "%d.%m.%Y"},
    }
    assert findings_of(tmp_path, columns, **dataset) == []


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_gap_in_the_target_is_told_with_its_row(tmp_path: Path, missing: float | None) -> None:
    prices = [*PRICES[:6], missing, *PRICES[7:]]
    (finding,) = told(findings_of(tmp_path, {"price": prices, "size": SIZES}))
    assert finding[0] == "missingValues.target" and finding[1].startswith(
        "row 7: the target 'price' is missing; fill it in"
    )
    assert findings_of(tmp_path, {"price": prices, "size": SIZES}, missingValues={"target": "DropRow"}) == []


def test_a_marker_in_a_target_of_numbers_is_a_gap(tmp_path: Path) -> None:
    prices = [*PRICES[:6], -999.0, *PRICES[7:]]
    (finding,) = told(findings_of(tmp_path, {"price": prices, "size": SIZES}, missingMarkers=["-999"]))
    assert finding[1].startswith("row 7: the target 'price' is missing")


def test_gaps_are_told_where_they_are_to_fail(tmp_path: Path) -> None:
    columns = {
        "price": PRICES,
        "size": with_gap(SIZES, 3),
        "place": with_gap(["Ulm", "Wien"] * (ROWS // 2), 5),
        "at": with_gap([datetime.datetime(2024, 1, 1)] * ROWS, 9),
        "zone": [float("nan"), *SIZES[1:]],
    }
    ((field, message),) = told(findings_of(tmp_path, columns, missingValues={"strategy": "Fail"}, categorical=["zone"]))
    assert field == "missingValues.strategy"
    assert message.startswith(
        "cells are empty in 'size' (first in row 3), 'place' (first in row 5), 'at' (first in row 9), "
        "'zone' (first in row 1); fill them in"
    )
    assert findings_of(tmp_path, columns, missingValues={"strategy": "Mean"}) == []


def test_a_word_where_numbers_are_declared_is_told_as_prepare_does(tmp_path: Path) -> None:
    sizes = [*map(str, SIZES[:11]), "about 20", *map(str, SIZES[12:])]
    columns = {"price": PRICES, "size": sizes, "rooms": SIZES}
    (finding,) = told(findings_of(tmp_path, columns, numbers={"size": {}}))
    assert finding == ("missingMarkers", stray_word("row 12, column 'size'", "about 20", "a number", "").message)


def test_a_doubtful_column_of_text_is_told_with_the_lines_to_write(tmp_path: Path) -> None:
    (finding,) = told(findings_of(tmp_path, {"price": PRICES, "size": [f"{row},5" for row in range(ROWS)]}))
    assert finding[0] == "numbers" and "100% of its different values read as numbers" in finding[1]


@pytest.mark.parametrize(
    ("columns", "dataset", "field", "said", "code"),
    [
        ({"prise": PRICES}, {}, "target", "no column 'price'; did you mean 'prise'?", ExitCode.DATA),
        ({"price": PRICES}, {"exclude": ["id"]}, "exclude[0]", "no column 'id'", ExitCode.CONFIGURATION),
        ({"price": [datetime.date(2024, 1, 1)] * ROWS}, {}, "target", "can't be predicted as it is", ExitCode.DATA),
        ({"price": [[1]] * ROWS}, {}, "target", "list<element: int64>, which is no label and no number", ExitCode.DATA),
        ({"price": PRICES, "tags": [[1]] * ROWS}, {}, "exclude", "'tags' of", ExitCode.DATA),
        (
            {"price": PRICES},
            {"numbers": {"size": {"decimal": ","}}},
            "numbers.size",
            "holds double, no text; leave it out",
            ExitCode.CONFIGURATION,
        ),
        ({"price": PRICES, "": SIZES}, {}, "uri", "has no name for column 3 of 3", ExitCode.DATA),
    ],
)
def test_columns_that_can_not_be_used_are_told(
    tmp_path: Path, columns: dict[str, Any], dataset: dict[str, Any], field: str, said: str, code: ExitCode
) -> None:
    first, *_ = findings_of(tmp_path, {"size": SIZES, **columns}, **dataset)
    assert (first.problem.path, first.exit_code) == (f"spec.dataset.{field}", code)
    assert said in first.problem.message


def test_the_index_that_pandas_saved_does_not_count(tmp_path: Path) -> None:
    table = pa.table({"price": PRICES, "size": SIZES, "__index_level_0__": with_gap(list(range(ROWS)), 1)})
    saved = {b"pandas": b'{"index_columns": ["__index_level_0__"], "columns": []}'}
    path = tmp_path / "t.parquet"
    pq.write_table(table.replace_schema_metadata(saved), path)
    named = {"uri": "t.parquet", "target": "price", "missingValues": {"strategy": "Fail"}}
    assert source_findings(Dataset.model_validate(named), path) == []
    assert source_findings(Dataset.model_validate({**named, "exclude": ["__index_level_0__"]}), path) == []


@pytest.mark.parametrize(
    "saved", [b'{"index_columns": [{"kind": "range", "start": 0, "stop": 40, "step": 1}]}', b"{", b"[]"]
)
def test_an_index_that_is_no_column_is_none(tmp_path: Path, saved: bytes) -> None:
    table = pa.table({"price": PRICES, "size": SIZES}).replace_schema_metadata({b"pandas": saved})
    pq.write_table(table, tmp_path / "t.parquet")
    asked = Dataset.model_validate({"uri": "t.parquet", "target": "price"})
    assert source_findings(asked, tmp_path / "t.parquet") == []


def test_only_the_first_rows_are_read(tmp_path: Path) -> None:
    many = 20_000
    columns = {"price": with_gap([float(row) for row in range(many)], 19_000), "size": [1.5] * many}
    assert findings_of(tmp_path, columns) == []
