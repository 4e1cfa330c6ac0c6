"""Checkpoints are complete or absent, and belong to one stage key."""

import json

import numpy as np

from steelyard_trainer.families.keras.checkpoints import KEPT, Checkpoint, Checkpoints, TrainingState


def checkpoint(step: int) -> Checkpoint:
    state = TrainingState(1, step, {"loss": 0.1 + step, "weight": 3.0}, {"loss": [0.25]}, {"best": 0.5})
    variables = [np.full((2, 3), step, np.float32), np.array(step, np.int64), *[np.array([i]) for i in range(12)]]
    return Checkpoint(state, variables, [np.full(3, -step, np.float32)])


def test_what_is_read_is_what_was_written_in_its_order(tmp_path):
    Checkpoints(tmp_path, "key").write(7, checkpoint(7))
    read = Checkpoints(tmp_path, "key").latest()
    assert read is not None
    assert read.state == checkpoint(7).state
    for mine, theirs in zip(checkpoint(7).variables, read.variables, strict=True):
        assert mine.dtype == theirs.dtype
        assert np.array_equal(mine, theirs)
    assert np.array_equal(read.best[0], [-7, -7, -7])


def test_the_newest_is_read_and_old_ones_are_removed(tmp_path):
    checkpoints = Checkpoints(tmp_path, "key")
    for step in (5, 9, 10, 100):
        checkpoints.write(step, checkpoint(step))
    latest = checkpoints.latest()
    assert latest is not None
    assert latest.state.step == 100
    assert len(list(tmp_path.glob("*/step-*"))) == KEPT


def test_a_half_written_checkpoint_is_not_seen(tmp_path):
    checkpoints = Checkpoints(tmp_path, "key")
    checkpoints.write(5, checkpoint(5))
    partial = next(tmp_path.glob("*")) / "partial"
    partial.mkdir()
    (partial / "state.json").write_text(json.dumps({"epoch": 99}))
    latest = checkpoints.latest()
    assert latest is not None
    assert latest.state.step == 5
    checkpoints.write(6, checkpoint(6))
    assert not partial.exists()


def test_another_key_sees_nothing_and_clears_it(tmp_path):
    Checkpoints(tmp_path, "old").write(5, checkpoint(5))
    new = Checkpoints(tmp_path, "new")
    assert new.latest() is None
    new.write(1, checkpoint(1))
    new.clear_others()
    assert Checkpoints(tmp_path, "old").latest() is None
    assert new.latest() is not None
