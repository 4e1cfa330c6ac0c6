"""Every mistake in a TuningJob is answered with the field, the value and what is allowed."""

import re

import pytest
from search_manifests import (
    DROPOUT,
    MOMENTUM,
    OPTIMIZER,
    UNITS,
    manifest,
    path_of,
    problems,
    searching,
)

from steelyard.search.manifest import parse_tuning_job

# The model, overrides, the field that the error names below spec, and the whole message.
WRONG = [
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
        ["objective.secondary=Size", "template.compression={candidates: [Auto]}"],
        "template.compression.candidates",
        "Auto would train networks for every trial; list the candidates",
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
        ["objective.secondary=Size", "template.compression={proof: CrossFitted}"],
        "template.compression.proof",
        "trials of a search are not cross-fitted; allowed: HeldOut, Point",
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
    assert problems(model, *overrides) == {f"spec.{field}": message}


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
    mistakes = [
        "parallelTrials=31",
        "placement=Packed",
        "template.training.workers=2",
        "algorithm.name=NSGA-II",
        path_of("model.mlp.drop"),
    ]
    found = problems("mlp", *mistakes, "maxMinutes=-1")
    assert set(found) == {"spec.maxMinutes"}, "what the types refuse comes first"
    found = problems("mlp", *mistakes)
    assert set(found) == {
        "spec.algorithm.name",
        "spec.parallelTrials",
        "spec.placement",
        "spec.parameters[0].path",
    }
