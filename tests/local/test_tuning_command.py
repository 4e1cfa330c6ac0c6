"""`steelyard run` of a TuningJob as a user runs it: real trials of scikit-learn and of TensorFlow."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from process_support import wait_for_none_under

COMMAND = [sys.executable, "-m", "steelyard.cli.main"]
GENEROUS_SECONDS = 300


def write_search(folder: Path, template: dict[str, Any], **spec: Any) -> Path:
    """A manifest in a folder of its own."""
    folder.mkdir(exist_ok=True)
    manifest = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": "search"},
        "spec": {"objective": {"metric": "accuracy"}, **spec, "template": template},
    }
    path = folder / "search.yaml"
    path.write_text(json.dumps(manifest))
    return path


def forests(folder: Path, *, trees: int = 1, **spec: Any) -> Path:
    """Six forests on three folds of the wines: of so many trees, and of two and four times as many."""
    template = {
        "dataset": {"uri": "sklearn:wine", "target": "target"},
        "model": {"randomForest": {"minSamplesLeaf": 8}},
        "training": {"seed": 42},
        "evaluation": {"crossValidation": {"folds": 3}},
        "publish": [],
    }
    parameters = [
        {"path": "model.randomForest.nEstimators", "type": "Categorical", "values": [trees, 2 * trees, 4 * trees]},
        {"path": "model.randomForest.maxDepth", "type": "Categorical", "values": [None, 1]},
    ]
    search = {"algorithm": {"name": "Grid"}, "parameters": parameters, "maxTrials": 6, "parallelTrials": 2}
    return write_search(folder, template, **search | spec)


def steelyard(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Runs the command to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=GENEROUS_SECONDS, check=False
    )


def run(manifest: Path, *arguments: str) -> list[dict[str, Any]]:
    """The events of a run that succeeds."""
    done = steelyard("run", manifest, "-o", "json", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def run_until(manifest: Path, number: int, kind: str) -> int:
    """Runs until the first event of a kind, then sends a signal; the exit code. Every line must be an event."""
    command = [*COMMAND, "run", str(manifest), "-o", "json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == kind:
            process.send_signal(number)
            break
    process.communicate(timeout=GENEROUS_SECONDS)
    assert wait_for_none_under(manifest.parent, seconds=5) == []
    return process.returncode


def log_of(manifest: Path) -> list[dict[str, Any]]:
    """The trials of a search by number, without their times, as `steelyard trials` has them."""
    shown = steelyard("trials", manifest, "-o", "json", "--sort", "number")
    assert shown.returncode == 0, shown.stderr
    trials: list[dict[str, Any]] = json.loads(shown.stdout)["trials"]
    return [{key: value for key, value in trial.items() if key != "seconds"} for trial in trials]


def test_forests_have_the_same_scores_packed_and_not_and_after_any_interruption(tmp_path: Path) -> None:
    packed = forests(tmp_path / "packed", placement="Packed")
    events = run(packed)
    kinds = [event["event"] for event in events]
    assert kinds.count("trialStarted") == kinds.count("trialEnded") == 6
    assert kinds.index("searchStarted") < kinds.index("trialStarted") < kinds.index("searchEnded") < len(kinds) - 1
    assert (kinds[-1], events[-1]["reason"]) == ("runEnded", "Succeeded")
    expected = log_of(packed)
    assert [trial["trial"] for trial in expected] == list(range(6))
    assert all(len(trial["steps"]) == 3 for trial in expected)
    assert len({trial["value"] for trial in expected}) > 1
    assert [path.name for path in (tmp_path / "packed/.steelyard/search").iterdir() if path.name == "trials"] == []

    apart = forests(tmp_path / "apart", placement="Pods")
    assert run_until(apart, signal.SIGINT, "trialEnded") == 130
    assert run_until(apart, signal.SIGKILL, "trialEnded") == -signal.SIGKILL
    run(apart)
    assert log_of(apart) == expected
    again = run(apart)
    assert [event["event"] for event in again if event["event"].startswith("trial")] == []
    assert again[-1]["reason"] == "AlreadyFinished"


def test_the_best_of_trials_on_folds_is_published_wherever_they_ran(tmp_path: Path) -> None:
    """Trials on folds leave no model: it is fitted for the search."""
    template = {
        "dataset": {"uri": "sklearn:diabetes", "target": "target"},
        "model": {"ridge": {}},
        "evaluation": {"crossValidation": {"folds": 3}},
        "publish": [{"uri": "model"}],
    }
    parameters = [{"path": "model.ridge.alpha", "type": "Double", "min": 0.01, "max": 10, "log": True}]
    metrics = []
    for placement in ("Pods", "Packed"):
        manifest = write_search(
            tmp_path / placement,
            template,
            objective={"metric": "rmse"},
            algorithm={"name": "QMC"},
            parameters=parameters,
            maxTrials=2,
            placement=placement,
        )
        assert run(manifest)[-1]["reason"] == "Succeeded"
        assert steelyard("verify", manifest.parent / "model").returncode == 0
        report = json.loads((manifest.parent / "model/steelyard.json").read_text())
        metrics.append(report["metrics"])
    assert metrics[0] == metrics[1]


def test_a_search_that_learns_asks_the_same_of_one_process_as_of_many(tmp_path: Path) -> None:
    """Auto: two trials of their own, then rounds of two for a process that stays."""
    logs = []
    for placement in ("Packed", "Auto"):
        manifest = forests(
            tmp_path / placement, placement=placement, algorithm={"name": "TPE", "startupTrials": 2}, maxTrials=5
        )
        events = run(manifest)
        started = [event["placement"] for event in events if event["event"] == "trialStarted"]
        assert started == (["Packed"] * 5 if placement == "Packed" else ["Pods"] * 2 + ["Packed"] * 3)
        assert len(list((manifest.parent / ".steelyard/search/packs").iterdir())) == 1
        logs.append(log_of(manifest))
    assert logs[0] == logs[1] and len(logs[0]) == 5


def test_a_pack_keeps_what_it_has_answered_when_interrupted(tmp_path: Path) -> None:
    """The forests of three numbers of trees are grown together; those of the other depth follow, for seconds."""
    manifest = forests(tmp_path / "packed", trees=200, placement="Packed", parallelTrials=1)
    assert run_until(manifest, signal.SIGINT, "trialEnded") == 130
    assert len(log_of(manifest)) == 3
    run(manifest)
    assert len(log_of(manifest)) == 6


def test_networks_on_hyperbands_ladders_have_the_same_log_packed_and_not(tmp_path: Path) -> None:
    """The best one's model, which it has left in its pack, is published as it is."""
    template = {
        "dataset": {"uri": "sklearn:wine", "target": "target"},
        "model": {"mlp": {"hiddenUnits": [8], "dropout": 0.2}},
        "training": {"epochs": 4},
    }
    # Trial 3 is on the first trial's ladder.
    rates = [0.03, 0.003, 0.01, 0.0000001]
    parameters = [{"path": "training.optimizer.learningRate", "type": "Categorical", "values": rates}]
    logs = []
    for placement, compression in (("Packed", {"candidates": ["DynamicRange"], "maxMetricDrop": 0.5}), ("Pods", None)):
        manifest = write_search(
            tmp_path / placement,
            {**template, **({"compression": compression} if compression else {"publish": []})},
            parameters=parameters,
            algorithm={"name": "Grid"},
            pruning={"name": "Hyperband", "graceEpochs": 1, "reductionFactor": 2},
            maxTrials=4,
            parallelTrials=1,
            placement=placement,
        )
        run(manifest)
        logs.append(log_of(manifest))
    assert logs[0] == logs[1]
    assert [trial["state"] for trial in logs[0]] == ["Complete", "Complete", "Complete", "Pruned"]
    best = tmp_path / "Packed/.steelyard/search/best"
    assert not (best / "trained").exists() and [path.name for path in (best / "logs").iterdir()] == ["finish-0.log"]
    assert steelyard("verify", tmp_path / "Packed/models/search").returncode == 0


