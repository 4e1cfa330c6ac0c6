"""A TuningJob as an object of Kubernetes: values of any type survive, mistakes are refused in the local words, only
what may change changes."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from cluster.kubectl import Kubectl, KubectlError, fresh_namespace
from cluster.simulation import SimulatedCluster
from crd_support import by_field, install_crds, refusals, tuning_manifest

from steelyard.api.errors import ManifestError
from steelyard.api.tuning_status import MOST_ENTRIES, TuningJobStatus
from steelyard.search.log import Entry
from steelyard.search.manifest import parse_tuning_job

Node = dict[str, Any]

BEGAN = "2026-01-02T03:04:05Z"

STATUS: Node = {
    "observedGeneration": 1,
    "phase": "Searching",
    "progress": "12/30",
    "metric": "accuracy 0.981",
    "size": "94 kB",
    "startTime": BEGAN,
    "secondsLeft": 12.5,
    "activeSince": BEGAN,
    "activeSeconds": 0.25,
    "trainerImage": "trainer",
    "packed": False,
    "trials": {"created": 14, "running": 2, "complete": 9, "pruned": 2, "failed": 1, "repeated": 0},
    "best": {"trial": 7, "value": 0.981, "epoch": 4, "parameters": {"model.mlp.dropout": "0.30000000000000004"}},
    "front": [7, 3],
    "exhaustedAt": 20,
    "prior": ['[0,"C",[0.25],0.9]'],
    "log": ['[0,"C",[0.25],0.9]', '[1,"F",[0.5],null,"",1.5,null,null,"out of memory"]'],
    "conditions": [
        {"type": kind, "status": "True", "reason": "Because", "message": "It is so.", "lastTransitionTime": BEGAN}
        for kind in ("Prepared", "Searched", "Published", "Suspended", "Complete", "Failed")
    ],
    "model": {"chosen": "Int8", "bytes": 94000, "published": ["pvc://models/a"]},
}


@pytest.fixture(scope="module")
def kubectl(control_plane: SimulatedCluster) -> Iterator[Kubectl]:
    """kubectl in a namespace, with the CRDs installed."""
    install_crds(control_plane.kubectl)
    with fresh_namespace(control_plane.kubectl) as within:
        yield within


def patch(kubectl: Kubectl, name: str, change: Node, *arguments: str) -> None:
    kubectl("patch", "tuj", name, "--type=merge", f"--patch={json.dumps(change)}", *arguments)


OPTIMIZER = "{path: training.optimizer.name, type: Categorical, values: [Adam, SGD]}"
MOMENTUM = (
    "{path: training.optimizer.momentum, type: Double, min: 0, max: 0.9, "
    "when: {path: training.optimizer.name, values: [SGD]}}"
)
SCHEDULE = (
    "{path: training.learningRateSchedule, type: Categorical, "
    "values: [null, {cosine: {warmupEpochs: 1}}, {exponential: {rate: 0.30000000000000004, everyEpochs: 2}}]}"
)
UNITS = "{path: model.mlp.hiddenUnits, type: Categorical, values: [[64, 32], [128]]}"
BATCH = "{path: training.batchSize, type: Int, min: 16, max: 64, step: 16}"
DROPOUT = "{path: model.mlp.dropout, type: Double, min: 0, max: 0.5}"


def searching(*parameters: str) -> str:
    return f"parameters=[{', '.join(parameters)}]"


ANYTHING = [
    searching(OPTIMIZER, MOMENTUM, SCHEDULE, UNITS, BATCH),
    "initialTrials=[{training.learningRateSchedule: null, model.mlp.hiddenUnits: [128]}, {training.batchSize: 32}]",
]


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_values_of_any_type_and_nulls_survive_and_defaults_change_nothing(kubectl: Kubectl) -> None:
    given = tuning_manifest("metadata.name=anything", *ANYTHING)
    kubectl.create(given)
    stored = kubectl.get("tuningjob", "anything")

    spec = stored["spec"]
    assert [one.get("values") for one in spec["parameters"]] == [
        one.get("values") for one in given["spec"]["parameters"]
    ]
    assert spec["parameters"][2]["values"][0] is None
    assert spec["initialTrials"] == given["spec"]["initialTrials"]
    assert spec["algorithm"] == {"name": "TPE", "seed": 0}
    assert parse_tuning_job({**stored, "metadata": {"name": "anything"}}) == parse_tuning_job(given)


def test_a_search_has_a_short_name_categories_and_columns(kubectl: Kubectl) -> None:
    kubectl.create(tuning_manifest("metadata.name=listed"))
    patch(kubectl, "listed", {"status": STATUS}, "--subresource=status")

    for name in ("tuj", "steelyard", "ml"):
        lines = kubectl("get", name).splitlines()
        assert any(line.split() == ["NAME", "PHASE", "PROGRESS", "BEST", "SIZE", "AGE"] for line in lines)
        (row,) = (line for line in lines if re.match(r"(tuningjob\.steelyard\.dev/)?listed ", line))
        assert re.search(r"listed +Searching +12/30 +accuracy 0\.981 +94 kB +\S+$", row)
    heading, wide = kubectl("get", "tuj", "listed", "--output=wide").splitlines()
    assert re.search(r"ALGORITHM +PARALLEL +BEST TRIAL +REASON$", heading)
    assert re.search(r" TPE +1 +7 +Because$", wide)


def test_a_full_status_is_kept_as_it_is_and_is_the_models(kubectl: Kubectl) -> None:
    kubectl.create(tuning_manifest("metadata.name=full"))
    patch(kubectl, "full", {"status": STATUS}, "--subresource=status")
    stored = kubectl.get("tuningjob", "full")["status"]
    assert stored == STATUS
    TuningJobStatus.model_validate(stored)


def test_a_log_of_256_kib_is_taken(kubectl: Kubectl) -> None:
    parameters = parse_tuning_job(tuning_manifest("metadata.name=long", "maxTrials=1000")).spec.parameters
    entries = [Entry(n, {parameters[0].path: 0.1 + n / 3000}, "Complete", n / 1001) for n in range(1000)]
    log = [entry.encode(parameters).ljust(262) for entry in entries]
    kubectl.create(tuning_manifest("metadata.name=long", "maxTrials=1000"))
    status = {**STATUS, "log": log, "front": list(range(1000))}
    kubectl(
        *("patch", "tuj", "long", "--type=merge", "--subresource=status", "--patch-file=/dev/stdin"),
        stdin=json.dumps({"status": status}),
    )
    stored = kubectl.get("tuningjob", "long")["status"]["log"]
    assert [Entry.decode(line, parameters) for line in stored] == entries
    assert len(log) < MOST_ENTRIES


# --- what is refused --------------------------------------------------------------------------------------------------

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


# --- what can't change ------------------------------------------------------------------------------------------------


def changed(path: str, value: Any) -> Node:
    """The field of the begun search's spec that a path lies in, with another value there."""
    spec = copy.deepcopy(tuning_manifest(*ANYTHING)["spec"])
    *holders, last = [int(name) if name.isdigit() else name for name in path.split("/")]
    holder: Any = spec
    for name in holders:
        holder = holder[name]
    holder[last] = value
    first = path.partition("/")[0]
    return {first: spec[first]}


