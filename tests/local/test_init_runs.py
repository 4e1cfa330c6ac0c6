"""What `init` writes runs as it is: cases of real users, and tables as they come out of other programs."""

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from prepare_support import context, write_csv
from typer.testing import CliRunner

from steelyard.api.errors import DataError, SteelyardError
from steelyard.cli.main import app
from steelyard_trainer.data.prepare import prepare
from steelyard_trainer.data.reading import PreparedDataset

CASES = Path(__file__).parents[1] / "data" / "cases"


def init(table: Path, *options: str) -> dict[str, Any]:
    """The manifest that init writes; validate must have nothing against it."""
    file = table.parent / "job.yaml"
    command("init", table, "--to", file, "--force", *options)
    command("validate", file)
    manifest: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return manifest


def command(*arguments: object) -> str:
    """What a command prints. Raises what it ends with."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.stdout


def prepared(table: Path, *options: str) -> PreparedDataset:
    """What init's manifest makes of a table, not a field changed."""
    spec = init(table, *options)["spec"]
    stage = context(table.parent, spec["dataset"], **({"task": spec["task"]} if "task" in spec else {}))
    prepare(stage)
    return PreparedDataset.load(stage.workspace)


def copied(tmp_path: Path, case: str) -> Path:
    (tmp_path / "t.csv").write_bytes((CASES / case / "t.csv").read_bytes())
    return tmp_path / "t.csv"


def test_whole_numbers_that_happen_to_differ_are_learned_from(tmp_path: Path) -> None:
    table = copied(tmp_path, "08-init-drops-distinct-integers")
    init(table)
    process = [sys.executable, "-m", "steelyard.cli.main", "run", str(tmp_path / "job.yaml")]
    # What a search may do is tested elsewhere.
    process += ["--set", "compression.maxTrainings=1"]
    subprocess.run(process, check=True, timeout=300, capture_output=True)
    (report,) = (tmp_path / "models").glob("*/steelyard.json")
    document = json.loads(report.read_text(encoding="utf-8"))
    assert [column["name"] for column in document["dataset"]["columns"]] == ["weight_g", "k"]
    assert document["metrics"]["test"]["accuracy"]["value"] >= 0.95


