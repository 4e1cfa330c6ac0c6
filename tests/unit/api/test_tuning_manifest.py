"""A TuningJob: what may be written, and every mistake answered with the field, the value and what is allowed."""

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from repository_support import ROOT

from steelyard.api.errors import ManifestError
from steelyard.api.fields import schema_of
from steelyard.api.loading import apply_overrides
from steelyard.api.metrics import Measure
from steelyard.api.status import TrialStatus
from steelyard.api.training_job import TrainingJob
from steelyard.api.tuning import Parameter
from steelyard.api.tuning_job import TuningJob
from steelyard.contract.stages import ExitCode, Reason
from steelyard.contract.trial_report import TrialReport
from steelyard.planning.clusters import search_cluster_problems
from steelyard.search.log import Entry
from steelyard.search.manifest import load_manifest, parse_manifest, parse_tuning_job
from steelyard.search.space import Space
from steelyard.search.values import completed, contains, exists, parents_first
from steelyard.tuning.asking import Asker
from steelyard.tuning.stops import Stops
from steelyard.tuning.trials import best_job, data_job, trial_job

Manifest = dict[str, Any]


def manifest(model: str, *overrides: str) -> Manifest:
    """A valid search over a network (mlp) or a forest (randomForest), with overrides."""
    path = {"mlp": "model.mlp.dropout", "randomForest": "model.randomForest.maxFeatures"}[model]
    made: Manifest = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": "digits"},
        "spec": {
            "objective": {"metric": "accuracy"},
            "parameters": [{"path": path, "type": "Double", "min": 0.1, "max": 0.5}],
            "maxTrials": 30,
            "template": {"dataset": {"uri": "digits.csv", "target": "target"}, "model": {model: {}}},
        },
    }
    return apply_overrides(made, overrides)


def problems(model: str, *overrides: str) -> dict[str, str]:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(manifest(model, *overrides))
    assert caught.value.exit_code == ExitCode.CONFIGURATION
    assert caught.value.reason == Reason.INVALID_MANIFEST
    return {problem.path: problem.message for problem in caught.value.problems}


def searching(*parameters: str) -> str:
    """An override that puts in these parameters."""
    return f"parameters=[{', '.join(parameters)}]"


DROPOUT = "{path: model.mlp.dropout, type: Double, min: 0, max: 0.5}"
RATE = "{path: training.optimizer.learningRate, type: Double, min: 0.001, max: 0.1, log: true}"
BATCH = "{path: training.batchSize, type: Int, min: 16, max: 64, step: 16}"
OPTIMIZER = "{path: training.optimizer.name, type: Categorical, values: [Adam, SGD]}"
MOMENTUM = (
    "{path: training.optimizer.momentum, type: Double, min: 0, max: 0.9, "
    "when: {path: training.optimizer.name, values: [SGD]}}"
)
UNITS = "{path: model.mlp.hiddenUnits, type: Categorical, values: [[32], [64, 32]]}"


def hanging_on(path: str, values: str) -> str:
    """A parameter that exists where another has one of some values."""
    return f"{DROPOUT[:-1]}, when: {{path: {path}, values: {values}}}}}"


# --- what is allowed --------------------------------------------------------------------------------------------------

ALLOWED = [
    ("mlp", []),
    ("mlp", [searching(DROPOUT, RATE, BATCH, OPTIMIZER, MOMENTUM, UNITS)]),
    # an item of a list that the template gives, an Int for a number, null where the field is left out
    (
        "mlp",
        [
            "template.model.mlp.hiddenUnits=[64, 32]",
            searching("{path: model.mlp.hiddenUnits.1, type: Int, min: 8, max: 64}"),
        ],
    ),
    ("mlp", [searching("{path: training.optimizer.learningRate, type: Int, min: 1, max: 2}")]),
    (
        "mlp",
        [
            searching(
                "{path: training.learningRateSchedule, type: Categorical, values: [null, {cosine: {}}, "
                "{exponential: {rate: 0.9}}]}"
            )
        ],
    ),
    ("mlp", [searching("{path: training.learningRateSchedule.cosine.finalFraction, type: Double, min: 0, max: 1}")]),
    (
        "randomForest",
        [
            "algorithm.name=Grid",
            searching("{path: model.randomForest.maxDepth, type: Categorical, values: [null, 10, 20]}"),
        ],
    ),
    ("randomForest", ["template.evaluation.crossValidation={folds: 5}", "pruning={name: PairedFolds}"]),
    ("randomForest", ["placement=Packed"]),
    ("mlp", ["placement=Packed"]),
    ("mlp", ["placement=Auto", "template.training.workers=2"]),
    ("mlp", ["pruning={name: Hyperband, graceEpochs: 3}", "template.training.earlyStopping={patience: 2}"]),
    ("mlp", ["pruning={name: Median, everyEpochs: 2}", "objective.metric=logLoss"]),
    ("mlp", ["objective.secondary=Size", "template.compression={}", "algorithm.name=NSGA-II"]),
    ("mlp", ["objective.secondary=Latency", "template.compression={}"]),
    ("mlp", ["algorithm.name=CMA-ES", searching(DROPOUT, BATCH)]),
    ("mlp", ["algorithm.name=GP", searching(DROPOUT, OPTIMIZER)]),
    ("mlp", ["initialTrials=[{model.mlp.dropout: 0.25}, {}]"]),
    # a larger grid than maxTrials is no mistake: the search ends there
    ("mlp", ["algorithm.name=Grid", searching("{path: training.batchSize, type: Int, min: 1, max: 10000}")]),
]


