"""Trials of networks and what becomes of the best, with real TensorFlow: the value that a trial reports is that of the
model that would be published, and it gives up after the same epoch on one worker, on two and after a restart."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finish_support import FinishStage, job_on, solve
from runner_support import Programs, run_job, write_job
from training_support import TrainStage, training_job

from steelyard.api.errors import SteelyardError
from steelyard.api.metrics import GOAL_OF_METRIC, Measure
from steelyard.api.training_job import TrainingJob
from steelyard.contract.events import RunEnded
from steelyard.contract.stages import Reason
from steelyard.contract.trial_report import TrialReport
from steelyard.contract.workspace import Workspace
from steelyard.serving.model import LiteRtModel
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.evaluation.metrics import evaluate
from steelyard_trainer.families.keras.assembly import served_network
from steelyard_trainer.families.keras.trial import judge_trial
from steelyard_trainer.families.keras.worker import Requests, build
from steelyard_trainer.finish import finish

PENALIZED = {"mlp": {"hiddenUnits": [16], "regularization": {"l2": 0.01}}}


def trial(metric: str = "accuracy", goal: str = "Maximize", **more: Any) -> dict[str, Any]:
    """Parts of a spec that make a job a trial."""
    return {"publish": [], "trial": {"tuningJob": "search", "number": 7, "metric": metric, "goal": goal, **more}}


def report_of(stage: TrainStage) -> TrialReport:
    return TrialReport.from_json(stage.result().summary["trial"])


# --- in processes of their own ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> TrainStage:
    """A trial that ran to its end."""
    spec = trial("logLoss", "Minimize", reportSteps=[1, 3], limits=[{"step": 2, "value": 100.0}])
    job = training_job(model=PENALIZED, epochs=3, spec=spec)
    stage = TrainStage.prepared(tmp_path_factory.mktemp("trial") / "w", job)
    assert stage.run() == [0]
    return stage


def test_a_trial_reports_its_value_and_leaves_its_model(complete: TrainStage) -> None:
    assert complete.result().reason == Reason.SUCCEEDED
    found = report_of(complete)
    assert (found.number, found.state, found.epoch) == (7, "Complete", 3)
    assert [step for step, _ in found.steps] == [1, 2, 3]
    # The model of the last epoch is the best: its value is that of the step, but for the clipping of probabilities.
    assert found.value == pytest.approx(found.steps[-1][1], rel=1e-5)
    # The penalties, which val_loss holds, are no part of the metric.
    assert found.value < complete.training()["history"]["val_loss"][-1] - 0.05
    assert 0 < found.seconds < 200
    assert complete.workspace.model_file.exists()
    assert not {"metric", "metrics"} & complete.result().summary.keys()


def test_a_trial_that_will_not_be_the_best_leaves_no_model_and_is_done_all_the_same(
    tmp_path: Path, complete: TrainStage
) -> None:
    beaten = trial("logLoss", "Minimize", toBeat=report_of(complete).value)
    stage = TrainStage.prepared(tmp_path / "w", training_job(model=PENALIZED, epochs=3, spec=beaten))
    assert stage.run() == [0]
    found = stage.result().summary
    assert report_of(stage).value == report_of(complete).value
    assert stage.workspace.training_file.exists() and not stage.workspace.model_file.exists()
    # Asked again, it says the same without training.
    assert stage.run() == [0]
    assert stage.result().summary == {**found, "restarts": 0}
    assert any("was trained already" in notice["message"] for notice in stage.notices())


def test_progress_repeats_the_values_of_all_steps_so_far(complete: TrainStage) -> None:
    lines = [json.loads(line) for line in complete.log().splitlines() if '"progress"' in line]
    shown = [{name: value for name, value in line["values"].items() if "step" in name} for line in lines]
    steps = {f"step_{step}": value for step, value in report_of(complete).steps}
    assert [list(each) for each in shown] == [["step_1"], ["step_1", "step_2"], ["step_1", "step_2", "step_3"]]
    assert shown[-1] == steps


def job_with(other: TrainStage, name: str, **spec: Any) -> TrainingJob:
    dataset = {"uri": str(other.workspace.prepared), "format": "Prepared", "target": "target"}
    return training_job(model=PENALIZED, epochs=3, spec={"dataset": dataset, "publish": [{"uri": name}], **spec})


def test_the_best_job_takes_the_model_as_it_is(tmp_path: Path, complete: TrainStage) -> None:
    job = job_with(complete, "model", trained={"uri": str(complete.workspace.trained)})
    stage = TrainStage.new(tmp_path / "w", job)
    assert finish(replace(stage.context("finish"), base_dir=tmp_path)).summary["chosen"] == "Baseline"
    report = json.loads((tmp_path / "model/steelyard.json").read_text())
    (candidate,) = report["choice"]["candidates"]
    # What the search went by is what is published, measured in LiteRT.
    assert candidate["validation"]["logLoss"]["value"] == pytest.approx(report_of(complete).value, rel=1e-6)
    assert report["choice"]["madeWith"] is None
    assert report["training"]["bestEpoch"] == 3
    assert not stage.workspace.trained.exists()


# --- in this process --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["digits", "diabetes"])
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A data set of each task, and where it lies prepared."""
    stage = TrainStage.prepared(tmp_path_factory.mktemp(request.param) / "w", training_job(request.param))
    return request.param, stage.workspace.prepared


