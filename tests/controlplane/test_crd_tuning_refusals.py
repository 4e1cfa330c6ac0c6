"""A TuningJob with a mistake is refused by the API server in the words of the command."""

import re

import pytest
from cluster.kubectl import Kubectl
from crd_parameters import ANYTHING, BATCH, DROPOUT, MOMENTUM, OPTIMIZER, UNITS, searching
from crd_support import refusals, tuning_manifest

from steelyard.api.errors import ManifestError
from steelyard.search.manifest import parse_tuning_job

FOREST = "template.model={randomForest: {}}"
DEPTH = "{path: model.randomForest.maxDepth, type: Int, min: 1, max: 9}"

# Overrides, the field, the message; the local one lies at an item where the rule names its list.
BY_RULE = [
    ([f"metadata.name={'a' * 35}"], "metadata.name", "allowed: 1 to 34 lower-case letters, digits and '-'"),
    (["objective.goal=Minimize"], "spec.objective.goal", "Minimize would search for the worst model: of accuracy more"),
    (
        ["objective={metric: logLoss, goal: Maximize}"],
        "spec.objective.goal",
        "Maximize would search for the worst model: of logLoss less is better; allowed: Minimize",
    ),
    (["objective.target=95"], "spec.objective.target", "95 is not allowed; accuracy is at most 1"),
    (
        ["objective.metric=rmse", "template.task=Classification"],
        "spec.objective.metric",
        "rmse is no metric of Classification; allowed: accuracy, macroF1, logLoss, rocAuc, averagePrecision, "
        "balancedAccuracy, precision, recall, f1",
    ),
    (
        ["template.model={ridge: {}}", searching("{path: model.ridge.alpha, type: Double, min: 1, max: 2}")],
        "spec.objective.metric",
        "accuracy is no metric of Regression; allowed: r2, rmse, mae",
    ),
    (
        ["template.evaluation.require=[{metric: accuracy, minimum: 0.5}, {metric: r2, minimum: 0.1}]"],
        "spec.objective.metric",
        "accuracy and r2 (template.evaluation.require) are not of one task: the one is of classes, the other of "
        "numbers",
    ),
    # parameters
    ([searching("{path: training.batchSize, type: Int, min: 1}")], "spec.parameters[0].max", "Int needs min and max"),
    (["parameters.0.max=0.05"], "spec.parameters[0].min", "the range is reversed: 0.1 is above the max 0.05"),
    (["parameters.0.max=0.1"], "spec.parameters[0].min", "the range is empty: min and max are both 0.1"),
    (
        ["parameters.0.min=0", "parameters.0.log=true"],
        "spec.parameters[0].min",
        "log needs a min above 0, but it is 0",
    ),
    (
        ["parameters.0.step=0.1", "parameters.0.log=true"],
        "spec.parameters[0].step",
        "steps of equal size do not go with log; leave out one of the two",
    ),
    (["parameters.0.step=0.5"], "spec.parameters[0].step", "a step of 0.5 does not fit between 0.1 and 0.5"),
    (
        [searching("{path: training.batchSize, type: Int, min: 1.5, max: 3}")],
        "spec.parameters[0].min",
        "1.5 is not a whole number, as Int needs",
    ),
    ([searching(OPTIMIZER[:-1] + ", min: 1}")], "spec.parameters[0].min", "a Categorical parameter has values, no min"),
    (
        ["parameters.0.path=dataset.split.test"],
        "spec.parameters",
        "'dataset.split.test' can't be searched, as all trials share their data and their pods' shape",
    ),
    ([searching(DROPOUT, DROPOUT)], "spec.parameters", "'model.mlp.dropout' is searched twice"),
    (
        [
            searching(
                "{path: model.mlp.regularization, type: Categorical, values: [{l1: 0.1}]}",
                "{path: model.mlp.regularization.l1, type: Double, min: 0, max: 1}",
            )
        ],
        "spec.parameters",
        "'model.mlp.regularization.l1' lies in another parameter; leave out one of the two",
    ),
    ([searching(MOMENTUM, BATCH)], "spec.parameters", "'training.optimizer.name' is the path of no other parameter"),
    # algorithms
    (
        ["algorithm={name: QMC, populationSize: 9}"],
        "spec.algorithm.populationSize",
        "QMC has no such setting; it has",
    ),
    (["algorithm.name=Grid"], "spec.parameters", "a Grid has finitely many values; give model.mlp.dropout a step"),
    (["algorithm.name=CMA-ES"], "spec.algorithm.name", "CMA-ES needs two parameters at least"),
    (
        ["algorithm.name=CMA-ES", searching(DROPOUT, UNITS)],
        "spec.parameters",
        "CMA-ES moves through numbers and has no categories",
    ),
    (
        ["algorithm.name=GP", searching(OPTIMIZER, MOMENTUM)],
        "spec.parameters",
        "GP has no conditions; allowed with them: Grid, Random, TPE, NSGA-II",
    ),
    (["algorithm.name=NSGA-II"], "spec.algorithm.name", "NSGA-II is for two objectives; give objective.secondary"),
    (
        ["algorithm.name=GP", "objective.secondary=Size", "template.compression={}"],
        "spec.algorithm.name",
        "GP has one objective; with objective.secondary allowed: Grid, Random",
    ),
    (
        ["objective.secondary=Size"],
        "spec.objective.secondary",
        "Size is that of the compressed model; give template.compre",
    ),
    (
        ["objective={metric: accuracy, secondary: Size, target: 0.9}", "template.compression={}"],
        "spec.objective.target",
        "with two objectives the search is for a front; leave out the target",
    ),
    (
        ["objective.secondary=Size", "maxTrialsWithoutImprovement=3", "template.compression={}"],
        "spec.maxTrialsWithoutImprovement",
        "with two objectives no trial is better than all others; leave it out",
    ),
    # pruning
    (
        ["objective.secondary=Size", "pruning={name: Median}", "template.compression={}"],
        "spec.pruning",
        "Median looks at one objective, and may prune what is small",
    ),
    (
        [FOREST, searching(DEPTH), "pruning={name: Hyperband}"],
        "spec.pruning.name",
        "Hyperband prunes between epochs, and randomForest has none; allowed: PairedFolds, with template.evaluation",
    ),
    (
        ["pruning={name: PairedFolds}"],
        "spec.pruning.name",
        "PairedFolds prunes between folds; give template.evaluation",
    ),
    (
        [FOREST, searching(DEPTH), "pruning={name: PairedFolds}", "template.evaluation.crossValidation={folds: 2}"],
        "spec.pruning.graceFolds",
        "after 2 of 2 folds nothing is left to prune; allowed: fewer than the folds",
    ),
    (["objective.label=a"], "spec.objective.label", "a label goes with one of the metrics rocAuc"),
    (["objective={}"], "spec.objective.metric", "nothing says what is searched for; name a metric here, or as"),
    (
        ["objective={goal: Maximize}", "template.evaluation.metric=logLoss"],
        "spec.objective.goal",
        "Maximize would search for the worst model: of logLoss less is better; allowed: Minimize",
    ),
    (
        ["pruning={name: SuccessiveHalving, graceEpochs: 10}"],
        "spec.pruning.graceEpochs",
        "after 10 of 10 epochs (template.training.epochs) nothing is left to prune; allowed: fewer than those",
    ),
    (
        ["pruning={name: Median}", searching("{path: training.epochs, type: Int, min: 1, max: 9}")],
        "spec.parameters",
        "Median compares trials after as many epochs each, so training.epochs can't be searched",
    ),
    (
        ["pruning={name: Median, margin: 1}"],
        "spec.pruning.margin",
        "Median has no such setting; it has graceEpochs, ev",
    ),
    # counts and the template
    (["parallelTrials=31"], "spec.parallelTrials", "31 is more than maxTrials, 30; allowed: at most as many"),
    (["maxTrials=1", "initialTrials=[{}, {}]"], "spec.initialTrials", "2 are given, but maxTrials is 1; allowed: at"),
    (
        ["template.runPolicy.ttlSecondsAfterFinished=9"],
        "spec.template.runPolicy.ttlSecondsAfterFinished",
        "the search's jobs go with it; give spec.runPolicy.ttlSecondsAfterFinished, and leave this out",
    ),
    (
        ["template.publish=[]", "template.workspace.retain=Never"],
        "spec.template.workspace.retain",
        "Never would remove the result, which lies in the workspace as nothing is published; allowed: Always",
    ),
    (
        ["template.onlyPrepare=true", "template.publish=delete"],
        "spec.template.onlyPrepare",
        "the search sets it for each of its jobs; leave it",
    ),
    (
        ["objective.secondary=Size", "template.compression={proof: CrossFitted}"],
        "spec.template.compression.proof",
        "trials of a search are not cross-fitted; allowed: HeldOut, Point",
    ),
    (
        ["template.dataset={uri: pvc://data/prepared, format: Prepared, target: t}"],
        "spec.template.dataset.format",
        "the search prepares the data itself, once for all trials; allowed: CSV, Parquet",
    ),
    (
        ["placement=Packed", "template.training.workers=2"],
        "spec.placement",
        "Packed is for models of one worker, and template.training.workers is 2; allowed: Pods, Auto",
    ),
    (
        ["placement=Packed", searching("{path: training.workers, type: Int, min: 1, max: 2}")],
        "spec.placement",
        "Packed is for models of one worker, and training.workers is searched; allowed: Pods, Auto",
    ),
    (
        ["trialSeed=PerTrial", searching("{path: training.seed, type: Int, min: 1, max: 9}")],
        "spec.trialSeed",
        "PerTrial sets training.seed, which is a parameter; allowed: Fixed",
    ),
    (["warmStart.tuningJob=a"], "spec.warmStart.tuningJob", "'a' is this search itself; name another"),
    # the TrainingJob's own rules hold for the template
    (
        ["template.training.optimizer={name: SGD, beta1: 0.9}"],
        "spec.template.training.optimizer.beta1",
        "SGD has no such setting; it has momentum, nesterov",
    ),
]


