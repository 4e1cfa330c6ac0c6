"""The commands of a search: what `plan`, `run`, `trials` and `export-study` say, without a run."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from search_documents import search_document
from typer.testing import CliRunner

from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.api.status import TrialStatus
from steelyard.api.tuning import Objective
from steelyard.api.tuning_job import TuningJob, TuningJobSpec
from steelyard.api.tuning_status import TuningJobStatus
from steelyard.cli.main import app
from steelyard.cli.search_status import trial_lines
from steelyard.cli.searches import find_search
from steelyard.cli.trials import lines_of, to_json
from steelyard.cli.tuning_display import Board, SearchLines, describe_search
from steelyard.cli.tuning_run import best_lines, search_summary
from steelyard.contract.events import RunEnded
from steelyard.contract.stages import Reason
from steelyard.contract.trial_report import TrialReport, short_error
from steelyard.local.source import source_digest
from steelyard.local.tuning.job import LocalSearch
from steelyard.local.tuning.state import SearchState, inputs_of
from steelyard.local.tuning.summary import best_to_json, counts_of
from steelyard.search.events import NewBest, SearchStarted, TrialEnded, TrialStarted
from steelyard.search.log import Entry, SearchDocument
from steelyard.search.manifest import load_manifest

ALPHA = "model.ridge.alpha"
RANGE: dict[str, Any] = {"path": ALPHA, "type": "Double", "min": 1, "max": 20, "step": 1}


def write_search(folder: Path, **spec: Any) -> Path:
    """The manifest of a search, and its table beside it."""
    (folder / "table.csv").write_text("a,b\n1,2\n2,4\n3,6.5\n")
    template = {"dataset": {"uri": "table.csv", "target": "b"}, "model": {"ridge": {}}}
    search = {
        "objective": {"metric": "rmse"},
        "algorithm": {"name": "Grid"},
        "parameters": [RANGE],
        "maxTrials": 36,
        "template": template,
    }
    manifest = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": "ridges"},
        "spec": search | spec,
    }
    path = folder / "search.yaml"
    path.write_text(json.dumps(manifest))
    return path


def answer(file: Path, count: int, *, state: str = "Complete", ended: str = "") -> None:
    """Leaves the log of a run that has finished so many trials."""
    manifest = load_manifest(file)
    assert isinstance(manifest, TuningJob)
    search = LocalSearch.of(manifest, file)
    spec = search.tuning.spec
    digest, _ = source_digest(spec.template.dataset, search.template.surroundings, None)
    entries = {
        number: Entry(number, {ALPHA: 1.0 + number}, state, None if state == "Failed" else 3.0 - number)  # type: ignore[arg-type]
        for number in range(count)
    }
    search.workspace.root.mkdir(parents=True)
    SearchState("ridges", spec, inputs_of(spec, digest, None), entries, ended=ended).save(search)


def plan(file: Path, *arguments: str) -> str:
    """What `plan` prints."""
    shown = CliRunner().invoke(app, ["plan", str(file), *arguments])
    assert shown.exit_code == 0, shown.exception
    return shown.output


def now(shown: str) -> str:
    """How the search stands, of what `plan` prints."""
    (line,) = (line for line in shown.splitlines() if line.startswith("now "))
    return line.removeprefix("now").strip()


# --- plan -------------------------------------------------------------------------------------------------------------


def test_a_plan_says_how_far_the_search_is(tmp_path: Path) -> None:
    file = write_search(tmp_path)
    assert now(plan(file)) == "it has not begun yet"
    answer(file, 4)
    assert now(plan(file)) == "it goes on: 4 of 36 trials finished"
    assert now(plan(file, "--set", "maxTrials=4")) == "it has ended: all 4 trials (spec.maxTrials) are finished"
    assert now(plan(file, "--set", "maxTrials=2")) == "it has ended: 4 trials finished, maxTrials is 2 now"
    assert now(plan(file, "--set", "objective.target=1")).startswith("it has ended: trial 3 reached rmse 0")
    assert now(plan(file, "--set", "algorithm.name=Random")).startswith("it begins anew (4 results are of no use)")


def test_a_plan_says_that_all_is_known_or_that_the_search_has_failed(tmp_path: Path) -> None:
    (tmp_path / "known").mkdir()
    known = write_search(tmp_path / "known")
    answer(known, 20, ended=Reason.SPACE_EXHAUSTED)
    assert now(plan(known)) == "it has ended: every combination is known after 20 trials"
    (tmp_path / "failed").mkdir()
    failed = write_search(tmp_path / "failed")
    answer(failed, 4, state="Failed")
    assert now(plan(failed)).startswith("it has failed: 4 trials failed and spec.maxFailedTrials is 3")


def test_a_plan_says_how_much_it_does_not_show(tmp_path: Path) -> None:
    file = write_search(tmp_path)
    assert plan(file).endswith("combinations  20\n\n" + _trials(10) + "and 10 more\n")
    assert plan(file, "--set", "maxTrials=12").endswith("and 2 more\n")
    assert "Grid, seed 0; 1 trial at most, 1 at a time\n" in plan(file, "--set", "maxTrials=1")
    assert plan(file, "--set", "maxTrials=3").endswith("combinations  20\n\n" + _trials(3))
    endless = json.dumps([{key: value for key, value in RANGE.items() if key != "step"}])
    shown = plan(file, "--set", f"parameters={endless}", "--set", "algorithm.name=TPE", "--set", "maxTrials=11")
    assert "combinations  infinitely many\n" in shown
    assert shown.endswith("TPE learns: the other 1 trial depends on the results of these.\n")


def _trials(count: int) -> str:
    return "".join([f"{'TRIAL':<7}alpha\n", *(f"{number:<7}{number + 1}\n" for number in range(count))])


# --- run --------------------------------------------------------------------------------------------------------------


def spec_of(**changes: Any) -> TuningJobSpec:
    """A search for two objectives, unless changed."""
    return search_document(secondary=True).spec.model_copy(update=changes)


ON_FOLDS = TuningJobSpec.model_validate(
    {
        "objective": {"metric": "rmse"},
        "parameters": [RANGE],
        "maxTrials": 9,
        "pruning": {"name": "PairedFolds"},
        "template": {
            "dataset": {"uri": "table.csv", "target": "b"},
            "model": {"ridge": {}},
            "evaluation": {"crossValidation": {"folds": 5}},
        },
    }
)


def test_a_pruned_trial_says_where_it_stopped() -> None:
    pruned = Entry(1, {ALPHA: 2.0}, "Pruned", 0.77778, ((1, 0.8), (2, 0.77778)), seconds=1.1)
    said = describe_search(TrialEnded(pruned, "rmse"), ON_FOLDS)
    assert said == "trial 1: pruned after fold 2: rmse 0.77778 in 1.1 s  alpha 2"
    network = search_document().spec
    said = describe_search(TrialEnded(replace(pruned, values={}), "accuracy"), network)
    assert said == "trial 1: pruned after epoch 2: accuracy 0.77778 in 1.1 s  "


def test_with_two_objectives_both_are_said() -> None:
    entry = Entry(3, {}, "Complete", 0.97, secondary=4700.0, seconds=2.0)
    assert describe_search(TrialEnded(entry, "accuracy"), spec_of()).strip() == (
        "trial 3: accuracy 0.97, 4,700 bytes in 2.0 s"
    )
    assert describe_search(NewBest(entry, "accuracy"), spec_of()) == "trial 3: the best accuracy so far"
    assert describe_search(NewBest(entry, "accuracy"), search_document().spec) == "trial 3: the best so far"


def test_a_search_that_goes_on_says_how_far_it_is() -> None:
    written = io.StringIO()
    lines = SearchLines(Console(file=written), search_document().spec)
    entries = search_document().entries
    lines.report(SearchStarted("digits-search", entries[:4], 30, ""))
    lines.report(SearchStarted("digits-search", (), 30, "it begins anew: changed: algorithm"))
    assert written.getvalue().splitlines() == [
        "search: 4 of 30 trials finished",
        "search: it begins anew: changed: algorithm",
    ]
    cut = search_document().spec.model_copy(update={"max_trials": 1})
    assert describe_search(SearchStarted("digits-search", entries[:2], 1, ""), cut) == (
        "search: 2 trials finished, maxTrials is 1 now"
    )


def test_the_live_table_names_the_class_that_a_metric_is_of() -> None:
    spec = search_document().spec
    objective = spec.objective.model_copy(update={"given_metric": "f1", "label": "yes"})
    console = Console(file=io.StringIO(), width=120)
    board = Board(console, spec.model_copy(update={"objective": objective}))
    board.report(SearchStarted("digits-search", search_document().entries[:4], 30, ""))
    with console.capture() as shown:
        console.print(board.render())
    assert " f1[yes] " in shown.get()


def test_what_ran_when_the_search_ended_is_stopped() -> None:
    console = Console(file=io.StringIO(), width=120)
    board = Board(console, search_document().spec)
    board.report(TrialStarted(1, {}, is_packed=False))
    board.report(RunEnded("j", "Interrupted", "interrupted", 130, 1.0, ""))
    with console.capture() as shown:
        console.print(board.render())
    assert "1 stopped" in shown.get() and re.search(r"trial 1  0:00  stopped", shown.get())


def test_the_summary_has_the_secondary_objective_with_its_unit_and_the_front(tmp_path: Path) -> None:
    best = Entry(5, {}, "Complete", 0.97, secondary=4700.0)
    found = {"best": best_to_json(best, "accuracy"), "trials": counts_of({5: best})}
    assert best_lines(found | {"front": [5, 3]}, "Size") == [
        "best        trial 5: accuracy 0.97, 4,700 bytes",
        "trials      1: 1 complete",
        "front       2 trials: 3, 5",
    ]
    assert best_lines(found | {"front": [5]}, "Latency")[0] == "best        trial 5: accuracy 0.97, 4,700 us/row"
    assert best_lines(found | {"front": [5]}, "Size")[-1] == "front       1 trial: 5"
    assert best_lines(found)[0] == "best        trial 5: accuracy 0.97" and len(best_lines(found)) == 2

    file = write_search(tmp_path)
    manifest = load_manifest(file)
    assert isinstance(manifest, TuningJob)
    ended = RunEnded("ridges", "Succeeded", "all is known", 0, 1.0, "", found | {"front": [5]})
    assert "front       1 trial: 5" in search_summary(ended, LocalSearch.of(manifest, file))


def test_the_status_of_a_search_on_a_cluster_says_the_same() -> None:
    status = TuningJobStatus.model_validate(
        {
            "phase": "Searching",
            "metric": "accuracy 0.97",
            "trials": {"created": 2, "complete": 2},
            "best": {"trial": 5, "value": 0.97, "secondary": 4700.0, "parameters": {}},
            "front": [5, 3],
        }
    )
    assert trial_lines(status, "Size") == [
        "trials      2 created: 2 complete",
        "best        trial 5: accuracy 0.97, 4,700 bytes",
        "front       2 trials: 3, 5",
    ]


# --- trials -----------------------------------------------------------------------------------------------------------


def table_of(document: SearchDocument) -> list[str]:
    """What `trials` prints of a search."""
    return lines_of(document, document.entries)


def test_the_table_says_where_a_pruned_trial_stopped_and_has_it_after_the_complete_ones(tmp_path: Path) -> None:
    complete = [Entry(number, {ALPHA: 1.0}, "Complete", 3.0 + number, seconds=2) for number in range(2)]
    entries = (complete[0], Entry(2, {ALPHA: 2.0}, "Pruned", 0.1, ((1, 0.2), (2, 0.0)), seconds=1), complete[1])
    document = SearchDocument("ridges", ON_FOLDS, entries, "")
    (tmp_path / "search.json").write_text(json.dumps(document.to_json()))
    shown = CliRunner().invoke(app, ["trials", str(tmp_path)])
    assert shown.exit_code == 0
    assert [line.split("  ")[0] for line in shown.output.splitlines()[1:4]] == ["0", "1", "2"]
    assert "Pruned after fold 2" in shown.output
    as_csv = CliRunner().invoke(app, ["trials", str(tmp_path), "-o", "csv"]).output.splitlines()
    assert as_csv[0] == f"trial,state,rmse,epoch,seconds,{ALPHA},reason"
    assert as_csv[3].startswith("2,Pruned,0.1,")


@pytest.mark.parametrize(("second", "what"), [("Size", "size"), ("Latency", "latency")])
def test_the_front_is_said_of_what_it_is_and_of_one_trial_in_the_singular(second: str, what: str) -> None:
    document = search_document(secondary=True)
    objective = document.spec.objective.model_copy(update={"secondary": second})
    document = replace(document, spec=spec_of(objective=objective))
    one = replace(document, entries=document.entries[2:3])
    assert f"on the front of accuracy and {what}: 1 trial: 2" in table_of(one)
    (line,) = (line for line in table_of(document) if "on the front" in line)
    numbers = [int(number) for number in line.rpartition(": ")[2].split(", ")]
    assert len(numbers) > 1 and f": {len(numbers)} trials: " in line and numbers == sorted(numbers)


def test_the_table_counts_what_is_answered() -> None:
    document = search_document()
    assert any(line.startswith("30 of 30 trials finished: 28 complete, 1 pruned") for line in table_of(document))
    cut = replace(document, spec=document.spec.model_copy(update={"max_trials": 20}))
    assert any(line.startswith("30 trials finished, maxTrials is 20 now: ") for line in table_of(cut))


@pytest.mark.parametrize("name", ["search.json", "search.0a1b2c3d.json"])
def test_a_log_is_read_by_its_file(tmp_path: Path, name: str) -> None:
    document = search_document()
    (tmp_path / name).write_text(json.dumps(document.to_json()))
    assert find_search(str(tmp_path / name), None, None).entries == document.entries


def test_a_folder_without_a_search_is_said_to_have_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no search in the folder .*: neither .*search\.json nor"):
        find_search(str(tmp_path), None, None)


def test_a_name_that_is_no_folder_is_said_to_be_meant_as_one_on_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(SteelyardError) as caught:
        find_search("ridges", None, None)
    assert caught.value.message.startswith(
        "there is no file or folder ridges here, so a TuningJob on a cluster is meant"
    )
    assert "no cluster can be found" in caught.value.message and caught.value.exit_code == 78
    with pytest.raises(SteelyardError) as caught:
        find_search("ridges", "mine", None)
    assert caught.value.message.startswith("no cluster can be found")


# --- export-study -----------------------------------------------------------------------------------------------------


def test_one_exported_trial_is_one(tmp_path: Path) -> None:
    document = search_document()
    one = replace(document, entries=document.entries[:1])
    (tmp_path / "search.json").write_text(json.dumps(one.to_json()))
    shown = CliRunner().invoke(app, ["export-study", str(tmp_path), str(tmp_path / "study.db")])
    assert shown.exit_code == 0, shown.exception
    assert shown.output.startswith("1 trial of digits-search in ")


def told(*entries: Entry, metric: str = "rmse") -> tuple[str, dict[str, Any]]:
    """The line of `trials` about the best one, and the same as JSON."""
    objective = Objective.model_validate({"metric": metric})
    document = SearchDocument("hunt", search_document().spec.model_copy(update={"objective": objective}), entries)
    (line,) = (line for line in lines_of(document, list(entries)) if line.startswith("best: "))
    return line, to_json(document, list(entries))


def test_trials_tells_the_standard_error_and_how_many_lie_within_it_of_the_best() -> None:
    values = [3.0, 2.5, 2.7, 2.71, 9.0]
    entries = [Entry(number, {}, "Complete", value, standard_error=0.2) for number, value in enumerate(values)]
    pruned, failed = Entry(5, {}, "Pruned", 2.6), Entry(6, {}, "Failed", reason="lost")
    line, document = told(*entries, pruned, failed)
    assert line == "best: trial 1, rmse 2.5 ± 0.2; within one standard error of it: 1 other trial"
    assert (document["standardError"], document["withinStandardError"]) == (0.2, [2])
    assert [trial.get("standardError") for trial in document["trials"]] == [0.2] * 5 + [None, None]
    # More is better.
    entries = [replace(entry, standard_error=6.4) for entry in entries]
    line, document = told(*entries, metric="r2")
    assert line == "best: trial 4, r2 9 ± 6.4; within one standard error of it: 3 other trials"
    assert document["withinStandardError"] == [0, 2, 3]


def test_the_standard_error_of_folds_is_that_of_their_mean() -> None:
    scores = (0.8, 0.9, 0.7, 0.8)
    entry = Entry(0, {}, "Complete", 0.8, tuple(enumerate(scores, 1)))
    assert told(entry, metric="r2")[1]["standardError"] == pytest.approx(np.std(scores, ddof=1) / 2)
    # A log of an older version has no error.
    line, document = told(Entry(0, {}, "Complete", 0.8))
    assert line == "best: trial 0, rmse 0.8" and document["withinStandardError"] is None


def test_a_standard_error_survives_report_and_log() -> None:
    report = TrialReport(3, "Complete", 0.1234567890123456, standard_error=short_error(0.0123456))
    assert report.to_json()[2] == [0.1234567890123456, 0.012] and TrialReport.from_json(report.to_json()) == report
    entry = Entry.of(report, {})
    assert entry.standard_error == 0.012 and Entry.decode(entry.encode([]), []) == entry
    assert TrialStatus.of(report).report == report
    assert Entry.decode('[3,"C",[],0.5]', []).standard_error is None
    assert short_error(float("nan")) is None
    for line in ('[3,"C",[],[0.5]]', '[3,"C",[],[0.5,"x"]]', '[3,"C",[],[0.5,0.1,2]]'):
        with pytest.raises(ValueError, match="is no entry of this search's log"):
            Entry.decode(line, [])