class InThisProcess:
    """A training on prepared data, without a process of its own."""

    def __init__(self, folder: Path, prepared: Path, **settings: Any) -> None:
        dataset = {"uri": str(prepared), "format": "Prepared", "target": "target"}
        job = training_job(model=PENALIZED, spec={"dataset": dataset, **settings.pop("spec")}, **settings)
        stage = TrainStage(job, Workspace(folder))
        folder.mkdir(exist_ok=True)
        self.context = stage.context()
        self.dataset = PreparedDataset.of(self.context)
        self.requests = Requests(0.0)
        self.loop, self._network = build(self.context, self.dataset, None, self.requests)

    def model(self) -> Any:
        """What is served, with the weights as they are now."""
        return served_network(self.context.job.spec, self.dataset, self._network)


METRICS = {
    "digits": ["accuracy", "logLoss", "macroF1", "rocAuc", "recall"],
    "diabetes": ["r2", "rmse", "mae", "mape", "medianAe"],
}


def test_two_workers_gather_what_one_sees_and_the_metric_decides(tmp_path: Path) -> None:
    asked = {"evaluation": {"metric": "averagePrecision", "label": "8"}, "publish": []}
    job = training_job(model=PENALIZED, epochs=4, batchSize=32, workers=2, spec=asked, earlyStopping={"patience": 3})
    two = TrainStage.prepared(tmp_path / "two", job)
    assert two.run() == [0, 0]
    one = InThisProcess(tmp_path / "one", two.workspace.prepared, epochs=4, batchSize=64, spec=asked)
    progression = one.loop.run()
    ours, theirs = two.training()["history"]["val_averagePrecision"], one.loop.state.history["val_averagePrecision"]
    assert ours == pytest.approx(theirs, abs=1e-4) and len(set(ours)) == 4
    summary = two.result().summary
    assert summary["bestEpoch"] == progression.best_epoch == int(np.argmax(theirs)) + 1
    assert summary["metric"] == "averagePrecision[8]" and "averagePrecision[8]" in summary["metrics"]
    validation, measures = one.dataset.read("validation"), [Measure("averagePrecision", "8")]
    outputs = one.model()(validation.features).numpy()
    figures = evaluate("Classification", validation.targets, outputs, measures, one.dataset.classes)
    assert figures is not None
    assert figures["averagePrecision[8]"].value == pytest.approx(max(theirs), abs=1e-6)


def test_a_trial_gives_up_by_a_metric_that_is_no_sum(tmp_path: Path, prepared: tuple[str, Path]) -> None:
    if prepared[0] != "digits":
        pytest.skip("one set is enough")
    spec = trial("rocAuc", reportSteps=[1, 2], limits=[{"step": 2, "value": 1.0}])
    training = InThisProcess(tmp_path / "w", prepared[1], epochs=9, spec=spec)
    training.loop.run()
    assert training.loop.is_pruned and [epoch for epoch, _ in training.loop.state.reports] == [1, 2]
    assert 0.5 < training.loop.state.reports[-1][1] < 1


