"""What else ends a training or sets it back: memory, storage; and trainings of fewer stages."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from process_support import memory_group
from training_support import TrainStage, training_job, wait

from steelyard.api.errors import SteelyardError
from steelyard.contract.stages import ExitCode, Reason
from steelyard.contract.workspace import Workspace
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.finish import finish

# Dies of an input/output error when it puts its first checkpoint in place, and leaves a note of it.
LOST_STORAGE = """
import errno, os, pathlib
rename = pathlib.Path.rename
def lost_once(self, target):
    note = pathlib.Path(os.environ["NOTE"])
    if "step-" in str(target) and not note.exists():
        note.touch()
        raise OSError(errno.EIO, "Input/output error", str(target))
    return rename(self, target)
pathlib.Path.rename = lost_once
"""


def test_memory_that_is_used_up_is_told_from_a_crash(tmp_path):
    stage = TrainStage.prepared(tmp_path / "w", training_job(run_policy={"backoffLimit": 5}))
    with memory_group(256) as group:
        join = ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$0" "$@"', sys.executable]
        assert wait(stage.start(command=join)) == [1]
    assert stage.result().reason == Reason.OUT_OF_MEMORY
    assert "256 MiB" in stage.result().message and "worker 0" in stage.result().message


def test_storage_that_comes_back_is_waited_for_in_place(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(LOST_STORAGE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("NOTE", str(tmp_path / "note"))
    job = training_job(epochs=3, checkpoint={"everySteps": 5}, run_policy={"backoffLimit": 0})
    stage = TrainStage.prepared(tmp_path / "w", job)
    assert stage.run() == [0]
    assert (tmp_path / "note").exists()
    assert stage.result().summary["restarts"] == 1
    assert any("the storage was lost" in notice["message"] for notice in stage.notices())


def test_where_nothing_is_published_worker_0_judges_as_finish_would(tmp_path):
    gate = {"require": [{"metric": "accuracy", "minimum": 0.5}]}
    stage = TrainStage.prepared(tmp_path / "w", training_job(workers=2, spec={"publish": [], "evaluation": gate}))
    assert stage.run() == [0, 0]
    summary = stage.result().summary
    context = StageContext("finish", training_job(), stage.workspace, tmp_path, "finish", 0)
    finished = finish(context).summary
    assert {name: summary[name] for name in ("metric", "metrics", "bytes")} == {
        name: finished[name] for name in ("metric", "metrics", "bytes")
    }
    assert summary["metric"] == "accuracy" and summary["epochs"] == 10
    # Asked again, it says the same.
    assert stage.run() == [0, 0]
    assert stage.result().summary == {**summary, "restarts": 0}


def test_a_gate_is_a_gate_where_there_is_no_stage_finish(tmp_path):
    gate = {"require": [{"metric": "accuracy", "minimum": 1.0}]}
    stage = TrainStage.prepared(tmp_path / "w", training_job(epochs=1, spec={"publish": [], "evaluation": gate}))
    assert stage.run() == [ExitCode.GATE_FAILED]
    assert stage.result().reason == Reason.GATE_FAILED
    assert "NOT MET: accuracy is" in stage.result().message
    assert not stage.workspace.training_file.exists()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that another job's stage prepare left."""
    return TrainStage.prepared(tmp_path_factory.mktemp("other") / "w", training_job()).workspace.prepared


def job_on(prepared: Path, task: str | None = None, **settings: Any):
    dataset = {"uri": str(prepared), "format": "Prepared", "target": settings.pop("target", "target")}
    return training_job(spec={"dataset": dataset, **({"task": task} if task else {})}, **settings)


def test_a_prepared_dataset_is_taken_as_it_is(tmp_path, prepared):
    stage = TrainStage.new(tmp_path / "w", job_on(prepared, epochs=2))
    assert stage.run() == [0]
    usual = TrainStage.prepared(tmp_path / "usual", training_job(epochs=2))
    assert usual.run() == [0]
    for name, values in usual.training()["history"].items():
        assert stage.training()["history"][name] == pytest.approx(values, rel=1e-6)
    assert not stage.workspace.prepared.exists()


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"target": "label"}, 78, "spec.dataset.target: 'label' is not the target of the prepared dataset"),
        ({"task": "Regression"}, 78, "spec.task: Regression, but the dataset was prepared for Classification"),
        ({"batchSize": 60_000}, 78, "spec.training.batchSize: 60,000 is more than the 1,257 rows"),
        ({"workers": 64}, 78, "spec.training.workers"),
    ],
)
def test_a_manifest_that_does_not_go_with_a_prepared_dataset(tmp_path, prepared, settings, code, said):
    with pytest.raises(SteelyardError) as raised:
        PreparedDataset.of(StageContext("train", job_on(prepared, **settings), None, tmp_path, "k", 0))
    assert raised.value.exit_code == code
    assert said in raised.value.message


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        (
            {"evaluation": {"metric": "recall", "label": "maybe"}},
            65,
            "spec.evaluation.label: the data has no class 'maybe'",
        ),
        ({"evaluation": {"metric": "rmse"}}, 78, "spec.evaluation.metric: rmse is no metric of Classification"),
    ],
)
def test_a_manifest_that_changed_after_prepare_is_looked_at_again(tmp_path, prepared, settings, code, said):
    changed = training_job(spec=settings)
    with pytest.raises(SteelyardError) as raised:
        PreparedDataset.of(StageContext("train", changed, Workspace(prepared.parent), tmp_path, "k", 0))
    assert raised.value.exit_code == code
    assert said in raised.value.message


def test_a_folder_that_holds_no_whole_prepared_dataset(tmp_path, prepared):
    def said_of(folder: Path) -> str:
        with pytest.raises(SteelyardError) as raised:
            PreparedDataset.of(StageContext("train", job_on(folder), None, tmp_path, "k", 0))
        assert raised.value.exit_code == ExitCode.DATA
        return raised.value.message

    assert "is no prepared dataset" in said_of(tmp_path / "absent")
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in prepared.iterdir():
        os.link(path, copy / path.name)
    shard = next(copy.glob("*.parquet"))
    shard.unlink()
    assert f"is not whole: {shard.name!r} is missing" in said_of(copy)
    (copy / "dataset.json").unlink()
    (copy / "dataset.json").write_text(json.dumps({"key": "k"}))
    assert "is damaged" in said_of(copy)
