"""The local runner of searches with programs of a few lines: order, failures, deadlines, ends."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from search_support import Programs, rates, run_search, tuning_job
from search_watching import COUNT_RUNNING, CRASH, HANG, most_running, when

from steelyard.api.errors import ConfigurationError
from steelyard.api.training_job import TrainingJob
from steelyard.contract.events import RunEnded, StageStarted
from steelyard.contract.stages import Notice
from steelyard.search.events import (
    NewBest,
    SearchEnded,
    TrialEnded,
)
from steelyard.tuning.trials import trial_job


def test_the_data_is_prepared_once_the_trials_run_and_the_best_is_published(tmp_path: Path) -> None:
    programs = Programs()
    # One at a time, as of two either may end first.
    run = run_search(tmp_path, tuning_job(tmp_path, parallelTrials=1), programs)
    assert run.error is None
    assert programs.started[0] == "prepare" and programs.started[-1] == "finish"
    assert sorted(programs.started[1:-1]) == [f"{number:04}" for number in range(6)]
    assert [entry.values["training.optimizer.learningRate"] for entry in run.entries] == [
        0.01, 0.02, 0.03, 0.04, 0.05, 0.06
    ]  # fmt: skip
    assert [event.entry.number for event in run.of(NewBest)] == [0, 1, 2]
    (ended,) = run.of(SearchEnded)
    assert (ended.reason, ended.best["trial"], ended.best["value"]) == ("Succeeded", 2, 1.0)
    assert ended.trials == {"created": 6, "running": 0, "complete": 6, "pruned": 0, "failed": 0, "repeated": 0}
    assert run.events[-1] == run.of(RunEnded)[0] and run.events[-1].summary["chosen"] == "Int8"
    assert (tmp_path / "models/search/SHA256SUMS").exists()
    # Only the best trial's model is kept, and the last job begins with it.
    trials = tmp_path / ".steelyard/search/trials"
    assert [path.parent.name for path in trials.glob("*/trained")] == ["0002"]
    best = json.loads((tmp_path / ".steelyard/search/best/job.json").read_text())["spec"]
    assert best["trained"] == {"uri": ".steelyard/search/trials/0002/trained"}
    assert best["dataset"]["uri"] == ".steelyard/search/data/prepared"
    handed = json.loads(Path(programs.environments[-1]["STEELYARD_SEARCH_FILE"]).read_text())
    assert (handed["name"], len(handed["log"])) == ("search", 6)
    assert all("STEELYARD_SEARCH_FILE" not in each for each in programs.environments[:-1])


def test_trials_run_as_many_at_a_time_as_the_manifest_says_and_share_the_processors(tmp_path: Path) -> None:
    programs = Programs()
    programs.train = COUNT_RUNNING + programs.train
    tuning = tuning_job(tmp_path, parallelTrials=3)
    assert run_search(tmp_path, tuning, programs).error is None
    assert most_running(tmp_path) == 3
    threads = max(1, len(os.sched_getaffinity(0)) // 3)
    assert {each["STEELYARD_THREADS"] for each in programs.environments[1:-1]} == {str(threads)}


def test_a_failed_trial_is_in_the_log_with_its_reason_and_too_many_fail_the_search(tmp_path: Path) -> None:
    programs = Programs()
    failing = "number, value = answer(job)\nif number in (1, 2): end(65, 'InvalidData', 'column b is bad')\n"
    programs.train = failing + programs.train
    run = run_search(tmp_path, tuning_job(tmp_path), programs)
    assert run.error is None
    assert [entry.state for entry in run.entries] == [
        "Complete",
        "Failed",
        "Failed",
        "Complete",
        "Complete",
        "Complete",
    ]
    assert run.entries[1].reason == "InvalidData: column b is bad"
    ended = run.of(SearchEnded)[0]
    assert ended.trials["failed"] == 2 and ended.best["trial"] == 3
    (tmp_path / "few").mkdir()
    few = run_search(tmp_path / "few", tuning_job(tmp_path / "few", maxFailedTrials=1, parallelTrials=1), programs)
    assert few.error is not None and few.error.reason == "TooManyFailedTrials"
    assert "column b is bad" in few.error.message and len(few.entries) == 3
    assert not (tmp_path / "few/models").exists()


def test_a_trial_that_crashes_is_started_again_as_often_as_the_template_says(tmp_path: Path) -> None:
    programs = Programs()
    program = f"""
mark = workspace / "crashed"
if not mark.exists():
    mark.touch(); {CRASH}
