"""A pack answers its trials as each would alone, bit for bit; once each, whatever fails or ends on the way."""

import itertools
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from pack_support import GENEROUS_SECONDS, Pack, trial_on
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn_support import EstimatorJob

from steelyard.api.loading import parse_training_job
from steelyard.contract.stages import RESULT_LIMIT_BYTES, Env, ExitCode, Reason
from steelyard.contract.trial_report import TrialReport
from steelyard.contract.workspace import Workspace
from steelyard_trainer.contract import StageContext
from steelyard_trainer.families.sklearn.train import train_estimator

GRID = {"n_estimators": [3, 6], "max_depth": [None, 4, 30], "min_samples_split": [2, 10]}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> EstimatorJob:
    return EstimatorJob.on(tmp_path_factory.mktemp("sets") / "digits", {"uri": "sklearn:digits", "target": "target"})


def trial(job: EstimatorJob, number: int, model: dict[str, Any], **asked: Any) -> dict[str, Any]:
    return trial_on(job.workspace.prepared, number, model, **asked)


def forest(combination: dict[str, Any]) -> dict[str, Any]:
    names = {"n_estimators": "nEstimators", "max_depth": "maxDepth", "min_samples_split": "minSamplesSplit"}
    return {"randomForest": {names[name]: value for name, value in combination.items() if value is not None}}


def test_a_grid_of_forests_is_grid_search_cv_bit_for_bit(digits: EstimatorJob, tmp_path: Path) -> None:
    combinations = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    pack = Pack(tmp_path / "pack", [trial(digits, n, forest(each)) for n, each in enumerate(combinations)])
    assert pack.run() == ExitCode.DONE, pack.log.read_text()

    rows = np.sort(np.concatenate([digits.prepared.read(split).rows for split in ("train", "validation")]))
    features, targets = load_digits(return_X_y=True)
    search = GridSearchCV(RandomForestClassifier(random_state=42), GRID, cv=5, refit=False)
    found = search.fit(features[rows], targets[rows]).cv_results_
    reports = pack.reports()
    assert len(reports) == len(combinations) == 12
    for number, combination in enumerate(combinations):
        place = found["params"].index(combination)
        assert reports[number].value == found["mean_test_score"][place]
        assert [value for _, value in reports[number].steps] == [
            found[f"split{fold}_test_score"][place] for fold in range(5)
        ]
    # No tree of these rows is 30 deep: the forests that nothing bounds have answered for those, but where two processes
    # came to both at the same time.
    spared = [reports[number].seconds for number, each in enumerate(combinations) if each["max_depth"] == 30]
    grown = [reports[number].seconds for number, each in enumerate(combinations) if each["max_depth"] is None]
    assert sum(spared) < sum(grown) / 2
    result = pack.result()
    assert (result.stage, result.key, result.reason) == ("pack", "key", Reason.SUCCEEDED)
    assert [TrialReport.from_json(each) for each in result.summary["trials"]] == [reports[n] for n in range(12)]


MIXED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"randomForest": {"nEstimators": 4}}, {}),
    ({"randomForest": {"nEstimators": 7}}, {}),
    ({"randomForest": {"nEstimators": 4}}, {"folds": None}),
    ({"randomForest": {"nEstimators": 7}}, {"folds": None}),
    ({"randomForest": {"nEstimators": 7}}, {"metric": "logLoss", "goal": "Minimize"}),
    ({"randomForest": {"nEstimators": 7}}, {"limits": [{"step": 2, "value": 1.0}]}),
    ({"logisticRegression": {"maxIterations": 20}}, {"folds": 3}),
    ({"nearestNeighbors": {"neighbors": 3}}, {"metric": "macroF1"}),
    ({"gradientBoosting": {"maxIterations": 3}}, {}),
]


def test_every_trial_is_answered_as_it_is_alone(digits: EstimatorJob, tmp_path: Path) -> None:
    trials = [trial(digits, number, model, **asked) for number, (model, asked) in enumerate(MIXED)]
    pack = Pack(tmp_path / "pack", trials)
    assert pack.run() == ExitCode.DONE, pack.log.read_text()
    reports = pack.reports()
    for number, manifest in enumerate(trials):
        workspace = Workspace(tmp_path / f"alone-{number}")
        workspace.root.mkdir()
        alone = StageContext("train", parse_training_job(manifest), workspace, tmp_path, "key", 0)
        expected = TrialReport.from_json(train_estimator(alone).summary["trial"])
        assert replace(reports[number], seconds=0.0) == replace(expected, seconds=0.0)
    assert [reports[number].state for number in range(9)] == ["Complete"] * 5 + ["Pruned"] + ["Complete"] * 3


def test_a_trial_that_fails_says_why_and_the_others_go_on(digits: EstimatorJob, tmp_path: Path) -> None:
    good = trial(digits, 3, {"randomForest": {"nEstimators": 3}})
    typo = trial(digits, 4, {"randomForest": {"trees": 3}})
    network = trial(digits, 5, {"mlp": {}}, folds=None)
    gang = trial(digits, 9, {"mlp": {}}, folds=None)
    gang["spec"]["training"] = {"workers": 2}
    crowd = trial(digits, 6, {"nearestNeighbors": {"neighbors": 5000}})
    elsewhere = trial(digits, 7, {"nearestNeighbors": {}})
    elsewhere["spec"]["dataset"]["uri"] = str(tmp_path / "nowhere")
    task = trial(digits, 8, {"ridge": {}}, metric="r2")
    pack = Pack(tmp_path / "pack", [typo, network, gang, crowd, elsewhere, task, good])
    assert pack.run() == ExitCode.DONE, pack.log.read_text()
    reports = pack.reports()
    assert (reports[3].state, len(reports[3].steps)) == ("Complete", 5)
    assert {number for number, report in reports.items() if report.state == "Failed"} == {4, 5, 6, 7, 8, 9}
    for number, essence in {
        4: "spec.model.randomForest.trees: there is no such field",
        5: "the pack's file names no workspace for trial 5, where its model would go",
        9: "spec.training.workers is 2; a pack takes trials of one worker",
        6: "spec.model.nearestNeighbors.neighbors: 5,000 is more than the 1,149 rows",
        7: "nowhere is no prepared dataset",
        8: "ridge is for Regression, but the task is Classification",
    }.items():
        assert essence in reports[number].reason
        assert "Traceback" not in pack.log.read_text()
    assert pack.result().message == "7 trials: 1 to their end, 0 pruned, 6 failed"