def test_a_search_of_networks_prunes_and_publishes_the_best_compressed(tmp_path: Path) -> None:
    template = {
        "dataset": {"uri": "sklearn:digits", "target": "target"},
        "model": {"mlp": {"hiddenUnits": [64]}},
        "training": {"epochs": 4},
        "evaluation": {"require": [{"metric": "accuracy", "minimum": 0.5}]},
        "compression": {"candidates": ["Int8"], "maxMetricDrop": 0.5},
    }
    rates = {"path": "training.optimizer.learningRate", "type": "Categorical", "values": [0.01, 0.00001]}
    manifest = write_search(
        tmp_path / "networks",
        template,
        parameters=[rates],
        algorithm={"name": "Grid"},
        pruning={"name": "SuccessiveHalving", "graceEpochs": 1, "reductionFactor": 2},
        maxTrials=2,
    )
    done = steelyard("run", manifest)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" and "Traceback" not in done.stdout
    assert "trial 1: pruned after epoch 1: " in done.stdout and "Int8" in done.stdout
    assert "training.optimizer.learningRate: 0.01" in done.stdout
    first, second = log_of(manifest)
    assert (first["state"], second["state"]) == ("Complete", "Pruned")
    assert [step for step, _ in second["steps"]] == [1] and first["value"] > second["value"]
    model = tmp_path / "networks/models/search"
    assert steelyard("verify", model).returncode == 0
    # The trial's own model was taken as it is: none was trained again.
    best = tmp_path / "networks/.steelyard/search/best"
    assert not (best / "trained").exists() and [path.name for path in (best / "logs").iterdir()] == ["finish-0.log"]
    # What was published has the search with it.
    shown = steelyard("trials", model)
    assert shown.returncode == 0, shown.stderr
    assert "best: trial 0" in shown.stdout


def test_what_is_wrong_is_said_before_anything_starts(tmp_path: Path) -> None:
    manifest = forests(tmp_path / "wrong")
    for setting, words in (
        ("parallelTrials=7", "parallelTrials"),
        ("runPolicy.suspend=true", "suspend"),
    ):
        done = steelyard("run", manifest, "--set", setting, "-o", "json")
        assert done.returncode == 78, setting
        assert words in done.stderr and "Traceback" not in done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["event"] == "runEnded"
    assert not (tmp_path / "wrong/.steelyard").exists()
    # What the data's task is, only the data says.
    done = steelyard("run", manifest, "--set", "objective.metric=rmse")
    assert done.returncode == 78 and "spec.objective.metric: rmse is no metric of Classification" in done.stderr
    assert "trial 0" not in done.stdout
    none = steelyard("trials", tmp_path)
    assert none.returncode == 78 and "there is no search" in none.stderr


@pytest.mark.parametrize("folder", ["forest-search", "digits-search"])
def test_an_example_is_planned_without_being_run(tmp_path: Path, folder: str) -> None:
    example = Path(__file__).parents[2] / "examples" / folder / "tuning-job.yaml"
    shown = steelyard("plan", example, "--workspace", tmp_path / "none")
    assert shown.returncode == 0, shown.stderr
    assert "PARAMETER" in shown.stdout and "TRIAL" in shown.stdout
    assert not (tmp_path / "none").exists()
    planned = json.loads(steelyard("plan", example, "--workspace", tmp_path / "none", "-o", "json").stdout)
    assert len(planned["trials"]) == (10 if folder == "forest-search" else 3)