"""
    programs.train = program + programs.train
    assert run_search(tmp_path, tuning_job(tmp_path), programs).error is None
    assert programs.started.count("0000") == 2
    (tmp_path / "never").mkdir()
    tuning = tuning_job(tmp_path / "never", template={"runPolicy": {"backoffLimit": 0}}, maxFailedTrials=0)
    run = run_search(tmp_path / "never", tuning, programs)
    assert run.error is not None and run.error.reason == "TooManyFailedTrials"
    assert run.entries[0].reason.startswith("BackoffLimitExceeded: train crashed once")
    assert "SIGKILL" in run.of(TrialEnded)[0].reason


def test_a_pruned_trial_has_not_failed_and_is_not_the_best(tmp_path: Path) -> None:
    programs = Programs()
    programs.train = programs.train.replace(
        "report(number, value)", "report(number, value, 'P' if number % 2 else 'C')"
    )
    run = run_search(tmp_path, tuning_job(tmp_path, parameters=rates(3), maxTrials=3), programs)
    assert run.error is None
    assert [entry.state for entry in run.entries] == ["Complete", "Pruned", "Complete"]
    assert run.of(SearchEnded)[0].trials["pruned"] == 1
    programs.train = programs.train.replace("'P' if number % 2 else 'C'", "'P'")
    none = run_search(tmp_path, tuning_job(tmp_path, parameters=rates(2), maxTrials=2), programs)
    assert none.error is not None and none.error.reason == "NoAnswer" and "2 pruned" in none.error.message


def test_nothing_is_published_where_the_template_says_so(tmp_path: Path) -> None:
    programs = Programs()
    run = run_search(tmp_path, tuning_job(tmp_path, template={"publish": []}), programs)
    assert run.error is None and "finish" not in programs.started
    assert run.events[-1].summary["best"]["trial"] == 2
    again = run_search(tmp_path, tuning_job(tmp_path, template={"publish": []}), Programs())
    assert again.events[-1].reason == "AlreadyFinished"


def test_a_search_ends_where_it_is_good_enough_or_knows_everything(tmp_path: Path) -> None:
    objective = {"metric": "accuracy", "target": 0.9999}
    run = run_search(tmp_path, tuning_job(tmp_path, objective=objective, parallelTrials=1), Programs())
    assert run.of(SearchEnded)[0].reason == "TargetReached" and len(run.entries) == 2
    (tmp_path / "all").mkdir()
    run = run_search(tmp_path / "all", tuning_job(tmp_path / "all", maxTrials=50), Programs())
    assert run.of(SearchEnded)[0].reason == "SpaceExhausted" and len(run.entries) == 6


def test_the_summary_of_two_objectives_names_the_front(tmp_path: Path) -> None:
    programs = Programs()
    # The smaller the rate, the smaller the model: of six trials those up to the best are not beaten.
    programs.train = programs.train.replace(
        "report(number, value)", "report(number, value, 'C', 0.1, job['spec']['training']['optimizer']['learningRate'])"
    )
    tuning = tuning_job(
        tmp_path,
        objective={"metric": "accuracy", "secondary": "Size"},
        algorithm={"name": "NSGA-II"},
        template={"compression": {}},
    )
    run = run_search(tmp_path, tuning, programs)
    assert run.error is None
    rates_of_front = {
        entry.values["training.optimizer.learningRate"]
        for entry in run.entries
        if entry.number in run.events[-1].summary["front"]
    }
    assert rates_of_front == {0.01, 0.02, 0.03}


def test_trials_and_searches_that_take_too_long_are_ended(tmp_path: Path) -> None:
    programs = Programs()
    programs.train = f"number, value = answer(job)\nif number == 0: {HANG}\n" + programs.train
    run = run_search(tmp_path, tuning_job(tmp_path, trialDeadlineSeconds=1), programs)
    assert run.error is None
    assert run.entries[0].reason.startswith("DeadlineExceeded") and "trialDeadlineSeconds" in run.entries[0].reason
    assert run.of(SearchEnded)[0].trials["failed"] == 1
    (tmp_path / "late").mkdir()
    tuning = tuning_job(tmp_path / "late", runPolicy={"activeDeadlineSeconds": 2})
    late = run_search(tmp_path / "late", tuning, programs)
    assert late.error is not None and (late.error.reason, late.error.exit_code) == ("DeadlineExceeded", 1)
    assert late.events[-1].reason == "DeadlineExceeded"


def test_a_search_that_is_to_be_suspended_does_not_begin(tmp_path: Path) -> None:
    programs = Programs()
    run = run_search(tmp_path, tuning_job(tmp_path, runPolicy={"suspend": True}), programs)
    assert run.error is not None and "spec.runPolicy.suspend" in run.error.message
    assert programs.started == [] and not (tmp_path / ".steelyard").exists()


def test_a_search_starts_from_what_another_one_has_found(tmp_path: Path) -> None:
    first = run_search(tmp_path, tuning_job(tmp_path, maxTrials=3), Programs())
    other = tuning_job(tmp_path, name="other", warmStart={"tuningJob": "search"}, maxTrials=3)
    programs = Programs(finish=Programs().finish.replace("search", "other"))
    run = run_search(tmp_path, other, programs)
    assert run.error is None
    asked_by_other = run.entries
    asked = [entry.values for entry in asked_by_other]
    assert len(asked) == 3 and all(entry.values not in asked for entry in first.entries)
    # When nothing else is left, what is known already is not tried again.
    whole = tuning_job(tmp_path, name="whole", warmStart={"tuningJob": "other"}, maxTrials=6)
    programs = Programs(finish=Programs().finish.replace("search", "whole"))
    run = run_search(tmp_path, whole, programs)
    assert run.error is None
    assert [entry.state for entry in run.entries] == ["Complete"] * 3 + ["Repeated"] * 3
    assert {json.dumps(entry.values): entry.value for entry in run.entries[3:]} == {
        json.dumps(entry.values): entry.value for entry in asked_by_other
    }
    assert len([name for name in programs.started if name.isdecimal()]) == 3
    late = tuning_job(tmp_path, name="late", warmStart={"tuningJob": "other"})
    (tmp_path / "table.csv").write_text("a,b,label\n" + "1,2,yes\n3,4,no\n" * 30)
    old = run_search(tmp_path, late, Programs())
    assert old.error is not None and "the data has changed since the search 'other'" in old.error.message
    gone = tuning_job(tmp_path, name="third", warmStart={"tuningJob": "gone"})
    missing = run_search(tmp_path, gone, Programs())
    assert missing.error is not None and "spec.warmStart.tuningJob" in missing.error.message


def test_data_that_is_bad_fails_the_search_before_any_trial(tmp_path: Path) -> None:
    programs = Programs(prepare="end(65, 'InvalidData', 'there is no column label')")
    run = run_search(tmp_path, tuning_job(tmp_path), programs)
    assert run.error is not None and (run.error.exit_code, run.error.message) == (65, "there is no column label")
    assert programs.started == ["prepare"] and run.of(StageStarted)[0].stage == "prepare"


def test_two_runs_do_not_share_a_workspace_and_other_folders_are_left_alone(tmp_path: Path) -> None:
    seen = []

    def second() -> None:
        seen.append(run_search(tmp_path, tuning_job(tmp_path), Programs()).error)

    assert run_search(tmp_path, tuning_job(tmp_path), Programs(), watch=when(TrialEnded, 0, second)).error is None
    assert seen[0] is not None and seen[0].reason == "WorkspaceInUse"
    foreign = tmp_path / "foreign"
    (foreign / ".steelyard/search").mkdir(parents=True)
    (foreign / ".steelyard/search/thesis.txt").touch()
    refused = run_search(foreign, tuning_job(foreign), Programs())
    assert refused.error is not None and "thesis.txt" in refused.error.message


def test_values_that_make_no_job_fail_their_trial_with_the_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As may be found too late where there are too many combinations to look at all of them beforehand."""

    def refuse(*given: Any) -> TrainingJob:
        if given[1] == 1:
            raise ConfigurationError("spec.training.optimizer.momentum: Adam has no such setting")
        return trial_job(*given)

    monkeypatch.setattr("steelyard.local.tuning.suggestions.trial_job", refuse)
    run = run_search(tmp_path, tuning_job(tmp_path, maxTrials=3), Programs())
    assert [entry.state for entry in run.entries] == ["Complete", "Failed", "Complete"]
    assert "momentum" in run.entries[1].reason and run.error is None


def test_what_a_trial_says_is_told_with_its_number(tmp_path: Path) -> None:
    programs = Programs()
    programs.train = "say(event='notice', stage=stage, message='half', reason='Resumed')\n" + programs.train
    run = run_search(tmp_path, tuning_job(tmp_path, maxTrials=2), programs)
    told = {event.number: event.told for event in run.events if type(event).__name__ == "TrialTold"}
    assert told == {0: Notice("train", "half", "Resumed", 0), 1: Notice("train", "half", "Resumed", 0)}
