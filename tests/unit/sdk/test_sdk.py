"""`import steelyard`: what it costs, and how it reads tables and labels."""

import datetime
import re
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from published_support import PUBLISHED
from rich.text import Text

import steelyard
from steelyard.api.loading import parse_training_job, put_values
from steelyard.contract.workspace import Workspace
from steelyard.sdk.early import check_table, in_words_of_the_table
from steelyard.sdk.model import typed_labels
from steelyard.sdk.progress import as_mime, in_notebook
from steelyard.sdk.results import facts_of
from steelyard.sdk.running import Spoken, interruption
from steelyard.sdk.source import with_source, write_source
from steelyard.sdk.tables import cells_by_column

FOREST = PUBLISHED / "wine-forest"

# --- import steelyard -------------------------------------------------------------------------------------------------


def test_importing_it_is_cheap_and_loads_no_library() -> None:
    program = (
        "import sys, time; before = set(sys.modules); began = time.perf_counter(); import steelyard; "
        "seconds = time.perf_counter() - began; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(seconds, *sorted(new - sys.stdlib_module_names))"
    )
    seconds, *others = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    ).stdout.split()
    assert others == ["steelyard"]
    # 0.02 s on a quiet machine of two cores, where 0.15 s are allowed.
    assert float(seconds) < 1


def test_every_name_is_there_and_a_wrong_one_is_an_error() -> None:
    assert {name: getattr(steelyard, name) for name in steelyard.__all__}.keys() <= set(dir(steelyard))
    assert steelyard.load.__module__ == "steelyard.sdk.model"
    with pytest.raises(AttributeError, match="has no attribute 'lod'"):
        steelyard.lod  # noqa: B018


def test_labels_have_the_type_that_tables_have_them_in() -> None:
    assert typed_labels(("0", "10", "-3")).tolist() == [0, 10, -3]
    assert typed_labels(("0", "1")).dtype == np.int64
    assert typed_labels(("false", "true")).tolist() == [False, True]
    for labels in (("01", "1"), ("1", "b"), ("true", "maybe"), ("1.5", "2"), ("true",), ("-0", "1"), ("9" * 19, "1")):
        assert typed_labels(labels).tolist() == list(labels)


# --- tables that are none ---------------------------------------------------------------------------------------------

TWICE = pd.DataFrame([[1, 2]], columns=["a", "a"])

