"""`steelyard init` and any text: every name and every table makes a valid manifest."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from steelyard.api.loading import parse_training_job, read_manifest
from steelyard.api.training_job import NAME_PATTERN
from steelyard.cli.init import job_name, manifest_for, quoted
from steelyard.cli.judging import judge
from steelyard.cli.sample import Column, Sample


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("digits.csv", "digits"),
        ("My Table (2).CSV", "my-table-2"),
        ("2024_sales.csv.gz", "job-2024-sales"),
        ("Café Übersicht.tsv", "cafe-ubersicht"),
        ("数据.csv", "job"),
        ("a" * 39 + "-b.csv", "a" * 39),
        ("table", "table"),
    ],
)
def test_a_job_is_named_after_its_table(file_name: str, name: str) -> None:
    assert job_name(file_name) == name


@given(st.text(min_size=1))
def test_every_file_name_makes_a_valid_job_name(file_name: str) -> None:
    assert re.fullmatch(NAME_PATTERN, job_name(file_name))


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20) | st.sampled_from(
    ["yes", "null", "1e3", "0x1f", "a: b", "#", "- a", "[", "'", '"', "\n", "~", "y", "=", "<<", "2024-01-01", " a "]
)


@given(NAMES)
def test_quoting_keeps_every_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "quoted.yaml"
    # newline="" as a line feed of another system is part of no name.
    path.write_text(f"a: [{quoted(text)}, {quoted(text)}]\n", encoding="utf-8", newline="")
    assert read_manifest(path) == {"a": [text, text]}


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    names = draw(st.lists(NAMES, min_size=2, max_size=6, unique=True))
    rows = draw(st.integers(1, 500))
    columns = []
    for name in names:
        cells = draw(st.lists(NAMES | NUMBERS, min_size=1, max_size=min(rows, 5), unique=True))
        counts = dict.fromkeys(cells, 1)
        counts[cells[0]] += rows - len(cells)
        columns.append(Column(name, counts))
    return Sample(tuple(columns), rows, draw(st.just(rows) | st.integers(rows, 10**9)))


NUMBERS = st.from_regex(r"\A[$ ]?[-+]?[0-9]{1,3}([.,][0-9]{1,3}){0,2}[%]?\Z")


@given(samples(), st.text(st.characters(codec="utf-8", exclude_characters=":/"), min_size=1, max_size=20))
def test_every_table_gets_a_valid_manifest(sample: Sample, file_name: str) -> None:
    columns = judge(sample)
    target = next((column for column in reversed(columns) if column.counts and column.kind != "Date"), None)
    if target is None or all(column.kind == "Empty" for column in columns if column is not target):
        return  # `init` refuses such a table.
    text = manifest_for(sample, columns, target, name=job_name(file_name), uri=file_name, is_guess=True)
    job = parse_training_job(yaml.safe_load(text))
    assert job.spec.dataset.uri == file_name and job.spec.dataset.target == target.name
    assert set(job.spec.dataset.exclude) < {column.name for column in sample.columns} - {target.name}
