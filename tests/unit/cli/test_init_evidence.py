"""What `steelyard init` finds in a table: how the file and its cells are written, and which columns are left out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from init_support import init, job_for, write

from steelyard.api.loading import load_training_job


def shuffled(count: int, start: int = 0, step: int = 1) -> list[int]:
    return [start + step * ((i * 7919) % count) for i in range(count)]


KEPT_AND_LEFT_OUT = [
    # Whole numbers that happen to differ are no identifiers.
    ("weight_g", shuffled(200, 2000, 5), None),
    ("population", [(i * 104729) % 999983 for i in range(200)], None),
    ("year", list(range(1800, 2000)), None),
    ("paid", shuffled(200, 0, 3), None),
    ("fraction", [i + 0.5 for i in range(200)], None),
    # A name such as id, values that mostly differ.
    ("customer_id", shuffled(200, 0, 13), "named as an identifier is"),
    ("userId", shuffled(200, 0, 13), "named as an identifier is"),
    ("", list(range(200)), "named as an identifier is"),
    ("Unnamed: 0", list(range(200)), "named as an identifier is"),
    ("__index_level_0__", [number * 3 for number in range(200)], "named as an identifier is"),
    ("store_id", [i % 9 for i in range(200)], None),
    # Consecutive, in whatever order.
    ("n", list(range(5, 205)), "consecutive whole numbers"),
    ("m", shuffled(199, 1), "consecutive whole numbers"),
    ("k", [i + (i > 100) * 900 for i in range(200)], "consecutive whole numbers"),
    # Text that differs in 95% of the rows.
    ("remark", [f"remark {i}" for i in range(200)], "text that is different in 100% of the rows"),
    ("remark", [f"remark {max(i, 9)}" for i in range(200)], "text that is different in 95% of the rows"),
    ("remark", [f"remark {max(i, 20)}" for i in range(200)], None),
    ("big", [10**17 + 12345 * i % 7 for i in range(200)], "whole numbers above 2^53"),
    ("rare", ["x" if i < 3 else "" for i in range(200)], "empty in all but 3 of 200 rows"),
    ("empty", [" " for _ in range(200)], "empty in all rows"),
]


@pytest.mark.parametrize(("name", "cells", "why"), KEPT_AND_LEFT_OUT)
def test_a_column_is_left_out_by_evidence_only(tmp_path: Path, name: str, cells: list[object], why: str | None) -> None:
    table = write(tmp_path / "a.csv", [name, "x", "y"], [[cell, i % 7, i % 2] for i, cell in enumerate(cells)])
    out = init(table)
    text = (tmp_path / "a.yaml").read_text(encoding="utf-8")
    job = load_training_job(tmp_path / "a.yaml")
    name = name or "column1"
    assert job.spec.dataset.exclude == ([] if why is None else [name])
    if why is not None:
        assert why in text and f"{name!r}: {why}" in out


def test_the_target_is_told_as_a_guess_where_it_is_one(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", ["a", "b"], [[i % 7, i % 2] for i in range(50)])
    assert "classification of 'b' (a guess; --target names another column)." in init(table)
    assert "classification of 'a'.\n" in init(table, "--force", "--target", "a")


def test_what_can_not_be_predicted_is_not_guessed_to_be_the_target(tmp_path: Path) -> None:
    rows = [[i % 7, i % 2, f"2024-01-{i % 28 + 1:02}", f"text {i}", i, 5] for i in range(60)]
    job = job_for(write(tmp_path / "a.csv", ["a", "b", "when", "remark", "row", "same"], rows))
    assert job.spec.dataset.target == "b"


LINES = [f"{i % 9},{i % 5}" for i in range(60)]
WRITTEN: list[tuple[str, bytes, dict[str, object]]] = [
    ("semicolons", b"a;b\n" + "".join(f"{i % 9};{i % 2}\n" for i in range(60)).encode(), {"delimiter": ";"}),
    ("bars", b"a|b\n" + "".join(f"{i % 9}|{i % 2}\n" for i in range(60)).encode(), {"delimiter": "|"}),
    ("tabs", b"a\tb\n" + "".join(f"{i % 9}\t{i % 2}\n" for i in range(60)).encode(), {"delimiter": "\t"}),
    (
        "German",
        "größe;ort\n".encode("cp1252")
        + "".join(f"{i % 9},5;{'Köln€' if i % 2 else 'x'}\n" for i in range(60)).encode("cp1252"),
        {"delimiter": ";", "encoding": "Windows-1252", "decimal": ","},
    ),
    ("UTF-16", ("a,b\n" + "\n".join(LINES)).encode("utf-16"), {"encoding": "UTF-16"}),
    ("marked UTF-8", b"\xef\xbb\xbfa,b\n" + "\n".join(LINES).encode(), {}),
    ("comments", b"# of 2024, all\n# by x\na,b\n" + "\n".join(LINES).encode(), {"comment": "#"}),
    ("titles", b"Sales of 2024\n\na,b\n" + "\n".join(LINES).encode(), {"headerRow": 3}),
    ("no header", "\n".join(f"{i % 9}.5,{'yn'[i % 2]}" for i in range(60)).encode(), {"headerRow": 0}),
    ("years as names", b"country,1990,1991\n" + "".join(f"c{i},{i % 9},{i % 5}\n" for i in range(60)).encode(), {}),
    ("a marked header", b"#a,b\n" + "\n".join(LINES).encode(), {}),
    ("quoted commas", b"a,b\n" + "".join(f'"x;{i % 9};y",{i % 2}\n' for i in range(60)).encode(), {}),
]


@pytest.mark.parametrize(("content", "csv_format"), [row[1:] for row in WRITTEN], ids=[row[0] for row in WRITTEN])
def test_how_a_file_is_written_is_found(tmp_path: Path, content: bytes, csv_format: dict[str, object]) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    said = yaml.safe_load(init(tmp_path / "a.csv", "--to", "-"))["spec"]["dataset"].get("csv", {})
    assert said == csv_format
    job_for(tmp_path / "a.csv")


CELLS: list[tuple[list[str], dict[str, object]]] = [
    ([f"$1,{i * 7:03}" for i in range(60)], {"numbers": {"x": {"thousands": ",", "prefix": "$"}}}),
    ([f"{i % 30} %" for i in range(60)], {"numbers": {"x": {"suffix": "%"}}}),
    ([f"{i},{i % 10}5 €" for i in range(60)], {"numbers": {"x": {"suffix": "€"}}, "csv": {"decimal": ","}}),
    (["?" if i % 9 == 0 else str(i % 17) for i in range(60)], {"missingMarkers": ["?"]}),
    (["below" if i == 7 else str(i % 37) for i in range(60)], {"missingMarkers": ["below"]}),
    (["inf" if i == 7 else str(i % 37) for i in range(60)], {"missingMarkers": ["inf"]}),
    ([f"{i % 28 + 1:02}.{i % 12 + 1:02}.2023" for i in range(60)], {"dates": {"x": "%d.%m.%Y"}}),
    ([f"{i % 28 + 1:02}/{i % 12 + 1:02}/2023 12:30" for i in range(60)], {"dates": {"x": "%d/%m/%Y %H:%M"}}),
    ([f"2023-{i % 12 + 1:02}-{i % 28 + 1:02}" for i in range(60)], {}),
    (["12A" if i % 3 == 0 else str(i % 17) for i in range(60)], {"categorical": ["x"]}),
    ([f"{i % 30:05}" for i in range(60)], {}),
    (["yes" if i % 3 else "no" for i in range(60)], {}),
    (["other" if i == 7 else str(i % 3) for i in range(60)], {"categorical": ["x"]}),
]


@pytest.mark.parametrize(("cells", "expected"), CELLS)
def test_what_must_be_said_of_cells_is_found_and_written(
    tmp_path: Path, cells: list[str], expected: dict[str, object]
) -> None:
    table = write(tmp_path / "a.csv", ["x", "w", "y"], [[cell, i % 7, "pq"[i % 2]] for i, cell in enumerate(cells)])
    dataset = yaml.safe_load(init(table, "--to", "-"))["spec"]["dataset"]
    fields = ("numbers", "csv", "missingMarkers", "dates", "categorical")
    found = {field: dataset[field] for field in fields if field in dataset}
    if expected.get("numbers") == {"x": {"suffix": "€"}}:
        expected = {"numbers": {"x": {"decimal": ",", "suffix": "€"}}, "csv": {"decimal": ","}}
    assert found == expected
    job_for(table)


@pytest.mark.parametrize("gap", ["", "  ", "NaN", "?"])
def test_rows_without_a_target_are_left_out_and_counted(tmp_path: Path, gap: str) -> None:
    rows = [[i % 7, gap if i % 10 == 0 else i * 0.5] for i in range(60)]
    table = write(tmp_path / "a.csv", ["x", "y"], rows)
    text = init(table, "--to", "-")
    assert "# 6 of 60 rows have no target; DropRow leaves them out.\n" in text
    assert yaml.safe_load(text)["spec"]["dataset"]["missingValues"] == {"target": "DropRow"}


def test_parquet_is_read_by_its_types_and_what_pandas_saved_is_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "code": pd.Categorical(["a", "b"] * 30),
            "when": pd.date_range("2024-01-01", periods=60),
            "parts": [[1, 2]] * 60,
            "flag": [True, False, None] * 20,
            "x": np.where(np.arange(60) % 7 == 0, np.nan, np.arange(60) / 2),
            "y": np.arange(60) % 3,
        },
        index=pd.Index(np.arange(60) * 2, name="row"),
    )
    frame.to_parquet(tmp_path / "a.parquet")
    text = init(tmp_path / "a.parquet", "--to", "-")
    dataset = yaml.safe_load(text)["spec"]["dataset"]
    assert dataset["target"] == "y" and dataset["exclude"] == ["parts"]
    assert "#   parts: holds list<element: int64>, neither numbers nor text nor dates\n" in text
    assert "# Left out anyway, as it is the index that pandas saved: row\n" in text
    assert "flag 20, x 9" in text and "when" not in str(dataset)
    job_for(tmp_path / "a.parquet")