WRONG = {
    "an array": (
        np.zeros((2, 2)),
        "a ndarray is no table; allowed: a pandas or Polars DataFrame, an Arrow",
    ),
    "a list": ([{"a": 1}], "a list is no table"),
    "a series": (pd.Series([1]), "a Series is no table"),
    "a path": ("rows.csv", "a str is no table"),
    "a lazy frame": (pl.LazyFrame({"a": [1]}), r"a LazyFrame is no table.*collect\(\) makes a DataFrame"),
    "a column twice": (TWICE, "has the column 'a' twice"),
    "levels": (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "a name of several levels"),
    "a column less": ({"b": [1]}, "lacks the column 'a', which the model was trained on; it has the column 'b'"),
    "lengths": ({"a": [1], "c": [1, 2]}, "the columns differ in length: 'a' 1, 'c' 2"),
    "a number": ({"a": 1, "c": [1]}, "column 'a': a int is no column; give a list of cells"),
    "a text": ({"a": "one", "c": ["1"]}, "column 'a': a str is no column"),
    "two dimensions": ({"a": np.zeros((1, 1)), "c": [1]}, r"column 'a' has the shape \(1, 1\)"),
    "a list in a cell": ({"a": [1, [2]], "c": [1, 2]}, "row 2, column 'a': a list is no cell"),
    "complex numbers": ({"a": np.array([1j]), "c": [1]}, "row 1, column 'a': a complex is no cell"),
    "no columns": ({}, "lacks the columns 'a', 'c', which the model was trained on; it has no columns"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_table_is_a_data_error(kind: str) -> None:
    data, message = WRONG[kind]
    wanted = ["a", "c"] if isinstance(data, dict) and kind != "a column less" else ["a"]
    with pytest.raises(steelyard.DataError, match=message) as caught:
        cells_by_column(data, wanted)
    assert caught.value.exit_code == 65


def test_cells_of_all_types_reach_the_model_as_they_are() -> None:
    when = datetime.datetime(2024, 5, 31, 12)
    frame = pd.DataFrame(
        {"a": pd.to_datetime([when]), "b": pd.to_timedelta([5], unit="s"), "c": [Decimal("1.5")], "d": [True], 5: ["x"]}
    )
    found = cells_by_column(frame, ["5", "d", "c", "b", "a"])
    assert (
        list(found) == ["5", "d", "c", "b", "a"] and list(found["5"]) == ["x"] and list(found["c"]) == [Decimal("1.5")]
    )
    assert np.asarray(found["a"]).dtype.kind == "M" and np.asarray(found["b"]).dtype.kind == "m"
    zoned = pd.DataFrame({"a": pd.to_datetime([when]).tz_localize("UTC")})
    assert cells_by_column(zoned, ["a"])["a"][0].utcoffset() == datetime.timedelta(0)


# --- what a run is made of --------------------------------------------------------------------------------------------


def written(data: Any, tmp_path: Path) -> pa.Table:
    return pq.read_table(write_source(data, Workspace(tmp_path / "space")))


def test_a_table_is_written_without_its_index_and_an_equal_one_is_left_alone(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.5, None], "b": ["x", None], "c": [True, False]}, index=["one", "two"])
    table = written(frame, tmp_path)
    assert table.column_names == ["a", "b", "c"] and table.schema.metadata is None
    assert table.to_pydict() == {"a": [1.5, None], "b": ["x", None], "c": [True, False]}
    file = tmp_path / "space/input.parquet"
    before = file.stat()
    write_source(frame.reset_index(drop=True), Workspace(tmp_path / "space"))
    assert file.stat() == before
    write_source(frame.assign(a=[1.5, 2.5]), Workspace(tmp_path / "space"))
    assert file.stat().st_ino != before.st_ino
    assert sorted(path.name for path in file.parent.iterdir()) == ["input.parquet", "lock"]


SOURCES = {
    "polars": pl.DataFrame({"a": [1, None], "b": ["x", "y"]}),
    "arrow": pa.table({"a": [1, None], "b": ["x", "y"]}),
    "a dictionary": {"a": [1, None], "b": np.array(["x", "y"])},
    "pandas, nullable": pd.DataFrame({"a": [1, None], "b": ["x", "y"]}).convert_dtypes(),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_tables_of_all_kinds_are_written(kind: str, tmp_path: Path) -> None:
    assert written(SOURCES[kind], tmp_path).to_pydict() == {"a": [1, None], "b": ["x", "y"]}


def test_cells_of_several_types_are_written_as_a_csv_file_has_them(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [12, "12A", None, 1.0, True]}, dtype=object)
    assert written(frame, tmp_path).to_pydict() == {"a": ["12", "12A", None, "1", "true"]}


def test_what_can_not_be_written_is_a_data_error(tmp_path: Path) -> None:
    for data, message in (
        ({"a": [1], "b": [1, 2]}, "the columns differ in length"),
        ({"a": [[1], 2]}, "column 'a' can't be written as Parquet"),
        ({"a": 1}, "column 'a': a int is no column"),
        ({"a": [1, 2j]}, "column 'a' holds complex numbers"),
        (pd.DataFrame({"a": np.array([1j])}), "column 'a' holds complex numbers"),
    ):
        with pytest.raises(steelyard.DataError, match=message):
            written(data, tmp_path)


def test_a_source_takes_the_place_of_a_file_and_of_how_it_was_read() -> None:
    given = {"kind": "TrainingJob", "spec": {"dataset": {"uri": "a.csv", "format": "CSV", "target": "t"}}}
    assert with_source(given, "x")["spec"]["dataset"] == {"uri": "x", "target": "t"}
    assert given["spec"]["dataset"]["uri"] == "a.csv"
    tuning = {"kind": "TuningJob", "spec": {"template": {"dataset": {"target": "t"}}}}
    assert with_source(tuning, "x")["spec"]["template"]["dataset"] == {"target": "t", "uri": "x"}
    for nothing in ({}, {"spec": 3}, {"kind": "TuningJob", "spec": {}}, {"spec": {"dataset": []}}):
        assert with_source(nothing, "x") == nothing