@pytest.mark.parametrize(("overrides", "field", "message"), BY_RULE, ids=[f"{row[1]}-{row[2]}" for row in BY_RULE])
def test_what_crosses_fields_is_refused_in_the_words_of_the_command(
    kubectl: Kubectl, overrides: list[str], field: str, message: str
) -> None:
    document = tuning_manifest(*overrides)

    said = refusals(kubectl, document)

    assert field in said and message in said[field]
    assert set(said) == {field}
    with pytest.raises(ManifestError) as caught:
        parse_tuning_job(document)
    local = {
        re.sub(r"(spec\.parameters)\[\d+\]\..*", r"\1", problem.path): problem.message
        for problem in caught.value.problems
    }
    whole = re.sub(r"(spec\.parameters)\[\d+\]\..*", r"\1", field)
    assert whole in local
    if "searched twice" not in message and "lies in" not in message and "no other" not in message:
        assert message in local[whole]


BY_SCHEMA = [
    (["objective.metric=test_accuracy"], "spec.objective.metric", 'supported values: "accuracy", "macroF1"'),
    (["parameters=[]"], "spec.parameters", "should have at least 1 items"),
    (["maxTrials=delete"], "spec.maxTrials", "Required value"),
    (["parameters.0.type=Float"], "spec.parameters[0].type", 'supported values: "Double", "Int", "Categorical"'),
    (["template.training.epochs=0"], "spec.template.training.epochs", "should be greater than or equal to 1"),
]