@pytest.mark.parametrize(("model", "overrides"), ALLOWED, ids=[f"{index}" for index in range(len(ALLOWED))])
def test_what_is_allowed_is_parsed_and_written_out_as_it_was(model: str, overrides: list[str]) -> None:
    given = manifest(model, *overrides)
    job = parse_manifest(deepcopy(given))
    assert isinstance(job, TuningJob)
    assert job.to_manifest() == given
    assert parse_tuning_job(json.loads(json.dumps(job.to_manifest()))) == job


def test_a_file_holds_either_kind_and_set_reaches_into_the_template(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(json.dumps(manifest("mlp")), encoding="utf-8")
    tuning = load_manifest(path, ["spec.template.training.epochs=7", "template.training.batchSize=8", "maxTrials=3"])
    assert isinstance(tuning, TuningJob)
    assert (tuning.spec.template.training.epochs, tuning.spec.template.training.batch_size) == (7, 8)
    assert tuning.spec.max_trials == 3

    training = {**manifest("mlp"), "kind": "TrainingJob", "spec": manifest("mlp")["spec"]["template"]}
    path.write_text(json.dumps(training), encoding="utf-8")
    assert isinstance(load_manifest(path), TrainingJob)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("kind=Job", "Job is not known; allowed: TrainingJob, TuningJob"),
        ("kind=[1]", "[1] is not known; allowed: TrainingJob, TuningJob"),
        ("kind=null", "this field is needed, but it is missing; allowed: TrainingJob, TuningJob"),
    ],
)
def test_an_unknown_kind_is_refused(override: str, said: str) -> None:
    assert problems("mlp", override) == {"kind": said}


def test_a_spec_of_the_other_kind_is_one_mistake() -> None:
    search = {**manifest("mlp"), "kind": "TrainingJob"}
    said = "this looks like a TuningJob, as spec has parameters, maxTrials and objective; set kind: TuningJob"
    assert _problems_of(search) == {"kind": said}
    training = {**manifest("mlp"), "spec": manifest("mlp")["spec"]["template"]}
    said = "this looks like a TrainingJob, as spec has dataset and model; set kind: TrainingJob"
    assert _problems_of(training) == {"kind": said}
    training["spec"] = {"publish": []}
    assert _problems_of(training) == {"kind": said.replace("dataset and model", "publish")}


@pytest.mark.parametrize("spec", [{}, None, [], {"runPolicy": {}}, {"dataset": {}, "objective": {"metric": "r2"}}])
def test_a_spec_that_is_of_no_kind_or_of_both_is_explained_by_its_fields(spec: Any) -> None:
    for kind in ("TrainingJob", "TuningJob"):
        found = _problems_of({**manifest("mlp"), "kind": kind, "spec": spec})
        assert found and "kind" not in found