def test_overrides_are_put_where_their_paths_lead() -> None:
    given = {"spec": {"training": {"epochs": 2}, "parameters": [{"min": 1}]}}
    changed = put_values(given, {"training.epochs": 5, "metadata.name": "x", "parameters.0.min": 2, "a.b": [1]})
    assert changed["spec"] == {"training": {"epochs": 5}, "parameters": [{"min": 2}], "a": {"b": [1]}}
    assert changed["metadata"] == {"name": "x"} and given["spec"]["training"] == {"epochs": 2}
    for path, message in (("training..epochs", "a name is missing beside a dot"), ("training.epochs.x", "is 2, which")):
        with pytest.raises(steelyard.ConfigurationError, match=f"overrides, {path}: .*{message}"):
            put_values(given, {path: 1})


def result_of(**changes: Any) -> steelyard.RunResult:
    folder = Path.cwd() / "models/a<b"
    fields: dict[str, Any] = {
        "name": "a<b",
        "model": folder,
        "published": (folder,),
        "metrics": {"r2": 0.5},
        "standard_errors": {"r2": 0.01},
        "naive_metrics": {"r2": -0.1},
        "doubts": ["half of the rows repeat"],
        "candidates": [{"name": "Int8", "bytes": 1000, "drop": None}, {"name": "Baseline", "bytes": 2000}],
        "chosen": "Int8",
        "digest": "sha256:0",
        "is_new": True,
        "seconds": 1.0,
        "workspace": Path("w"),
        "message": "all 2 trials are finished",
        "summary": {},
    }
    return steelyard.RunResult(**fields | changes)


def test_a_result_is_shown_as_tables() -> None:
    html = result_of()._repr_html_()
    assert "models/a&lt;b" in html and "<b" not in html.replace("&lt;b", "")
    assert re.search(r"r2</td><td[^>]*>0.5</td><td[^>]*>0.01</td><td[^>]*>-0.1</td>", html)
    assert "half of the rows repeat" in html
    assert '<th style="text-align:left">bytes</th>' in html and "1,000" in html and ">-<" in html
    assert html.count("<table>") == html.count("</table>") == 3
    assert repr(result_of()) == "<RunResult a<b: r2 0.5, models/a<b>"
    assert "nothing" in result_of(model=None, published=(), candidates=[])._repr_html_()
    trials = [{"trial": number, "r2": number / 100, "x": None} for number in range(12)]
    found = steelyard.TuneResult(
        **vars(result_of()), metric="r2", best_trial=3, best_value=0.5, best_parameters={"x": 1}, trials=trials
    )
    shown = re.sub("</?t[^>]*>", "|", found._repr_html_())
    assert "|best trial||3|" in shown and "|r2||0.5 in the search, 0.5 ± 0.01 on the test set|" in shown
    assert "|x||1|" in shown and "and 2 more" in shown and "|0.03|" in shown
    again = replace(found, trials_are_shown=True)._repr_html_()
    assert "0.03" not in again and "pandas.DataFrame(result.trials)" in again


def test_a_searches_objective_comes_before_the_other_metrics() -> None:
    figures = {"mae": 1.0, "rmse": 1355.1}
    errors = {"mae": 0.1, "rmse": 130.4}
    summary = {"metrics": {"mae": [1.0, 0.1], "rmse": [1355.1, 130.4]}}
    found = steelyard.TuneResult(
        **vars(result_of(metrics=figures, standard_errors=errors, naive_metrics={}, summary=summary)),
        metric="rmse",
        best_trial=3,
        best_value=1411.0,
        best_parameters={"model.ridge.alpha": 1},
        trials=[],
    )
    html = found._repr_html_()
    assert html.index("rmse</td>") < html.index("mae</td>") and "1,411 in the search, 1,355 ± 130 on the test" in html
    assert str(found).splitlines()[1:4] == [
        "best trial  3",
        "rmse        1,411 in the search, 1,355 ± 130 on the test set",
        "alpha       1",
    ]
    assert "test        rmse 1,355 ± 130, mae 1 ± 0.1" in str(found)