def test_a_pack_that_was_ended_goes_on_with_what_is_left(digits: EstimatorJob, tmp_path: Path) -> None:
    # One process, and forests that are no unit with each other, so that they end one after the other.
    trials = [
        trial(digits, number, {"randomForest": {"nEstimators": 40, "minSamplesLeaf": 1 + number}})
        for number in range(8)
    ]
    pack = Pack(tmp_path / "pack", trials, processes=1)
    process = pack.start()
    deadline = time.monotonic() + GENEROUS_SECONDS
    while len(pack.finished()) < 2:
        assert time.monotonic() < deadline and process.poll() is None, pack.log.read_text()
        time.sleep(0.01)
    children = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGTERM)
    assert process.wait(GENEROUS_SECONDS) == ExitCode.TRY_AGAIN
    assert pack.result().reason == Reason.INTERRUPTED
    _, alive = psutil.wait_procs(children, timeout=10)
    assert children and not alive, "a process of the pack outlived it"
    before = {
        number: (tmp_path / "pack" / "packs" / "key" / f"{number}.json").stat().st_mtime_ns
        for number in pack.finished()
    }
    assert 2 <= len(before) < 8

    assert pack.run() == ExitCode.DONE
    assert pack.reports().keys() == set(range(8))
    for number, made in before.items():
        assert (tmp_path / "pack" / "packs" / "key" / f"{number}.json").stat().st_mtime_ns == made, "done again"


def test_a_process_that_is_killed_fails_its_trial_only(digits: EstimatorJob, tmp_path: Path) -> None:
    trials = [
        trial(digits, number, {"randomForest": {"nEstimators": 40, "minSamplesLeaf": 1 + number}})
        for number in range(4)
    ]
    pack = Pack(tmp_path / "pack", trials, processes=1)
    process = pack.start()
    deadline = time.monotonic() + GENEROUS_SECONDS
    while not pack.finished():
        assert time.monotonic() < deadline and process.poll() is None, pack.log.read_text()
        time.sleep(0.01)
    (child,) = psutil.Process(process.pid).children()
    child.kill()
    assert process.wait(GENEROUS_SECONDS) == ExitCode.DONE
    states = [pack.reports()[number].state for number in range(4)]
    assert sorted(states) == ["Complete"] * 3 + ["Failed"]
    (failed,) = (report for report in pack.reports().values() if report.state == "Failed")
    assert failed.reason == "the process that worked on it was killed by signal 9 (OutOfMemory?)"


def test_a_trial_that_takes_too_long_fails_and_the_others_go_on(digits: EstimatorJob, tmp_path: Path) -> None:
    slow = trial(digits, 0, {"randomForest": {"nEstimators": 10000}})
    slow["spec"]["runPolicy"] = {"activeDeadlineSeconds": 1}
    quick = trial(digits, 1, {"nearestNeighbors": {}})
    pack = Pack(tmp_path / "pack", [slow, quick], processes=1)
    assert pack.run() == ExitCode.DONE, pack.log.read_text()
    reports = pack.reports()
    assert (reports[0].state, reports[1].state) == ("Failed", "Complete")
    assert reports[0].reason == "DeadlineExceeded: it still ran after 1 s (trialDeadlineSeconds)"
    assert reports[0].seconds == 1.0


def test_of_many_trials_the_result_tells_the_values(digits: EstimatorJob, tmp_path: Path) -> None:
    # Grown once, all of them.
    pack = Pack(
        tmp_path / "pack",
        [trial(digits, number, {"randomForest": {"nEstimators": 1 + number}}) for number in range(45)],
    )
    assert pack.run() == ExitCode.DONE, pack.log.read_text()
    assert (pack.folder / "result.json").stat().st_size <= RESULT_LIMIT_BYTES
    told = [TrialReport.from_json(each) for each in pack.result().summary["trials"]]
    reports = pack.reports()
    assert len(reports) == 45
    assert [(each.number, each.value) for each in told] == [(number, reports[number].value) for number in range(40)]


@pytest.mark.parametrize(
    ("content", "processes", "essence"),
    [
        ("{}", "1", "holds no trials (KeyError: 'trials')"),
        ("hello", "1", "holds no trials (JSONDecodeError"),
        ('{"trials": [{"spec": {}}]}', "1", "each with a spec.trial.number"),
        ('{"trials": []}', "none", "STEELYARD_PACK_PROCESSES is 'none'; allowed: a whole number from 1"),
    ],
)
def test_a_pack_that_is_none_is_refused(tmp_path: Path, content: str, processes: str, essence: str) -> None:
    pack = Pack(tmp_path / "pack", [])
    (pack.folder / "pack.json").write_text(content)
    pack.environment[Env.PACK_PROCESSES] = processes
    assert pack.run() == ExitCode.CONFIGURATION
    assert essence in pack.result().message