@pytest.mark.parametrize(("overrides", "field", "essence"), BY_SCHEMA, ids=[row[1] for row in BY_SCHEMA])
def test_a_breach_of_the_schema_is_refused_at_its_field(
    kubectl: Kubectl, overrides: list[str], field: str, essence: str
) -> None:
    said = refusals(kubectl, tuning_manifest(*overrides))
    assert set(said) - {"<nil>"} == {field}
    assert essence in said[field]


ALLOWED = [
    ANYTHING,
    ["algorithm.name=CMA-ES", searching(DROPOUT, BATCH)],
    ["objective.secondary=Size", "template.compression={}", "algorithm.name=NSGA-II"],
    ["pruning={name: Hyperband, graceEpochs: 9}"],
    [FOREST, searching(DEPTH), "algorithm.name=Grid", "placement=Packed"],
    [FOREST, searching(DEPTH), "pruning={name: PairedFolds}", "template.evaluation.crossValidation={folds: 3}"],
    ["template.task=Regression", "objective={metric: mae, goal: Minimize, target: 2}"],
]


@pytest.mark.parametrize("overrides", ALLOWED, ids=[f"{index}" for index in range(len(ALLOWED))])
def test_what_is_allowed_here_is_allowed_there(kubectl: Kubectl, overrides: list[str]) -> None:
    assert refusals(kubectl, tuning_manifest(*overrides)) == {}
    parse_tuning_job(tuning_manifest(*overrides))