def test_two_workers_give_up_after_the_same_epoch_as_one(tmp_path: Path) -> None:
    spec = trial(reportSteps=[1, 2], limits=[{"step": 1, "value": 0.01}, {"step": 2, "value": 0.999}])
    two = TrainStage.prepared(
        tmp_path / "two", training_job(model=PENALIZED, epochs=20, batchSize=32, workers=2, spec=spec)
    )
    assert two.run() == [0, 0]
    ended = two.result()
    assert ended.reason == Reason.PRUNED
    assert ended.message.startswith("gave up after epoch 2: accuracy 0.")
    assert not two.workspace.model_file.exists()
    found = report_of(two)
    assert (found.state, found.value, found.epoch) == ("Pruned", found.steps[-1][1], 2)
    one = InThisProcess(tmp_path / "one", two.workspace.prepared, epochs=20, batchSize=64, spec=spec)
    one.loop.run()
    assert one.loop.is_pruned
    # One row of 180 may fall to the other side.
    assert np.array(found.steps) == pytest.approx(np.array(one.loop.state.reports), abs=1.001 / 180)
    # Asked again, it says the same, at once.
    assert two.run() == [0, 0]
    assert (two.result().reason, two.result().message) == (ended.reason, ended.message)
    assert two.result().summary == {**ended.summary, "restarts": 0}


def test_the_value_of_an_epoch_is_the_metric_of_the_model_after_it(tmp_path: Path, prepared: tuple[str, Path]) -> None:
    source, folder = prepared
    for metric in METRICS[source]:
        spec = trial(metric, GOAL_OF_METRIC[metric], reportSteps=[2])
        training = InThisProcess(tmp_path / metric, folder, epochs=2, spec=spec)
        training.loop.run()
        ((epoch, value),) = training.loop.state.reports
        validation = training.dataset.read("validation")
        outputs, unit = training.model()(validation.features).numpy(), training.dataset.preprocessing.target_unit
        outputs = unit.restored(outputs) if unit else outputs
        figures = evaluate(training.dataset.task, validation.targets, outputs, [Measure(metric)])
        assert figures is not None
        # val_loss fell in both epochs, so that the best model is the last one's.
        assert epoch == 2 and training.loop.state.progression["best_epoch"] == 2
        assert value == pytest.approx(figures[metric].value, rel=1e-4)
        assert judge_trial(training.context, training.dataset, training.model()) == (figures[metric], None)


def test_a_trial_that_is_started_again_gives_up_where_it_would_have(tmp_path: Path, prepared: tuple[str, Path]) -> None:
    metric = METRICS[prepared[0]][0]
    spec = trial(metric, reportSteps=[1, 2, 3, 4], limits=[{"step": 4, "value": 2.0}])
    whole = InThisProcess(tmp_path / "whole", prepared[1], epochs=9, spec=spec)
    whole.loop.run()
    assert whole.loop.is_pruned and whole.loop.state.epoch == 4

    killed = InThisProcess(tmp_path / "killed", prepared[1], epochs=9, spec=spec)
    killed.loop.report = lambda epoch, _: killed.requests.leave(15, None) if epoch == 2 else None
    with pytest.raises(SteelyardError):
        killed.loop.run()
    again = InThisProcess(tmp_path / "killed", prepared[1], epochs=9, spec=spec)
    assert again.loop.resume()
    assert again.loop.state.reports == killed.loop.state.reports
    assert again.loop.seconds > killed.loop.state.seconds
    again.loop.run()
    assert again.loop.is_pruned
    assert np.array(again.loop.state.reports) == pytest.approx(np.array(whole.loop.state.reports), rel=1e-6)
    # And where it was killed after its last epoch, it trains no more.
    last = InThisProcess(tmp_path / "last", prepared[1], epochs=9, spec=spec)
    last.loop.report = lambda epoch, _: last.requests.leave(15, None) if epoch == 4 else None
    with pytest.raises(SteelyardError):
        last.loop.run()
    done = InThisProcess(tmp_path / "last", prepared[1], epochs=9, spec=spec)
    done.loop.resume()
    done.loop.run()
    assert done.loop.is_pruned and done.loop.state.epoch == 4