CHANGES = [
    ("objective", {"metric": "macroF1"}, "spec.objective"),
    ("parameters/0/values/1", "RMSprop", "spec.parameters"),
    ("parameters/2/values/0", {"cosine": {}}, "spec.parameters"),
    ("parameters/1/when/values/0", "Adam", "spec.parameters"),
    ("parameters/4/max", 48, "spec.parameters"),
    ("initialTrials/1", {"training.batchSize": 16}, "spec.initialTrials"),
    ("initialTrials/0/training.learningRateSchedule", {"cosine": {}}, "spec.initialTrials"),
    ("algorithm", {"name": "Random"}, "spec.algorithm"),
    ("pruning", {"name": "Median"}, "spec.pruning"),
    ("parallelTrials", 2, "spec.parallelTrials"),
    ("asynchronous", True, "spec.asynchronous"),
    ("template/training", {"epochs": 11}, "spec.template.training"),
    ("template/publish", [{"uri": "pvc://models/other"}], "spec.template.publish"),
    ("template/workspace", {"storage": "1Gi"}, "spec.template.workspace.storage"),
    ("best", {"fit": "TrainAndValidation"}, "spec.best"),
    ("maxMinutes", 5, "spec.maxMinutes"),
]


@pytest.fixture(scope="module")
def begun(kubectl: Kubectl) -> str:
    """A search that has begun."""
    kubectl.create(tuning_manifest("metadata.name=begun", *ANYTHING))
    patch(kubectl, "begun", {"status": STATUS}, "--subresource=status")
    return "begun"