def test_cells_of_blanks_are_gaps_for_init_validate_and_prepare(tmp_path: Path) -> None:
    table = copied(tmp_path, "11-blank-cells-init-vs-run")
    cells = [row["x"].strip() for row in csv.DictReader(table.open(encoding="utf-8"))]
    gaps = cells.count("")
    assert gaps > 0
    dataset = prepared(table)
    assert dataset.findings["missing"] == {"x": gaps}
    assert f"x {gaps}." in (tmp_path / "job.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("blank", [" ", "\t", "   "])
def test_blanks_are_gaps_among_numbers_words_and_targets(tmp_path: Path, blank: str) -> None:
    rows = [
        [blank if i % 7 == 0 else i % 40, blank if i % 9 == 0 else "pq"[i % 2], blank if i % 10 == 0 else "yn"[i % 2]]
        for i in range(100)
    ]
    dataset = prepared(write_csv(tmp_path / "t.csv", ["a", "b", "y"], rows))
    kept = [row for row in rows if row[2] != blank]
    missing = {name: sum(row[place] == blank for row in rows) for place, name in enumerate(["a", "b"])}
    assert sum(dataset.rows.values()) == len(kept) and dataset.classes == ("n", "y")
    assert dataset.findings["missing"] == missing
    # Without what init says of them, validate refuses what prepare would.
    overrides = ("--set", "dataset.missingValues={}")
    with pytest.raises(SteelyardError, match=r"(?s)target 'y' is missing.*cells are empty in 'a' .*'b' "):
        command("validate", tmp_path / "job.yaml", *overrides)


def test_what_is_no_table_is_said_by_init(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes((CASES / "17-not-a-csv" / "t.json").read_bytes())
    with pytest.raises(DataError, match=r"t\.json is JSON, no CSV or Parquet file: write it as CSV or Parquet"):
        command("init", tmp_path / "t.json")


ROWS: list[Sequence[object]] = [(i % 9, f"{i % 7},5", "xyz"[i % 3], "yn"[i % 2]) for i in range(90)]
TABLES: list[tuple[str, str, str, list[tuple[str, str]]]] = [
    (
        "semicolons, decimal commas, Windows",
        "größe;preis;ort;y\n" + "".join(f"{a};{b};{'Köln' if a % 2 else 'Bonn'};{d}\n" for a, b, _, d in ROWS),  # type: ignore[operator]
        "cp1252",
        [("größe", "Number"), ("preis", "Number"), ("ort", "Category")],
    ),
    (
        "currency, per cent, dates, markers",
        "sales,share,when,grade,y\n"
        + "".join(
            f'"${i % 9},{i * 7 % 1000:03}",{i % 50}%,{i % 28 + 1}.{i % 12 + 1}.2023,{i % 30 if i % 8 else "?"},{i}.5\n'
            for i in range(90)
        ),
        "utf-8",
        [("sales", "Number"), ("share", "Number"), ("when", "Date"), ("grade", "Number")],
    ),
    (
        "comments",
        "# made by x\n# on Monday, early\na,b,y\n" + "".join(f"{i % 9},{i % 5},{i % 2}\n" for i in range(90)),
        "utf-8",
        [("a", "Number"), ("b", "Number")],
    ),
    (
        "a title above",
        "Report of 2024\n\na,b,y\n" + "".join(f"{i % 9},{i % 5},{i % 2}\n" for i in range(90)),
        "utf-8",
        [("a", "Number"), ("b", "Number")],
    ),
    (
        "no header",
        "".join(f"{i % 9}.5,{i % 5},{'yn'[i % 2]}\n" for i in range(90)),
        "utf-8",
        [("column1", "Number"), ("column2", "Number")],
    ),
    (
        "UTF-16",
        "a,b,y\n" + "".join(f"{i % 9},é{i % 5},{i % 2}\n" for i in range(90)),
        "utf-16",
        [("a", "Number"), ("b", "Category")],
    ),
    (
        "tabs",
        "a\tb\ty\n" + "".join(f"{i % 9}\t{i % 5}\t{i % 2}\n" for i in range(90)),
        "utf-8",
        [("a", "Number"), ("b", "Number")],
    ),
    (
        "the rows' numbers without a name, as R and pandas write them",
        ",a,b,y\n" + "".join(f"{i},{i % 9},{i % 5},{i % 2}\n" for i in range(90)),
        "utf-8",
        [("a", "Number"), ("b", "Number")],
    ),
    (
        "a feature without a name",
        "a,,y\n" + "".join(f"{i % 9},{i % 5},{i % 2}\n" for i in range(90)),
        "utf-8",
        [("a", "Number"), ("column2", "Number")],
    ),
    (
        "codes with leading zeros, codes with letters, an identifier, free text",
        "uid,zip,code,remark,a,y\n"
        + "".join(
            f"{i * 13 + 5},{i % 30:05},{'12A' if i % 3 else i % 20},remark no. {i},{i % 9},{i % 2}\n" for i in range(90)
        ),
        "utf-8",
        [("zip", "Category"), ("code", "Category"), ("a", "Number")],
    ),
]


@pytest.mark.parametrize(("text", "encoding", "columns"), [row[1:] for row in TABLES], ids=[row[0] for row in TABLES])
def test_tables_of_other_programs_need_no_edit(
    tmp_path: Path, text: str, encoding: str, columns: list[tuple[str, str]]
) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    dataset = prepared(tmp_path / "t.csv")
    assert list(dataset.columns) == columns
    assert sum(dataset.rows.values()) == 90


DOUBTFUL: list[tuple[list[object], str]] = [
    ([f"$1,{i:03}" for i in range(90)], r"spec.dataset.numbers: .*column 'a' holds text, but 100% .*numbers: {a: {"),
    (
        ["n.v." if i == 5 else i % 40 for i in range(90)],
        r"spec.dataset.missingMarkers: .*row 6, column 'a'.*'n.v.' is not a",
    ),
    (
        ["soon" if i == 5 else f"2024-01-{i % 28 + 1:02}" for i in range(90)],
        r"missingMarkers: .*row 6.*'soon' is not a date",
    ),
]


@pytest.mark.parametrize(("cells", "says"), DOUBTFUL)
def test_validate_finds_in_the_first_rows_what_prepare_would_refuse(
    tmp_path: Path, cells: list[object], says: str
) -> None:
    rows = [(cell, i % 7, "yn"[i % 2]) for i, cell in enumerate(cells)]
    table = write_csv(tmp_path / "t.csv", ["a", "b", "y"], rows)
    given = {"uri": table.name, "target": "y"}
    document = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "t"},
        "spec": {"dataset": given, "model": {"linear": {}}},
    }
    (tmp_path / "job.yaml").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(SteelyardError, match=says):
        command("validate", tmp_path / "job.yaml")
    with pytest.raises(DataError):
        prepare(context(tmp_path, given))
