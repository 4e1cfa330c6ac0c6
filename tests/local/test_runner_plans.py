"""The local runner with plans of fewer stages, and with claims."""

import json
from pathlib import Path

from runner_support import FINISH, Programs, run_job, write_job

from steelyard.contract.events import RunEnded, StageSkipped, StageStarted

JUDGED = """
if worker == 0:
    made(workspace / "trained/model.keras", "a model")
    made(workspace / "trained/training.json", json.dumps({"key": key}))
end(0, metric="accuracy", metrics={"accuracy": [0.9, 0.01]})
"""


def test_where_nothing_is_published_the_training_is_the_last_stage(tmp_path: Path) -> None:
    write_job(tmp_path, publish=[])
    programs = Programs(train=JUDGED)
    run = run_job(tmp_path, programs)
    assert run.error is None
    assert [name for name, _ in programs.started] == ["prepare", "train"]
    assert list(run.true_conditions) == ["Prepared", "Trained", "Evaluated", "Complete"]
    assert run.of(RunEnded)[0].summary["metrics"] == {"accuracy": [0.9, 0.01]}
    again = Programs()
    skipped = run_job(tmp_path, again)
    assert again.started == [] and [event.stage for event in skipped.of(StageSkipped)] == ["prepare", "train"]
    # The model is what there is of such a job: without it, it is trained again.
    (tmp_path / ".steelyard/tiny/trained/model.keras").unlink()
    lost = Programs(train=JUDGED)
    assert run_job(tmp_path, lost).of(StageStarted)[0].message == "what it made is gone"
    assert [name for name, _ in lost.started] == ["train"]


def test_a_prepared_dataset_is_not_prepared_and_another_one_is_trained_on_anew(tmp_path: Path) -> None:
    prepared = tmp_path / "claims/data/prepared"
    prepared.mkdir(parents=True)
    (prepared / "dataset.json").write_text(json.dumps({"target": "label", "fingerprint": "1"}))
    dataset = {"uri": "pvc://data/prepared", "format": "Prepared", "target": "label"}
    write_job(tmp_path, dataset=dataset)
    programs = Programs()
    assert run_job(tmp_path, programs).error is None
    assert [name for name, _ in programs.started] == ["train", "finish"]
    unchanged = Programs()
    run_job(tmp_path, unchanged)
    assert unchanged.started == []
    (prepared / "dataset.json").write_text(json.dumps({"target": "label", "fingerprint": "2"}))
    changed = Programs()
    assert run_job(tmp_path, changed).of(StageStarted)[0].message == "changed: source"
    assert [name for name, _ in changed.started] == ["train", "finish"]


def test_the_stages_are_told_which_folders_the_claims_are(tmp_path: Path) -> None:
    write_job(tmp_path, publish=[{"uri": "pvc://models/tiny"}])
    programs = Programs(finish=FINISH.replace('base_dir / "models', 'base_dir / "claims/models'))
    assert run_job(tmp_path, programs).error is None
    claims = [json.loads(environment["STEELYARD_CLAIMS"]) for environment in programs.environments]
    assert claims == [{"models": str(tmp_path / "claims/models")}] * 3
    # What was published there is looked for there.
    again = Programs()
    run_job(tmp_path, again)
    assert again.started == []