def test_a_manifest_needs_no_kind_where_the_call_says_it() -> None:
    data = {"size": [1.5, 2.5], "price": [3.5, 4.5]}
    for call in (steelyard.run, steelyard.tune):
        with pytest.raises(steelyard.ManifestError) as caught:
            call({"dataset": {"target": "price"}, "model": {"ridge": {}}}, data)
        assert {"metadata", "spec", "dataset", "model"} <= {problem.path for problem in caught.value.problems}
        assert "instead: dataset and model belong under spec, as in spec: {dataset: ..., model: ...}" in str(
            caught.value
        )
    with pytest.raises(steelyard.DataError, match="has no column 'prize'"):
        steelyard.run(
            {"metadata": {"name": "j"}, "spec": {"dataset": {"target": "prize"}, "model": {"ridge": {}}}}, data
        )


def test_facts_come_from_what_is_published_and_else_from_the_summary() -> None:
    summary = {"metrics": {"r2": [0.5, None]}, "candidates": [{"name": "Int8", "bytes": 1}], "chosen": "Int8"}
    assert facts_of(summary, [])["metrics"] == {"r2": 0.5} and facts_of(summary, [])["standard_errors"] == {}
    naive = facts_of(summary | {"metric": "r2", "naive": {"mean": 3.0, "value": -0.1}, "doubts": ["why"]}, [])
    assert naive["naive_metrics"] == {"r2": -0.1} and naive["doubts"] == ["why"]
    assert facts_of(summary, [])["naive_metrics"] == {} and facts_of(summary, [])["doubts"] == []
    facts = facts_of(summary, [Path("none"), FOREST / "model"])
    assert facts["metrics"]["accuracy"] == 1.0 and facts["standard_errors"]["accuracy"] == 0.0
    assert facts["candidates"][0]["name"] == "skops" and "accuracy" in facts["candidates"][0]


def test_what_rich_shows_becomes_html_for_a_notebook() -> None:
    shown = as_mime(Text("a < b", style="green"))
    assert shown["text/plain"] == "a < b\n"
    assert (
        shown["text/html"].startswith("<pre") and "a &lt; b" in shown["text/html"] and "color: #" in shown["text/html"]
    )
    assert not in_notebook()


# --- mistakes ---------------------------------------------------------------------------------------------------------


