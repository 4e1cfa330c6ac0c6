"""Training on real TensorFlow processes: two workers against one, lost workers, resume, what ends a training."""

import signal
from pathlib import Path

import keras
import numpy as np
import pytest
from training_support import GENEROUS_SECONDS, TrainStage, tensorflow_process, training_job, wait

from steelyard.contract.stages import ExitCode, Reason

BUSY_CNN = {
    "cnn": {
        "inputShape": [8, 8, 1],
        "filters": [4, 6],
        "residual": True,
        "dropout": 0.2,
        "regularization": {"l2": 0.001},
    }
}
BUSY_MLP = {"mlp": {"hiddenUnits": [48, 24], "batchNormalization": True, "regularization": {"l1": 0.0001, "l2": 0.001}}}


def assert_equal_histories(one: TrainStage, other: TrainStage, relative: float, rows: int = 1257) -> None:
    first, second = one.training()["history"], other.training()["history"]
    assert first.keys() == second.keys() >= {"loss", "val_loss"}
    for name, values in first.items():
        if name.endswith("accuracy"):
            assert np.abs(np.subtract(values, second[name])).max() <= 1.001 / (180 if name.startswith("val_") else rows)
        else:
            assert second[name] == pytest.approx(values, rel=relative)


def weights(stage: TrainStage) -> list[np.ndarray]:
    return keras.models.load_model(stage.workspace.model_file, compile=False).get_weights()


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        (None, {"optimizer": {"name": "SGD", "learningRate": 0.05, "momentum": 0.9}}),
        (BUSY_MLP, {"optimizer": {"name": "Adam"}, "classWeights": {"strategy": "Balanced"}, "labelSmoothing": 0.1}),
        # Dropout would differ: each worker has its own.
        ({"cnn": {**BUSY_CNN["cnn"], "dropout": 0}}, {"optimizer": {"name": "SGD", "learningRate": 0.05}}),
    ],
    ids=["sgd", "adam-batchnorm-weights-penalties-smoothing", "cnn"],
)
def test_two_workers_give_the_history_of_one_with_the_double_batch(tmp_path, model, settings):
    # 1,257 training rows: the last global batch of 54 has 15, so that worker 1 has nothing but padding in it. Where a
    # student is asked for, a fifth is set aside for it.
    student = {"name": "student", "steps": [{"technique": "Distill", "epochs": 1}]}
    spec = {"compression": {"candidates": [student]}} if model == BUSY_MLP else {}
    settings = {"epochs": 3, "spec": spec, **settings}
    one = TrainStage.prepared(tmp_path / "one", training_job(model=model, batchSize=54, **settings))
    two = TrainStage.prepared(tmp_path / "two", training_job(model=model, batchSize=27, workers=2, **settings))
    assert one.run() == [0]
    assert two.run() == [0, 0]
    rows = 1006 if spec else 1257
    assert [stage.training()["steps"] for stage in (one, two)] == [3 * -(-rows // 54)] * 2
    assert_equal_histories(one, two, relative=1e-4, rows=rows)
    for mine, theirs in zip(weights(one), weights(two), strict=True):
        assert theirs == pytest.approx(mine, abs=1e-3)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> TrainStage:
    """What a run that nobody disturbs gives."""
    stage = TrainStage.prepared(tmp_path_factory.mktemp("undisturbed") / "w", disturbed_job())
    assert stage.run() == [0, 0]
    return stage


NO_PERIODIC_CHECKPOINT = {"everySeconds": 3600}


def disturbed_job(workers: int = 2, checkpoint: dict | None = None, model: dict | None = None):
    return training_job(
        model=model or {"mlp": {"hiddenUnits": [32], "dropout": 0.2}},
        workers=workers,
        batchSize=27 * 2 // workers,
        epochs=30,
        checkpoint=checkpoint or {"everySteps": 7},
        earlyStopping={"patience": 25},
    )


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_tensorflow_process_is_started_again_and_nothing_is_lost(tmp_path, undisturbed, victim):
    stage = TrainStage.prepared(tmp_path / "w", disturbed_job())
    supervisors = stage.start()
    stage.wait_for_steps(60)
    tensorflow_process(supervisors[victim]).send_signal(signal.SIGKILL)
    assert wait(supervisors) == [0, 0]
    # Not only near: the resumed run repeats the undisturbed one, dropout and all.
    assert_equal_histories(undisturbed, stage, relative=1e-6)
    for mine, theirs in zip(weights(undisturbed), weights(stage), strict=True):
        assert theirs == pytest.approx(mine, abs=1e-6)
    assert stage.result().summary["restarts"] == 1
    resumed = [notice["message"] for notice in stage.notices() if notice["reason"] == "Resumed"]
    assert len(resumed) == 1
    # At most one interval is repeated: it goes on from a checkpoint not older than the one that was seen.
    step = int(resumed[0].rsplit(" ", 1)[1])
    assert step >= 60
    assert step % 7 == 0
    assert "SIGKILL" in str(stage.notices(victim))


def resumed_at(stage: TrainStage) -> list[int]:
    """The steps after which worker 0 went on."""
    messages = [notice["message"] for notice in stage.notices() if "goes on from" in notice["message"]]
    return [int(message.rsplit(" ", 1)[1]) for message in messages]


def test_sigterm_leaves_a_checkpoint_from_which_the_next_start_goes_on(tmp_path):
    job = disturbed_job(workers=1, checkpoint=NO_PERIODIC_CHECKPOINT, model=BUSY_CNN)
    whole = TrainStage.prepared(tmp_path / "whole", job)
    assert whole.run() == [0]
    stage = TrainStage.prepared(tmp_path / "w", job)
    (supervisor,) = stage.start()
    stage.wait_for_epochs(2)
    assert stage.steps() == 0
    supervisor.terminate()
    assert wait([supervisor]) == [ExitCode.TRY_AGAIN]
    left_at = stage.steps()
    assert left_at >= 2 * 24
    assert stage.result().reason == Reason.INTERRUPTED
    assert not stage.workspace.training_file.exists()
    assert stage.run() == [0]
    assert_equal_histories(whole, stage, relative=1e-6)
    assert resumed_at(stage) == [left_at]
    # And once it is done, it is done.
    before = stage.workspace.model_file.stat().st_mtime_ns
    assert stage.run() == [0]
    assert stage.workspace.model_file.stat().st_mtime_ns == before
    assert stage.result().summary["bestEpoch"] == stage.training()["bestEpoch"]


def test_sigterm_of_one_worker_leaves_a_checkpoint_for_all(tmp_path, undisturbed):
    """A pod that is evicted: worker 0 lives on, and nothing of what was learned is lost."""
    stage = TrainStage.prepared(tmp_path / "w", disturbed_job(checkpoint=NO_PERIODIC_CHECKPOINT))
    addresses = stage.addresses()
    first, second = stage.start(addresses=addresses)
    stage.wait_for_epochs(2)
    assert stage.steps() == 0
    second.terminate()
    assert second.wait(GENEROUS_SECONDS) == ExitCode.TRY_AGAIN
    assert stage.result(1).reason == Reason.INTERRUPTED
    (again,) = stage.start(only=[1], addresses=addresses)
    assert wait([first, again]) == [0, 0]
    # TensorFlow may lose the new connection once more: what matters is from where it goes on.
    steps = resumed_at(stage)
    assert steps, stage.log()
    assert min(steps) >= 2 * 24
    assert_equal_histories(undisturbed, stage, relative=1e-6)


@pytest.mark.parametrize("present", [0, 1])
def test_a_worker_that_never_starts_ends_the_others_with_its_name(tmp_path, present):
    job = training_job(workers=2, run_policy={"gangTimeoutSeconds": 3})
    stage = TrainStage.prepared(tmp_path / "w", job)
    assert wait(stage.start(only=[present])) == [ExitCode.TRY_AGAIN]
    result = stage.result(present)
    assert result.reason == Reason.WORKERS_NOT_READY
    assert "within 3 s" in result.message
    assert f"worker {1 - present} (127.0.0.1:" in result.message


def test_a_supervisor_that_is_killed_and_started_again_rejoins(tmp_path, undisturbed):
    stage = TrainStage.prepared(tmp_path / "w", disturbed_job())
    addresses = stage.addresses()
    first, second = stage.start(addresses=addresses)
    stage.wait_for_steps(30)
    child = tensorflow_process(second)
    second.kill()
    second.wait(GENEROUS_SECONDS)
    child.wait(GENEROUS_SECONDS)
    (again,) = stage.start(only=[1], addresses=addresses)
    assert wait([first, again]) == [0, 0]
    assert_equal_histories(undisturbed, stage, relative=1e-6)


def test_a_crash_counts_against_the_backoff_limit(tmp_path):
    job = training_job(epochs=1000, checkpoint={"everySteps": 5}, run_policy={"backoffLimit": 0})
    stage = TrainStage.prepared(tmp_path / "w", job)
    (supervisor,) = stage.start()
    stage.wait_for_steps(5)
    tensorflow_process(supervisor).kill()
    assert wait([supervisor]) == [1]
    assert stage.result().reason == Reason.BACKOFF_LIMIT_EXCEEDED
    assert "SIGKILL" in stage.result().message


def test_a_loss_that_is_not_a_number_ends_the_training_with_its_epoch(tmp_path):
    job = training_job("diabetes", workers=2, epochs=20, optimizer={"name": "SGD", "learningRate": 100})
    stage = TrainStage.prepared(tmp_path / "w", job)
    assert stage.run() == [ExitCode.CONFIGURATION] * 2
    for worker in (0, 1):
        result = stage.result(worker)
        assert result.reason == Reason.LOSS_NOT_FINITE
        assert "in epoch 1" in result.message
        assert "learningRate" in result.message
        assert "Traceback" not in stage.log(worker)
    assert not stage.workspace.model_file.exists()


def test_early_stopping_ends_early_and_the_best_epochs_weights_are_kept(tmp_path):
    job = training_job(
        batchSize=64,
        epochs=200,
        optimizer={"name": "SGD", "learningRate": 1.0},
        earlyStopping={"monitor": "val_loss", "patience": 3},
    )
    stage = TrainStage.prepared(tmp_path / "w", job)
    assert stage.run() == [0]
    document = stage.training()
    losses = document["history"]["val_loss"]
    assert len(losses) == document["epochs"] == document["bestEpoch"] + 3 < 200
    assert losses[document["bestEpoch"] - 1] == min(losses)
    from steelyard_trainer.data.reading import PreparedDataset

    validation = PreparedDataset.load(stage.workspace).read("validation")
    model = keras.models.load_model(stage.workspace.model_file, compile=False)
    right = model.predict(validation.features, verbose=0).argmax(1) == validation.targets
    assert right.mean() == pytest.approx(document["history"]["val_accuracy"][document["bestEpoch"] - 1], abs=1e-6)


def test_linear_regression_finds_what_least_squares_finds(tmp_path):
    from sklearn.linear_model import LinearRegression

    from steelyard_trainer.data.reading import PreparedDataset

    job = training_job("diabetes", model={"linear": {}}, epochs=300, optimizer={"name": "Adam", "learningRate": 0.01})
    stage = TrainStage.prepared(tmp_path / "w", job)
    assert stage.run() == [0]
    dataset = PreparedDataset.load(stage.workspace)
    train, validation = dataset.read("train"), dataset.read("validation")
    best = LinearRegression().fit(train.features, train.targets)
    model = keras.models.load_model(stage.workspace.model_file, compile=False)

    def rmse(predicted: np.ndarray) -> float:
        return float(np.sqrt(np.mean((predicted.ravel() - validation.targets) ** 2)))

    unit = dataset.preprocessing.target_unit
    assert rmse(unit.restored(model.predict(validation.features, verbose=0))) == pytest.approx(
        rmse(best.predict(validation.features)), rel=0.03
    )
    assert stage.training()["history"]["val_mae"][-1] > 10  # in the target's own unit, not standardized


def test_nothing_of_a_model_is_left_by_a_training_that_did_not_end(tmp_path):
    stage = TrainStage.prepared(tmp_path / "w", training_job(epochs=1000, checkpoint={"everySteps": 1}))
    (supervisor,) = stage.start()
    stage.wait_for_steps(3)
    child = tensorflow_process(supervisor)
    supervisor.kill()
    supervisor.wait(GENEROUS_SECONDS)
    # The supervisor's death is the end of its child, too.
    child.wait(GENEROUS_SECONDS)
    assert not stage.workspace.training_file.exists()
    assert not Path(stage.workspace.model_file).exists()