def test_refitting_trains_on_training_and_validation_rows_for_the_epochs_that_are_given(
    tmp_path: Path, prepared: tuple[str, Path]
) -> None:
    spec = {"trained": {"uri": "elsewhere", "refit": True, "epochs": 3}, "publish": [{"uri": "model"}]}
    training = InThisProcess(tmp_path / "w", prepared[1], epochs=7, spec=spec)
    rows = training.dataset.rows
    assert len(training.loop.batches.features) == rows["train"] + rows["validation"]
    progression = training.loop.run()
    assert training.loop.state.epoch == progression.best_epoch == 3
    # No figure pretends to be of rows that it did not know.
    assert not [name for name in training.loop.state.history if name.startswith("val_")]


# --- the best job: compression ----------------------------------------------------------------------------------------

SMALLER = {"compression": {"candidates": ["DynamicRange", "Float16"], "maxMetricDrop": 0.02}}


@pytest.fixture(scope="module")
def best_trial(tmp_path_factory: pytest.TempPathFactory) -> FinishStage:
    """The workspace of a trial that left a model."""
    dataset = {"uri": "sklearn:digits", "target": "target"}
    stage = FinishStage.ready(tmp_path_factory.mktemp("best"), dataset)
    training = json.loads(stage.workspace.training_file.read_text())
    training |= {"trial": TrialReport(7, "Complete", 0.9).to_json(), "reason": "Succeeded"}
    stage.workspace.training_file.write_text(json.dumps(training))
    return stage


def of_trial(folder: Path, best_trial: FinishStage, **trained: Any) -> tuple[FinishStage, dict[str, Any]]:
    """A best job's stage finish, and the parts of its spec."""
    dataset = {"uri": str(best_trial.workspace.prepared), "format": "Prepared", "target": "target"}
    stage = FinishStage(folder, dataset)
    stage.workspace.root.mkdir(parents=True)
    spec = {"trained": {"uri": str(best_trial.workspace.trained), **trained}, "publish": [{"uri": "model"}], **SMALLER}
    return stage, spec


def test_a_refitted_model_is_compressed_as_the_trials_own_was_and_the_report_says_so(
    tmp_path: Path, best_trial: FinishStage
) -> None:
    expected = best_trial.finish(publish=[{"uri": "own"}], **SMALLER).summary
    own = json.loads((best_trial.folder / "own/steelyard.json").read_text())
    stage, spec = of_trial(tmp_path, best_trial, refit=True)
    # Another model, to tell the two apart.
    stage.workspace.trained.mkdir()
    solve(best_trial.prepared(), seed=1).save(stage.workspace.model_file)
    stage.workspace.training_file.write_text(best_trial.workspace.training_file.read_text())
    summary = stage.finish(**spec).summary
    report = json.loads((tmp_path / "model/steelyard.json").read_text())
    choice = report["choice"]
    assert summary["chosen"] == expected["chosen"] != "Baseline"
    figures = [{name: each["validation"][name] for name in ("accuracy", "logLoss")} for each in choice["candidates"]]
    assert figures == [{n: e["validation"][n] for n in ("accuracy", "logLoss")} for e in own["choice"]["candidates"]]
    assert (choice["madeWith"], report["training"]["parts"]) == ("trial 7", ["train", "validation"])
    assert "validation" not in report["metrics"]
    content = (tmp_path / "model/model.tflite").read_bytes()
    assert content != (best_trial.folder / "own/model.tflite").read_bytes()
    assert summary["bytes"] == choice["bytes"] == len(content) < choice["baselineBytes"] == summary["baselineBytes"]
    both = best_trial.prepared().read_parts(("train", "validation"))
    accuracy = float((LiteRtModel(content).predict(both.features).argmax(1) == both.targets).mean())
    assert report["metrics"]["train"]["accuracy"]["value"] == pytest.approx(accuracy, abs=1e-12)
    card = (tmp_path / "model/README.md").read_text()
    assert "chosen with the model of trial 7" in card and "before it was refitted" in card