def job_of(**spec: Any) -> dict[str, Any]:
    fields = {"dataset": {"target": "price"}, "model": {"ridge": {}}} | spec
    return {"apiVersion": "steelyard.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "j"}, "spec": fields}


NAMES_THAT_ARE_NONE = {
    "target": ({"target": "Price "}, "spec.dataset.target", steelyard.DataError),
    "exclude": ({"target": "price", "exclude": ["sise"]}, "spec.dataset.exclude[0]", steelyard.ConfigurationError),
    "categorical": ({"target": "price", "categorical": ["sise"]}, "categorical[0]", steelyard.ConfigurationError),
    "numbers": ({"target": "price", "numbers": {"sise": {}}}, "dataset.numbers.sise", steelyard.ConfigurationError),
    "dates": ({"target": "price", "dates": {"sise": "ISO8601"}}, "dataset.dates.sise", steelyard.ConfigurationError),
    "split": ({"target": "price", "split": {"group": "sise"}}, "dataset.split.group", steelyard.ConfigurationError),
}


@pytest.mark.parametrize("kind", NAMES_THAT_ARE_NONE)
@pytest.mark.parametrize("call", ["run", "tune"])
def test_a_column_that_is_none_is_told_before_anything_starts(
    kind: str, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset, field, error = NAMES_THAT_ARE_NONE[kind]
    manifest = job_of(dataset=dataset)
    if call == "tune":
        parameter = {"path": "model.ridge.alpha", "type": "Double", "min": 1, "max": 2}
        spec = {"template": manifest["spec"], "objective": {"metric": "r2"}, "parameters": [parameter], "maxTrials": 2}
        manifest = manifest | {"kind": "TuningJob", "spec": spec}
        field = field.replace("spec.", "spec.template.")
    with pytest.raises(steelyard.SteelyardError) as caught:
        getattr(steelyard, call)(manifest, {"size": [1.5, 2.5], "price": [3.5, 4.5]})
    assert type(caught.value) is error and field in caught.value.message
    assert "the table has no column" in caught.value.message and "parquet" not in caught.value.message
    assert "did you mean 'price'?" in caught.value.message or "did you mean 'size'?" in caught.value.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "price", [[1.5, 2.0], np.arange(30), pd.Series([0.5, None]), pl.Series([0.5, 1.0]).to_numpy()], ids=str
)
def test_a_metric_of_labels_for_a_target_of_numbers_is_told_before_anything_starts(
    price: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = {"size": list(range(len(price))), "price": price}
    with pytest.raises(steelyard.ConfigurationError, match=r"spec\.evaluation\.metric: rocAuc is no metric of Regress"):
        steelyard.run(job_of(evaluation={"metric": "rocAuc"}), data)
    assert list(tmp_path.iterdir()) == []


def test_what_may_be_labels_is_left_to_prepare() -> None:
    dataset = {"uri": "a.csv", "target": "price"}
    spec = parse_training_job(job_of(dataset=dataset, evaluation={"metric": "rocAuc"})).spec
    for price in ([1, 2], [1.0, 2.0], [True, False], ["a", "1.5"], np.array(["a"], dtype=object), [None, 1.5]):
        check_table(spec, {"size": [1, 2], "price": price})


def test_errors_are_about_the_table_and_its_index(tmp_path: Path) -> None:
    file = tmp_path / "input.parquet"
    frame = pd.DataFrame({"a": range(2000)}, index=range(5, 2005))
    message = f"{file}, row 1,204, column 'a': no number; 3 rows"
    assert in_words_of_the_table(message, file, frame) == (
        "the table, row 1,204 (index 1208), column 'a': no number; 3 rows"
    )
    for data in ({"a": [1]}, pa.table({"a": [1]}), pl.DataFrame({"a": [1]}), frame.head(0)):
        assert in_words_of_the_table("input.parquet, row 1: x", file, data) == "the table, row 1: x"


def test_what_is_to_be_typed_is_told_as_python_has_it() -> None:
    for said, expected in (
        ("free some, or use another --workspace", "free some, or use another workspace="),
        ("can be named: --claim data=DIR", 'can be named: claims={"data": DIR}'),
        ("run the same command again to go on", "call it again to go on"),
        (
            "such as missingValues: {strategy: Median} under dataset",
            'overrides={"dataset.missingValues.strategy": "Median"}',
        ),
        ("with dataset.missingValues: {target: DropRow}", 'with overrides={"dataset.missingValues.target": "DropRow"}'),
    ):
        assert expected in Spoken(None)(said) and "--" not in Spoken(None)(said)


def test_a_notebook_shows_the_users_lines_and_the_message_only(tmp_path: Path) -> None:
    module, library = tmp_path / "mine.py", tmp_path / "site-packages/theirs.py"
    module.write_text("import steelyard\n\n\ndef mine():\n    return steelyard.load('nowhere')\n")
    library.parent.mkdir()
    library.write_text("def go():\n    return mine()\n")
    names: dict[str, Any] = {}
    for file in (module, library):
        exec(compile(file.read_text(), str(file), "exec"), names)
    with pytest.raises(steelyard.SteelyardError) as caught:
        names["go"]()
    here, mine, message = caught.value._render_traceback_()
    assert here.endswith('    names["go"]()\n')
    assert mine == f"{module}, line 5\n    return steelyard.load('nowhere')\n"
    assert message == f"ConfigurationError: {caught.value.message}"


def test_an_interruption_is_shown_alike_and_ends_the_process_as_the_signal_does() -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        raise interruption("interrupted by SIGINT during train")
    assert type(caught.value) is KeyboardInterrupt
    shown = vars(caught.value)["_render_traceback_"]()
    assert shown[-1] == "KeyboardInterrupt: interrupted by SIGINT during train" and len(shown) == 2


def test_a_regression_has_no_classes() -> None:
    assert steelyard.load(FOREST.parent / "diabetes-network/model").classes is None