def _problems_of(manifest: Manifest) -> dict[str, str]:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(manifest)
    return {problem.path: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize("fit", ["AsIs", "TrainAndValidation"])
@pytest.mark.parametrize(("model", "overrides"), ALLOWED, ids=[f"{index}" for index in range(len(ALLOWED))])
def test_what_is_allowed_makes_valid_jobs(model: str, overrides: list[str], fit: str) -> None:
    job = parse_tuning_job(manifest(model, *overrides, f"best.fit={fit}"))
    template = job.spec.template.model_dump(mode="json", by_alias=True)
    values = completed(job.spec.parameters, {}, template)
    entry = Entry(7, values, "Complete", 0.9, epoch=3 if model == "mlp" else None)
    jobs = [
        data_job(job),
        trial_job(job, 7, values, Stops(), "pvc://digits-workspace/digits-data/prepared"),
        best_job(job, entry, "pvc://digits-workspace/digits-data/prepared", "pvc://digits-workspace/digits-7/trained"),
    ]
    assert [one.metadata.name for one in jobs] == ["digits-data", "digits-7", "digits-best"]
    assert jobs[0].spec.only_prepare and not jobs[1].spec.has_finish and jobs[2].spec.has_finish


def test_what_a_cluster_does_not_have_is_named_in_the_template() -> None:
    spec = parse_tuning_job(manifest("mlp", "template.publish=[{uri: models/a}]")).spec
    found = {problem.path: problem.message for problem in search_cluster_problems(spec)}
    assert set(found) == {"spec.template.dataset.uri", "spec.template.publish[0].uri"}
    assert found["spec.template.dataset.uri"].startswith("'digits.csv' lies on no claim")


# --- what is refused --------------------------------------------------------------------------------------------------

NO_FIELD = "there is no field '{}'; did you mean {}?"
OUTSIDE = (
    "'{}' can't be searched, as all trials share their data and their pods' shape; allowed: fields below model and "
    "training, such as training.optimizer.learningRate"
)


def path_of(path: str) -> str:
    return f"parameters[0].path={path}".replace("parameters[0]", "parameters.0")


# The model, overrides, the field that the error names below spec, and the whole message.
WRONG = [
    # paths
    (
        "mlp",
        [path_of("training.learningRate")],
        "parameters[0].path",
        NO_FIELD.format("training.learningRate", "training.optimizer.learningRate"),
    ),
    (
        "mlp",
        [path_of("model.mlp.drop_out")],
        "parameters[0].path",
        NO_FIELD.format("model.mlp.drop_out", "model.mlp.dropout"),
    ),
    (
        "mlp",
        [path_of("spec.template.model.mlp.dropout")],
        "parameters[0].path",
        "'spec.template.model.mlp.dropout' is to begin inside of the template; did you mean model.mlp.dropout?",
    ),
    ("mlp", [path_of("dataset.split.test")], "parameters[0].path", OUTSIDE.format("dataset.split.test")),
    ("mlp", [path_of("model")], "parameters[0].path", OUTSIDE.format("model")),
    (
        "mlp",
        [path_of("model.randomForest.maxDepth")],
        "parameters[0].path",
        "the template has model.mlp, so there is no model.randomForest; allowed: fields of model.mlp",
    ),
    (
        "mlp",
        [
            path_of("training.learningRateSchedule.exponential.rate"),
            "template.training.learningRateSchedule={cosine: {}}",
        ],
        "parameters[0].path",
        "the template has training.learningRateSchedule.cosine, so there is no "
        "training.learningRateSchedule.exponential; allowed: fields of training.learningRateSchedule.cosine",
    ),
    (
        "mlp",
        [path_of("model.mlp.hiddenUnits.0")],
        "parameters[0].path",
        "the template gives no model.mlp.hiddenUnits, so it has no item 0; give it there",
    ),
    (
        "mlp",
        [path_of("model.mlp.hiddenUnits.2"), "template.model.mlp.hiddenUnits=[64, 32]"],
        "parameters[0].path",
        "'2' is no item of model.mlp.hiddenUnits, of which the template gives 2; allowed: an index from 0 to 1",
    ),
    (
        "mlp",
        [searching(DROPOUT, BATCH, DROPOUT)],
        "parameters[2].path",
        "'model.mlp.dropout' is searched twice; parameters[0] has it already",
    ),
    (
        "mlp",
        [
            searching(
                "{path: model.mlp.regularization, type: Categorical, values: [{l1: 0.1}, {l2: 0.1}]}",
                "{path: model.mlp.regularization.l1, type: Double, min: 0, max: 1}",
            )
        ],
        "parameters[1].path",
        "of 'model.mlp.regularization.l1' and 'model.mlp.regularization' (parameters[0]) one lies in the other; leave "
        "out one of the two",
    ),
    # types, bounds and values
    (
        "mlp",
        ["parameters.0.max=1"],
        "parameters[0].max",
        "1 is outside of what model.mlp.dropout takes; allowed: a number of at least 0 and below 1",
    ),
    (
        "mlp",
        ["parameters.0.min=-0.5"],
        "parameters[0].min",
        "-0.5 is outside of what model.mlp.dropout takes; allowed: a number of at least 0 and below 1",
    ),
    (
        "mlp",
        [searching("{path: training.batchSize, type: Double, min: 1, max: 64}")],
        "parameters[0].type",
        "Double gives numbers that are not whole, but training.batchSize takes a whole number from 1 to 1048576; "
        "allowed: Int, Categorical",
    ),
    (
        "mlp",
        [searching("{path: model.mlp.activation, type: Int, min: 1, max: 6}")],
        "parameters[0].type",
        "Int gives numbers, but model.mlp.activation takes relu, gelu, elu, silu, tanh, sigmoid; allowed: Categorical",
    ),
    (
        "mlp",
        [searching("{path: model.mlp.activation, type: Categorical, values: [relu, cubic]}")],
        "parameters[0].values[1]",
        '"cubic" is not allowed; allowed: relu, gelu, elu, silu, tanh, sigmoid',
    ),
    (
        "mlp",
        [searching("{path: model.mlp.hiddenUnits, type: Categorical, values: [[32], [32, 0]]}")],
        "parameters[0].values[1]",
        "[32, 0] makes no valid TrainingJob: model.mlp.hiddenUnits[1]: 0 is not allowed; allowed: a whole number from "
        "1 to 65536",
    ),
    (
        "mlp",
        [searching(MOMENTUM.partition(", when")[0] + "}")],
        "parameters[0].min",
        "Adam has no such setting; it has beta1, beta2, epsilon",
    ),
    (
        "mlp",
        [searching(OPTIMIZER, MOMENTUM.partition(", when")[0] + "}")],
        "parameters[1].min",
        "Adam has no such setting; it has beta1, beta2, epsilon; to search it where it exists give it when: {path: "
        'training.optimizer.name, values: ["SGD"]}',
    ),
    (
        "mlp",
        [
            "template.training.optimizer={name: SGD}",
            searching(OPTIMIZER, MOMENTUM.partition(", when")[0] + "}"),
        ],
        "parameters",
        'training.optimizer.name "Adam", training.optimizer.momentum 0.9 make no valid TrainingJob together: '
        "training.optimizer.momentum: Adam has no such setting; it has beta1, beta2, epsilon; a parameter that goes "
        "with some values of another only needs a condition (when)",
    ),
    ("mlp", ["parameters.0.max=0.1"], "parameters[0].min", "the range is empty: min and max are both 0.1"),
    ("mlp", ["parameters.0.max=0.05"], "parameters[0].min", "the range is reversed: 0.1 is above the max 0.05"),
    (
        "mlp",
        ["parameters.0.min=0", "parameters.0.log=true"],
        "parameters[0].min",
        "log needs a min above 0, but it is 0",
    ),
    ("mlp", ["parameters.0.step=0.5"], "parameters[0].step", "a step of 0.5 does not fit between 0.1 and 0.5"),
    (
        "mlp",
        ["parameters.0.step=0.1", "parameters.0.log=true"],
        "parameters[0].step",
        "steps of equal size do not go with log; leave out one of the two",
    ),
    (
        "mlp",
        [searching("{path: training.batchSize, type: Int, min: 1.5, max: 64}")],
        "parameters[0].min",
        "1.5 is not a whole number, as Int needs",
    ),
    (
        "mlp",
        [searching("{path: training.batchSize, type: Categorical}")],
        "parameters[0].values",
        "a Categorical parameter needs values, such as [16, 32, 64]",
    ),
    (
        "mlp",
        [searching("{path: training.batchSize, type: Categorical, values: [16, 32, 16]}")],
        "parameters[0].values[2]",
        "16 is given twice",
    ),
    # conditions
    (
        "mlp",
        [searching(hanging_on("training.optimizer.name", "[SGD]"), BATCH)],
        "parameters[0].when.path",
        "'training.optimizer.name' is no other parameter; allowed: training.batchSize",
    ),
    (
        "mlp",
        [searching(hanging_on("model.mlp.dropout", "[0.5]"))],
        "parameters[0].when.path",
        "'model.mlp.dropout' is no other parameter; allowed: none, there is but one parameter",
    ),
    (
        "mlp",
        [searching(OPTIMIZER, hanging_on("training.optimizer.name", "[Adam, AdamW]"))],
        "parameters[1].when.values[1]",
        'training.optimizer.name never has the value \'AdamW\'; allowed: "Adam", "SGD"',
    ),
    (
        "mlp",
        [searching(BATCH, hanging_on("training.batchSize", "[20]"))],
        "parameters[1].when.values[0]",
        "training.batchSize never has the value 20; allowed: a whole number from 16 to 64 in steps of 16",
    ),
    (
        "mlp",
        [searching(OPTIMIZER, hanging_on("training.optimizer.name", "[SGD, SGD]"))],
        "parameters[1].when.values[1]",
        "'SGD' is given twice",
    ),
    (
        "mlp",
        [searching(RATE, hanging_on("training.optimizer.learningRate", "[0.01]"))],
        "parameters[1].when.path",
        "training.optimizer.learningRate may be any number between two; a condition needs one with steps, an Int or a "
        "Categorical",
    ),
    (
        "mlp",
        [
            searching(
                f"{BATCH[:-1]}, when: {{path: training.epochs, values: [3]}}}}",
                "{path: training.epochs, type: Int, min: 1, max: 9, when: {path: training.batchSize, values: [16]}}",
            )
        ],
        "parameters[0].when.path",
        "the conditions go round in a circle: training.batchSize exists by itself in the end; leave out one of them",
    ),
    *(
        (
            "mlp",
            [f"algorithm.name={name}", searching(BATCH, hanging_on("training.batchSize", "[16]"))],
            "parameters[1].when",
            f"{name} has no conditions; allowed with them: Grid, Random, TPE, NSGA-II",
        )
        for name in ("GP", "CMA-ES", "QMC")
    ),
    # grids
    (
        "mlp",
        [
            "algorithm.name=Grid",
            searching(
                "{path: training.batchSize, type: Int, min: 1, max: 200}",
                "{path: training.epochs, type: Int, min: 1, max: 100}",
            ),
        ],
        "parameters",
        "the grid has 20,000 combinations; allowed: at most 10,000, or another algorithm, such as TPE",
    ),
    (
        "mlp",
        ["algorithm.name=Grid"],
        "parameters[0].step",
        "a Grid has finitely many values; give model.mlp.dropout a step, or make it Categorical",
    ),
    # the objective
    (
        "mlp",
        ["objective.metric=rmse", "template.task=Classification"],
        "objective.metric",
        "rmse is no metric of Classification; allowed: accuracy, macroF1, logLoss, rocAuc, averagePrecision, "
        "balancedAccuracy, precision, recall, f1",
    ),
    (
        "mlp",
        ["template.model={ridge: {}}", searching("{path: model.ridge.alpha, type: Double, min: 0.1, max: 10}")],
        "objective.metric",
        "accuracy is no metric of Regression; allowed: r2, rmse, mae, mape, medianAe",
    ),
    (
        "mlp",
        ["template.evaluation.require=[{metric: r2, minimum: 0.1}]"],
        "objective.metric",
        "accuracy and r2 (template.evaluation.require) are not of one task: the one is of classes, the other of "
        "numbers",
    ),
    (
        "mlp",
        ["objective.metric=test_accuracy"],
        "objective.metric",
        "'test_accuracy' is of the test set, which judges the published model, once, and has no say in a search; "
        "allowed, each of the validation set: accuracy, macroF1, logLoss, rocAuc, averagePrecision, "
        "balancedAccuracy, precision, recall, f1, r2, rmse, mae, mape, medianAe",
    ),
    (
        "mlp",
        ["objective.metric=auc"],
        "objective.metric",
        '"auc" is not allowed; allowed: accuracy, macroF1, logLoss, rocAuc, averagePrecision, '
        "balancedAccuracy, precision, recall, f1, r2, rmse, mae, mape, medianAe",
    ),
    (
        "mlp",
        ["objective.goal=Minimize"],
        "objective.goal",
        "Minimize would search for the worst model: of accuracy more is better; allowed: Maximize",
    ),
    ("mlp", ["objective.target=95"], "objective.target", "95 is not allowed; accuracy is at most 1"),
    # pruning
    *(
        (
            "randomForest",
            [f"pruning={{name: {name}}}"],
            "pruning.name",
            f"{name} prunes between epochs, and randomForest has none; allowed: PairedFolds, with "
            "template.evaluation.crossValidation",
        )
        for name in ("Median", "SuccessiveHalving", "Hyperband")
    ),
    (
        "randomForest",
        ["pruning={name: PairedFolds}"],
        "pruning.name",
        "PairedFolds prunes between folds; give template.evaluation.crossValidation",
    ),
    (
        "randomForest",
        ["pruning={name: PairedFolds}", "template.evaluation.crossValidation={folds: 2}"],
        "pruning.graceFolds",
        "after 2 of 2 folds nothing is left to prune; allowed: fewer than the folds",
    ),
    (
        "mlp",
        ["pruning={name: Hyperband, graceEpochs: 10}"],
        "pruning.graceEpochs",
        "after 10 of 10 epochs (template.training.epochs) nothing is left to prune; allowed: fewer than those",
    ),
    (
        "mlp",
        ["pruning={name: Median, everyEpochs: 20}"],
        "pruning.everyEpochs",
        "after 20 of 10 epochs (template.training.epochs) nothing is left to prune; allowed: fewer than those",
    ),
    (
        "mlp",
        ["pruning={name: Median, everyEpochs: 1}", "template.training.epochs=100"],
        "pruning.everyEpochs",
        "88 looks at a trial are too many; allowed: at most 64; look less often, or begin later (graceEpochs)",
    ),
    (
        "mlp",
        ["pruning={name: Hyperband}", searching("{path: training.epochs, type: Int, min: 2, max: 20}")],
        "parameters[0].path",
        "Hyperband compares trials after as many epochs each, so training.epochs can't be searched; leave out one of "
        "the two",
    ),
    (
        "mlp",
        ["pruning={name: Median, margin: 1}"],
        "pruning.margin",
        "Median has no such setting; it has graceEpochs, everyEpochs, startupTrials",
    ),
    # algorithms and two objectives
    (
        "mlp",
        ["algorithm.name=CMA-ES", searching(DROPOUT, UNITS)],
        "parameters[1].type",
        "CMA-ES moves through numbers and has no categories; allowed: Double, Int, or another algorithm",
    ),
    (
        "mlp",
        ["algorithm.name=CMA-ES"],
        "algorithm.name",
        "CMA-ES needs two parameters at least; for one allowed: any other",
    ),
    (
        "mlp",
        ["algorithm={name: Grid, populationSize: 5}"],
        "algorithm.populationSize",
        "Grid has no such setting; it has none but its seed",
    ),
    (
        "mlp",
        ["algorithm.name=NSGA-II"],
        "algorithm.name",
        "NSGA-II is for two objectives; give objective.secondary, or take another, such as TPE",
    ),
    (
        "mlp",
        ["algorithm.name=GP", "objective.secondary=Size", "template.compression={}"],
        "algorithm.name",
        "GP has one objective; with objective.secondary allowed: Grid, Random, TPE, QMC, NSGA-II",
    ),
    (
        "mlp",
        ["pruning={name: Median}", "objective.secondary=Size", "template.compression={}"],
        "pruning",
        "Median looks at one objective, and may prune what is small: with objective.secondary omit it",
    ),
    (
        "mlp",
        ["objective={metric: accuracy, secondary: Size, target: 0.9}", "template.compression={}"],
        "objective.target",
        "with two objectives the search is for a front; leave out the target",
    ),
    (
        "mlp",
        ["objective.secondary=Size", "maxTrialsWithoutImprovement=5", "template.compression={}"],
        "maxTrialsWithoutImprovement",
        "with two objectives no trial is better than all others; leave it out",
    ),
    (
        "mlp",
        ["objective.secondary=Latency"],
        "objective.secondary",
        "Latency is that of the compressed model; give template.compression",
    ),
    # counts
    (
        "mlp",
        ["parallelTrials=31"],
        "parallelTrials",
        "31 is more than maxTrials, 30; allowed: at most as many",
    ),
    ("mlp", ["maxTrials=0"], "maxTrials", "0 is not allowed; allowed: a whole number from 1 to 10000"),
    # initial trials
    (
        "mlp",
        ["initialTrials=[{}, {model.mlp.droput: 0.1}]"],
        "initialTrials[1]",
        "there is no parameter 'model.mlp.droput'; allowed: model.mlp.dropout",
    ),
    (
        "mlp",
        ["initialTrials=[{model.mlp.dropout: 0.6}]"],
        "initialTrials[0]",
        "0.6 is not allowed for model.mlp.dropout; allowed: a number from 0.1 to 0.5",
    ),
    (
        "mlp",
        [searching(UNITS), "initialTrials=[{model.mlp.hiddenUnits: [16]}]"],
        "initialTrials[0]",
        "[16] is not allowed for model.mlp.hiddenUnits; allowed: [32], [64, 32]",
    ),
    (
        "mlp",
        [searching(OPTIMIZER, MOMENTUM), "initialTrials=[{training.optimizer.momentum: 0.5}]"],
        "initialTrials[0]",
        'training.optimizer.momentum exists only where training.optimizer.name is "SGD", but here it is "Adam"; '
        "leave it out, or give the other",
    ),
    (
        "mlp",
        ["maxTrials=1", "initialTrials=[{}, {}]"],
        "initialTrials",
        "2 are given, but maxTrials is 1; allowed: at most as many",
    ),
    # steps
    (
        "randomForest",
        [searching("{path: model.randomForest.maxFeatures, type: Double, min: 0.25, max: 0.75, step: 1.0e-300}")],
        "parameters[0].step",
        "a step of 1e-300 is too fine between 0.25 and 0.75; allowed: at least 5e-10, or leave it out: any number is "
        "taken then",
    ),
    (
        "randomForest",
        [searching("{path: model.randomForest.maxFeatures, type: Double, min: 0.5, max: 0.5000001, step: 1.0e-13}")],
        "parameters[0].step",
        "a step of 1e-13 is too fine between 0.5 and 0.5000001; allowed: at least 5.000001e-13, or leave it out: any "
        "number is taken then",
    ),
    # the template
    (
        "mlp",
        ["template.runPolicy.ttlSecondsAfterFinished=60"],
        "template.runPolicy.ttlSecondsAfterFinished",
        "the search's jobs go with it; give spec.runPolicy.ttlSecondsAfterFinished, and leave this out",
    ),
    (
        "mlp",
        ["template.onlyPrepare=true"],
        "template.onlyPrepare",
        "the search sets it for each of its jobs; leave it out",
    ),
    (
        "mlp",
        ["template.dataset.format=Prepared"],
        "template.dataset.format",
        "the search prepares the data itself, once for all trials; allowed: CSV, Parquet",
    ),
    (
        "mlp",
        ["placement=Packed", "template.training.workers=2"],
        "placement",
        "Packed is for models of one worker, and template.training.workers is 2; allowed: Pods, Auto",
    ),
    (
        "mlp",
        ["placement=Packed", searching("{path: training.workers, type: Int, min: 1, max: 2}")],
        "placement",
        "Packed is for models of one worker, and training.workers is searched; allowed: Pods, Auto",
    ),
    (
        "mlp",
        ["trialSeed=PerTrial", searching("{path: training.seed, type: Int, min: 0, max: 9}")],
        "trialSeed",
        "PerTrial sets training.seed, which is a parameter; allowed: Fixed",
    ),
    (
        "mlp",
        ["template.training.epoch=3"],
        "template.training.epoch",
        "there is no such field; did you mean epochs? allowed: workers, epochs, batchSize, optimizer, "
        "learningRateSchedule, earlyStopping, classWeights, labelSmoothing, checkpoint, seed",
    ),
    # the whole
    (
        "mlp",
        ["warmStart.tuningJob=digits"],
        "warmStart.tuningJob",
        "'digits' is this search itself; name another, that has finished",
    ),
]

LABEL_REFUSED = "a label goes with one of the metrics rocAuc, averagePrecision, precision, recall, f1; leave it out"
WRONG += [
    ("mlp", ["objective.label=a"], "objective.label", LABEL_REFUSED),
    (
        "mlp",
        ["objective={}"],
        "objective.metric",
        "nothing says what is searched for; name a metric here, or as template.evaluation.metric",
    ),
    (
        "mlp",
        ["objective={goal: Maximize}", "template.evaluation.metric=rmse"],
        "objective.goal",
        "Maximize would search for the worst model: of rmse less is better; allowed: Minimize",
    ),
    (
        "mlp",
        ["objective={target: 2}", "template.evaluation={metric: f1, label: a}"],
        "objective.target",
        "2 is not allowed; f1 is at most 1",
    ),
]


@pytest.mark.parametrize(
    ("model", "overrides", "field", "message"), WRONG, ids=[f"{row[2]}-{row[3][:40]}" for row in WRONG]
)
def test_a_mistake_is_explained_at_its_field(model: str, overrides: list[str], field: str, message: str) -> None:
    found = problems(model, *overrides)
    assert found[f"spec.{field}"] == message
    # A circle has two ends, each of which says so.
    assert len(found) == 1 or all("circle" in said for said in found.values())


def test_what_decides_is_searched_for_unless_the_objective_says_otherwise() -> None:
    decides = "template.evaluation={metric: recall, label: spam}"
    given = manifest("mlp", decides)
    del given["spec"]["objective"]
    found = parse_tuning_job(given)
    assert found.spec.objective.name == "recall[spam]" and found.spec.objective.direction == "Maximize"
    assert parse_tuning_job(found.to_manifest()) == found
    asked = trial_job(found, 0, {"model.mlp.dropout": 0.2}, Stops(), "prepared").spec
    assert asked.trial is not None and asked.trial.measure == Measure("recall", "spam") == asked.measure(
        "Classification"
    )
    assert parse_tuning_job(manifest("mlp", decides)).spec.objective.name == "accuracy"
    other = parse_tuning_job(manifest("mlp", decides, "objective={metric: f1}"))
    assert other.spec.objective.name == "f1", "the label goes with the other metric"


def test_a_log_that_is_too_large_is_refused_with_the_figures() -> None:
    said = problems("mlp", "maxTrials=10000", "pruning={name: Median}")["spec.maxTrials"]
    figures = re.fullmatch(
        r"the log of 10000 trials may take (\d+) KiB \((\d+) bytes a trial\), but there is room for 256 KiB, about "
        r"(\d+) trials; fewer parameters, folds or looks of the pruning make more fit",
        said,
    )
    assert figures is not None
    size, each, fit = map(int, figures.groups())
    assert each <= size * 1024 / 10000 < each + 1
    assert fit == 256 * 1024 // each
    assert parse_tuning_job(manifest("mlp", "maxTrials=1000", "pruning={name: Median}"))


def test_all_mistakes_are_named_at_once() -> None:
    found = problems(
        "mlp",
        "parallelTrials=31",
        "placement=Packed",
        "template.training.workers=2",
        "algorithm.name=NSGA-II",
        path_of("model.mlp.drop"),
        "maxMinutes=-1",
    )
    assert set(found) == {"spec.maxMinutes"}, "what the types refuse comes first"
    found = problems(
        "mlp",
        "parallelTrials=31",
        "placement=Packed",
        "template.training.workers=2",
        "algorithm.name=NSGA-II",
        path_of("model.mlp.drop"),
    )
    assert set(found) == {
        "spec.algorithm.name",
        "spec.parallelTrials",
        "spec.placement",
        "spec.parameters[0].path",
    }


def test_every_field_is_read_by_the_program() -> None:
    """A field that nothing reads is a promise that nothing keeps: each name is found outside the models."""
    models = {"tuning.py", "tuning_job.py"}
    sources = [
        path.read_text(encoding="utf-8")
        for folder in ("operator/steelyard", "images/trainer/steelyard_trainer")
        for path in (ROOT / folder).rglob("*.py")
        if path.name not in models or path.parent.name != "api"
    ]
    text = "\n".join(sources)
    paths = [path for path in schema_of(TuningJob).paths() if not path.startswith("spec.template.")]
    names = {path.rpartition(".")[2] for path in paths} - {"apiVersion", "kind"}
    snake = {name: re.sub(r"(?<!^)([A-Z])", lambda match: "_" + match[1].lower(), name) for name in names}
    assert len(names) > 30
    assert [name for name in sorted(names) if not re.search(rf"\.{snake[name]}\b", text)] == []


@pytest.mark.parametrize("name", ["a" * 35, "Digits", "7", "a-", ""])
def test_a_name_leaves_room_for_those_of_its_trials(name: str) -> None:
    found = problems("mlp", f"metadata.name='{name}'")
    assert found["metadata.name"].startswith(f'"{name}" is not allowed; allowed: 1 to 34 lower-case letters')


# --- the space --------------------------------------------------------------------------------------------------------


def space(*texts: str) -> list[Parameter]:
    overrides = [searching(*texts)]
    return parse_tuning_job(manifest("mlp", *overrides)).spec.parameters


def test_a_parameter_holds_its_steps_whatever_its_floats() -> None:
    (parameter,) = space("{path: model.mlp.dropout, type: Double, min: 0, max: 0.9, step: 0.1}")
    assert contains(parameter, 0.1 + 0.2) and contains(parameter, 0) and contains(parameter, 0.9)
    assert not contains(parameter, 0.25) and not contains(parameter, 1.0) and not contains(parameter, "0.1")
    (batch,) = space(BATCH)
    assert contains(batch, 48) and contains(batch, 48.0)
    assert not contains(batch, 47) and not contains(batch, True)


def test_the_finest_steps_are_counted_and_those_of_an_int_are_whole() -> None:
    fine = "{path: model.mlp.dropout, type: Double, min: 0, max: 0.5, step: 5.0e-10}"
    seed = "{path: training.seed, type: Int, min: 0, max: 4294967295, step: 1}"
    parameters = space(fine, seed)
    assert Space(parameters).combinations == (10**9 + 1) * 2**32
    dropout = Space(parameters).by_path["model.mlp.dropout"]
    values = [dropout.item(place) for place in (0, 1, 123_456_789, 10**9 - 1, 10**9)]
    assert all(contains(parameters[0], value) for value in values)
    assert not contains(parameters[0], (values[1] + values[0]) / 2)


def test_true_is_not_one() -> None:
    (parameter,) = space("{path: model.mlp.batchNormalization, type: Categorical, values: [true, false]}")
    assert contains(parameter, True) and not contains(parameter, 1)


def test_a_parameter_without_its_condition_does_not_exist() -> None:
    optimizer, momentum = space(OPTIMIZER, MOMENTUM)
    assert exists(optimizer, {})
    assert exists(momentum, {optimizer.path: "SGD"})
    assert not exists(momentum, {optimizer.path: "Adam"}) and not exists(momentum, {})


@pytest.mark.parametrize(
    ("parent", "named", "own"),
    [
        ("{path: training.batchSize, type: Int, min: 16, max: 64, step: 16}", "32.0", 32),
        ("{path: training.optimizer.momentum, type: Double, min: 0.1, max: 0.9, step: 0.1}", "0.3", 0.1 + 2 * 0.1),
    ],
)
def test_a_condition_names_values_as_the_search_has_them(parent: str, named: str, own: float) -> None:
    path = parent[len("{path: ") : parent.index(",")]
    parameters = [searching(parent, hanging_on(path, f"[{named}]")), "template.training.optimizer.name=SGD"]
    first = f"initialTrials=[{{{path}: {named}, model.mlp.dropout: 0.25}}]"
    spec = parse_tuning_job(manifest("mlp", *parameters, first)).spec
    (values,) = Asker(spec).initial
    assert values == {path: own, "model.mlp.dropout": 0.25}
    assert type(values[path]) is type(own)
    assert [len(Space(spec.parameters).active({path: value})) for value in (own, float(named))] == [2, 2]
    found = problems("mlp", searching(parent, hanging_on(path, f"[{named}, {own!r}]")), parameters[1])
    assert found == {"spec.parameters[1].when.values[1]": f"{own!r} is given twice"}


def test_parents_come_first_and_the_order_stays_otherwise() -> None:
    parameters = space(DROPOUT, MOMENTUM, OPTIMIZER, BATCH)
    assert [one.path.rpartition(".")[2] for one in parents_first(parameters)] == [
        "dropout",
        "name",
        "momentum",
        "batchSize",
    ]


def test_the_size_of_a_space_counts_what_exists() -> None:
    epochs = "{path: training.epochs, type: Int, min: 1, max: 10, when: {path: training.optimizer.name, values: [SGD]}}"
    assert Space(space(OPTIMIZER, BATCH)).combinations == 2 * 4
    assert Space(space(OPTIMIZER, epochs, BATCH)).combinations == (1 + 10) * 4
    assert Space(space(OPTIMIZER, MOMENTUM)).combinations is None


def test_an_initial_trial_is_completed_by_the_template_and_by_first_values() -> None:
    parameters = space(DROPOUT, MOMENTUM, OPTIMIZER, BATCH)
    template = {"model": {"mlp": {"dropout": 0.3}}, "training": {"batchSize": 33, "optimizer": {"name": "Adam"}}}
    assert completed(parameters, {}, template) == {
        "model.mlp.dropout": 0.3,
        "training.optimizer.name": "Adam",
        "training.batchSize": 16,
    }
    whole = completed(parameters, {"training.optimizer.name": "SGD", "training.batchSize": 64.0}, template)
    assert whole == {
        "model.mlp.dropout": 0.3,
        "training.optimizer.momentum": 0,
        "training.optimizer.name": "SGD",
        "training.batchSize": 64,
    }
    assert isinstance(whole["training.batchSize"], int), "as an Int's field takes it"


# --- a trial's report in a status -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "report",
    [
        TrialReport(7, "Pruned", 0.1 + 0.2, ((1, 1 / 3), (3, 0.1 + 0.2)), None, None, 1.25),
        TrialReport(0, "Complete", 0.97, (), 94000.0, 12, 3.0),
        TrialReport(1, "Failed", reason="the data is bad"),
    ],
    ids=lambda report: report.state,
)
def test_a_report_passes_through_a_status_bit_for_bit(report: TrialReport) -> None:
    stored = json.loads(json.dumps(TrialStatus.of(report).model_dump(mode="json", by_alias=True, exclude_none=True)))
    assert TrialStatus.model_validate(stored).report == report
