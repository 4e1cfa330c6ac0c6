"""A process that was given up, and lives on beside the one in its place, puts nothing in place any more."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from candidates_support import kept_candidates
from finish_support import FinishStage
from training_support import TrainStage, training_job, wait

from steelyard.api.errors import SteelyardError
from steelyard.contract.stages import ExitCode, Reason, StageName
from steelyard.contract.workspace import Workspace
from steelyard_trainer import finish as finish_module
from steelyard_trainer.attempts import Attempt
from steelyard_trainer.compression.techniques import litert_converter
from steelyard_trainer.data import prepare as prepare_module


def superseded_before(work: Callable[..., Any], workspace: Workspace, stage: StageName) -> Callable[..., Any]:
    """The function, at whose first call another process takes the next number."""
    taken: list[Attempt] = []

    def wrapped(*arguments: Any, **options: Any) -> Any:
        if not taken:
            taken.append(Attempt.take(workspace, stage))
        return work(*arguments, **options)

    return wrapped


def refused(work: Callable[[], Any]) -> None:
    with pytest.raises(SteelyardError) as raised:
        work()
    assert (raised.value.reason, raised.value.exit_code) == (Reason.ATTEMPT_SUPERSEDED, ExitCode.TRY_AGAIN)


def test_prepare_leaves_the_dataset_of_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = TrainStage.new(tmp_path / "w", training_job())
    slow = superseded_before(prepare_module.write_shards, stage.workspace, "prepare")
    monkeypatch.setattr(prepare_module, "write_shards", slow)
    refused(lambda: prepare_module.prepare(stage.context("prepare")))
    assert [path.name for path in stage.workspace.root.iterdir() if path.is_dir()] == ["attempts"]
    prepare_module.prepare(stage.context("prepare"))
    assert stage.workspace.dataset_file.exists()


def test_train_writes_no_checkpoint_more(tmp_path: Path) -> None:
    job = training_job(epochs=100_000, checkpoint={"everySteps": 5})
    stage = TrainStage.prepared(tmp_path / "w", job)
    (supervisor,) = stage.start()
    stage.wait_for_steps(20)
    Attempt.take(stage.workspace, "train")
    # One that was already on its way may still arrive.
    last = stage.steps() + 5
    assert wait([supervisor]) == [ExitCode.TRY_AGAIN]
    assert stage.result().reason == Reason.ATTEMPT_SUPERSEDED
    assert "attempt 1, but attempt 2" in stage.result().message
    assert stage.steps() <= last
    # It did not try again and again.
    assert [notice for notice in stage.notices() if notice["reason"] == "Restarted"] == []
    assert not stage.workspace.training_file.exists()


@pytest.mark.parametrize("moment", ["candidate", "publish"])
def test_finish_publishes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    stage = FinishStage.ready(tmp_path, {"uri": "sklearn:iris", "target": "target"})
    owner, name = (litert_converter, "float_file") if moment == "candidate" else (finish_module, "assemble")
    monkeypatch.setattr(owner, name, superseded_before(getattr(owner, name), stage.workspace, "finish"))
    refused(lambda: stage.finish(publish=[{"uri": "model"}]))
    assert not (tmp_path / "model").exists()
    candidates = kept_candidates(stage.workspace)
    assert list(candidates) == ([] if moment == "candidate" else ["Baseline"])
    stage.finish(publish=[{"uri": "model"}])
    assert (tmp_path / "model/model.tflite").exists()