@pytest.mark.parametrize(("path", "value", "field"), CHANGES, ids=[row[0] for row in CHANGES])
def test_the_spec_stays_once_the_search_has_begun(
    kubectl: Kubectl, begun: str, path: str, value: Any, field: str
) -> None:
    with pytest.raises(KubectlError) as caught:
        patch(kubectl, begun, {"spec": changed(path, value)}, "--dry-run=server")
    said = f"{field} can't change once the search has begun; delete it and make a new one"
    assert by_field(str(caught.value)) == {field: said}


def test_more_trials_another_policy_and_what_is_retained_may_be_asked_for_at_any_time(
    kubectl: Kubectl, begun: str
) -> None:
    kubectl.apply(tuning_manifest("metadata.name=begun", *ANYTHING))
    patch(kubectl, begun, {"spec": {"maxTrials": 31}}, "--dry-run=server")
    policy = {"suspend": True, "activeDeadlineSeconds": 60, "ttlSecondsAfterFinished": 0}
    patch(kubectl, begun, {"spec": {"runPolicy": policy}}, "--dry-run=server")
    workspace = {"workspace": {"retain": "Never", "retainSeconds": 0}}
    patch(kubectl, begun, {"spec": {"template": workspace}}, "--dry-run=server")
    kubectl.create(tuning_manifest("metadata.name=keeps-result", "template.publish=[]"))
    patch(kubectl, "keeps-result", {"status": STATUS}, "--subresource=status")
    with pytest.raises(KubectlError, match="Never would remove the result, which lies in the workspace"):
        patch(kubectl, "keeps-result", {"spec": {"template": workspace}}, "--dry-run=server")
    with pytest.raises(KubectlError) as caught:
        patch(kubectl, begun, {"spec": {"maxTrials": 29}}, "--dry-run=server")
    said = "29 is less than it was, 30, and the search has begun; allowed: as many or more"
    assert by_field(str(caught.value)) == {"spec.maxTrials": said}


def test_the_largest_search_stays_within_what_the_rules_may_cost(kubectl: Kubectl) -> None:
    """The API server bounds the cost of each rule as it runs; a small object would not show it."""
    largest = tuning_manifest("metadata.name=largest", "maxTrials=100")
    holder = f"training.classWeights.weights.{'x' * 200}"
    largest["spec"]["parameters"] = [
        {"path": f"{holder}{index:03}", "type": "Categorical", "values": [1 + n for n in range(256)]}
        for index in range(64)
    ]
    for index, parameter in enumerate(largest["spec"]["parameters"][1:]):
        when = largest["spec"]["parameters"][index]["path"]
        parameter["when"] = {"path": when, "values": list(range(1, 257))}
    largest["spec"]["initialTrials"] = [
        {parameter["path"]: 1 for parameter in largest["spec"]["parameters"]} for _ in range(20)
    ]
    kubectl.create(largest)
    status = {"status": {"phase": "Searching", "startTime": BEGAN}}
    patch(kubectl, "largest", status, "--subresource=status")
    with pytest.raises(KubectlError, match=r"spec\.initialTrials can't change"):
        patch(kubectl, "largest", {"spec": {"initialTrials": []}})