def test_a_secondary_objective_is_that_of_the_candidate_that_would_be_published(best_trial: FinishStage) -> None:
    chosen = best_trial.finish(publish=[{"uri": "own"}], **SMALLER).summary
    candidate = next(each for each in chosen["candidates"] if each["name"] == chosen["chosen"])
    job = job_on(best_trial.dataset, **trial(secondary="Size"), **SMALLER)
    context = StageContext("train", job, best_trial.workspace, best_trial.folder, "k", 0)
    value, second = judge_trial(context, best_trial.prepared(), None)
    assert (value.value, second) == (candidate["metric"], candidate["bytes"])


def test_a_folder_without_a_model_of_these_data(tmp_path: Path, best_trial: FinishStage) -> None:
    stage, spec = of_trial(tmp_path, best_trial)
    folder = tmp_path / "trained"
    spec["trained"] = {"uri": str(folder)}

    def said() -> str:
        with pytest.raises(SteelyardError) as raised:
            stage.finish(**spec)
        assert raised.value.message.startswith(f"spec.trained.uri: {folder} ")
        return raised.value.message

    assert "holds no trained model: it has no training.json" in said()
    folder.mkdir()
    training = json.loads(best_trial.workspace.training_file.read_text())
    for changed, words in (
        ({}, "is not whole: its model is missing"),
        ({"reason": "Pruned", "message": "gave up after epoch 2"}, "the trial gave up (gave up after epoch 2)"),
    ):
        (folder / "training.json").write_text(json.dumps(training | changed))
        assert words in said()
    (folder / "training.json").write_text(json.dumps(training | {"dataset": "0" * 64}))
    (folder / "model.keras").touch()
    assert "was trained on other data (fingerprint 000000000000)" in said()
    (folder / "training.json").write_text("[]")
    assert "is damaged" in said()


# --- a job that only prepares -----------------------------------------------------------------------------------------


def test_a_job_that_only_prepares_is_complete_then(tmp_path: Path) -> None:
    write_job(tmp_path, onlyPrepare=True)
    programs = Programs()
    run = run_job(tmp_path, programs)
    assert run.error is None
    assert programs.started == [("prepare", 0)]
    assert run.true_conditions == {"Prepared": "Succeeded", "Complete": "Succeeded"}
    # And it is finished.
    run_job(tmp_path, programs)
    assert programs.started == [("prepare", 0)]


NO_MODEL = """
made(workspace / "trained/training.json", json.dumps({"key": key}))
end(0, reason="%s", message="well", trial=[7, "%s", 0.5])
"""


def test_a_pruned_trial_is_complete_for_that_reason_and_is_not_run_again(tmp_path: Path) -> None:
    write_job(tmp_path, **trial())
    programs = Programs(train=NO_MODEL % ("Pruned", "P"))
    run = run_job(tmp_path, programs)
    assert run.error is None
    assert run.true_conditions == {
        "Prepared": "Succeeded",
        "Trained": "Pruned",
        "Evaluated": "Pruned",
        "Complete": "Pruned",
    }
    (ended,) = run.of(RunEnded)
    assert (ended.reason, ended.exit_code) == ("Pruned", 0)
    run_job(tmp_path, programs)
    assert programs.started == [("prepare", 0), ("train", 0)]


def test_a_trial_that_is_scored_on_folds_is_not_run_again_for_want_of_a_model(tmp_path: Path) -> None:
    folds = {"evaluation": {"crossValidation": {"folds": 3}}, "model": {"randomForest": {}}}
    write_job(tmp_path, **{**trial(), **folds})
    programs = Programs(train=NO_MODEL % ("Succeeded", "C"))
    assert run_job(tmp_path, programs).error is None
    run_job(tmp_path, programs)
    assert programs.started == [("prepare", 0), ("train", 0)]
