"""Every mistake that schema or CEL can name is refused by the API server with field and reason, in the local words."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cluster.kubectl import Kubectl, fresh_namespace
from cluster.simulation import SimulatedCluster
from crd_support import ROOT, install_crds, manifest, refusals

from steelyard.api.errors import ManifestError
from steelyard.api.loading import parse_training_job
from steelyard.planning.clusters import cluster_problems


@pytest.fixture(scope="module")
def kubectl(control_plane: SimulatedCluster) -> Iterator[Kubectl]:
    """kubectl in a namespace, with the CRDs installed."""
    install_crds(control_plane.kubectl)
    with fresh_namespace(control_plane.kubectl) as within:
        yield within


MODELS = "mlp, linear, randomForest, ridge, lasso, elasticNet, logisticRegression, nearestNeighbors, gradientBoosting"
PREPARED = "dataset={uri: pvc://data/prepared, format: Prepared, target: t}"
TRIAL = "trial={tuningJob: search, number: 3, metric: accuracy, goal: Maximize}"

# What the schema says: overrides, the field, the essence of the message.
BY_SCHEMA = [
    # what is missing, unknown or of another type
    (["dataset.uri=delete"], "spec.dataset.uri", "Required value"),
    (["model=delete"], "spec.model", "Required value"),
    (["publish=[{}]"], "spec.publish[0].uri", "Required value"),
    (["evaluation.require=[{minimum: 0.9}]"], "spec.evaluation.require[0].metric", "Required value"),
    (["training.epoch=3"], "spec.training.epoch", "unknown field"),
    (["model.forest={}"], "spec.model.forest", "unknown field"),
    (["runPolicy.epochs=3"], "spec.runPolicy.epochs", "unknown field"),
    (['training.workers="2"'], "spec.training.workers", 'must be of type integer: "string"'),
    (["training.workers=2.5"], "spec.training.workers", 'must be of type integer: "number"'),
    (["training.epochs=true"], "spec.training.epochs", 'must be of type integer: "boolean"'),
    (["dataset.target=7"], "spec.dataset.target", 'must be of type string: "integer"'),
    (["dataset.split.stratify=often"], "spec.dataset.split.stratify", 'must be of type boolean: "string"'),
    (["model.mlp.hiddenUnits=128"], "spec.model.mlp.hiddenUnits", 'must be of type array: "integer"'),
    (
        ["dataset.missingValues={strategy: Constant, value: unknown}"],
        "spec.dataset.missingValues.value",
        'must be of type number: "string"',
    ),
    (
        ["training.classWeights={strategy: Explicit, weights: [1]}"],
        "spec.training.classWeights.weights",
        'must be of type object: "array"',
    ),
    # bounds of numbers
    (["training.workers=0"], "spec.training.workers", "should be greater than or equal to 1"),
    (["training.workers=257"], "spec.training.workers", "should be less than or equal to 256"),
    (["training.optimizer.learningRate=0"], "spec.training.optimizer.learningRate", "should be greater than 0"),
    (["model.mlp.dropout=1"], "spec.model.mlp.dropout", "should be less than 1"),
    (["dataset.split.seed=4294967296"], "spec.dataset.split.seed", "should be less than or equal to 4294967295"),
    (["dataset.checks.minRows=1000000000001"], "spec.dataset.checks.minRows", "less than or equal to 1000000000000"),
    (["runPolicy.backoffLimit=-1"], "spec.runPolicy.backoffLimit", "should be greater than or equal to 0"),
    (["runPolicy.activeDeadlineSeconds=0"], "spec.runPolicy.activeDeadlineSeconds", "greater than or equal to 1"),
    (["template.securityContext={runAsUser: -1}"], "spec.template.securityContext.runAsUser", "than or equal to 0"),
    # bounds of texts, lists and maps
    (['dataset.target=""'], "spec.dataset.target", "should be at least 1 chars long"),
    ([f"dataset.target={'t' * 257}"], "spec.dataset.target", "Too long: may not be more than 256"),
    (["model.mlp.hiddenUnits=[]"], "spec.model.mlp.hiddenUnits", "should have at least 1 items"),
    ([f"model.mlp.hiddenUnits={[8] * 65}"], "spec.model.mlp.hiddenUnits", "must have at most 64 items"),
    ([f"publish={['{uri: pvc://a/b}'] * 9}".replace("'", "")], "spec.publish", "must have at most 8 items"),
    (['template.image=""'], "spec.template.image", "should be at least 1 chars long"),
    (["template.affinity={a: {}, b: {}, c: {}, d: {}}"], "spec.template.affinity", "must have at most 3 items"),
    # one of a few words, and patterns
    (["training.optimizer.name=adam"], "spec.training.optimizer.name", 'supported values: "SGD", "Adam", "AdamW"'),
    (
        ["compression.candidates=[Int5]"],
        "spec.compression.candidates[0]",
        "should match '^(Baseline|DynamicRange|",
    ),
    (["compression.candidates=[{name: a}]"], "spec.compression.candidates[0].steps", "Required value"),
    (["task=Clustering"], "spec.task", 'supported values: "Classification", "Regression"'),
    (["workspace.accessMode=ReadOnlyMany"], "spec.workspace.accessMode", 'supported values: "ReadWriteOnce"'),
    (["workspace.storage=10 GB"], "spec.workspace.storage", "should match"),
    (["workspace.claimName=My_claim"], "spec.workspace.claimName", "should match"),
    (
        ["template.volumes=[{mountPath: certs, source: {secret: a}}]"],
        "spec.template.volumes[0].mountPath",
        "match '^(/",
    ),
    (
        ["template.volumes=[{mountPath: /a/../tmp, source: {secret: a}}]"],
        "spec.template.volumes[0].mountPath",
        "match '^(/",
    ),
    (
        ["template.volumes=[{mountPath: //tmp, source: {secret: a}}]"],
        "spec.template.volumes[0].mountPath",
        "match '^(/",
    ),
    (['template.labels={"": a}'], "spec.template.labels", "a key is a text of 1 to 317 characters"),
]


@pytest.mark.parametrize(("overrides", "field", "essence"), BY_SCHEMA, ids=[f"{row[1]}-{row[2]}" for row in BY_SCHEMA])
def test_a_breach_of_the_schema_is_refused_at_its_field(
    kubectl: Kubectl, overrides: list[str], field: str, essence: str
) -> None:
    document = manifest(*overrides)

    said = refusals(kubectl, document)

    assert set(said) - {"<nil>"} == {field}
    assert essence in said[field]
    with pytest.raises(ManifestError):
        parse_training_job(document)


# What CEL says: overrides, the field, the message.
BY_RULE = [
    (["metadata.name=7-digits"], "metadata.name", '"7-digits" is not allowed; allowed: 1 to 40 lower-case letters'),
    (
        [f"metadata.name={'a' * 41}"],
        "metadata.name",
        "allowed: 1 to 40 lower-case letters, digits and '-'; begins with",
    ),
    # exactly one of
    (
        ["model={mlp: {}, linear: {}}"],
        "spec.model",
        f"exactly one of {MODELS} is allowed, but mlp and linear are given",
    ),
    (["model={}"], "spec.model", f"exactly one of {MODELS} is allowed, but none is given"),
    (["model={mlp: null}"], "spec.model", f"exactly one of {MODELS} is allowed, but none is given"),
    (
        ["training.learningRateSchedule={cosine: {}, exponential: {}}"],
        "spec.training.learningRateSchedule",
        "exactly one of cosine, exponential is allowed, but cosine and exponential are given",
    ),
    # dataset
    (["dataset.uri=digits.csv"], "spec.dataset.uri", "'digits.csv' lies on no claim; pods see nothing else"),
    (
        ["dataset.uri=file:///data/digits.csv"],
        "spec.dataset.uri",
        "lies on no claim; pods see nothing else; allowed: pvc",
    ),
    (["dataset.uri=s3://bucket/a.csv"], "spec.dataset.uri", "'s3://bucket/a.csv' is not a source that is read here"),
    (
        ["dataset.uri=pvc://Data/a.csv"],
        "spec.dataset.uri",
        "'pvc://Data/a.csv' names no claim; allowed: pvc://CLAIM/PATH",
    ),
    (["dataset.uri=pvc://data/", "dataset.format=CSV"], "spec.dataset.uri", "'pvc://data/' names no path on the claim"),
    (["dataset.uri=pvc://data/../a.csv"], "spec.dataset.uri", "no empty, '.' or '..' parts"),
    (["dataset.uri=pvc://data//a.csv"], "spec.dataset.uri", "no empty, '.' or '..' parts"),
    (["dataset.uri=sklearn:mnist"], "spec.dataset.uri", "ships no data set 'mnist'; allowed: breast_cancer, diabetes"),
    (["dataset.uri=pvc://data/a"], "spec.dataset.format", "the format can't be told from 'pvc://data/a'; say CSV"),
    (["dataset.uri=sklearn:iris", "dataset.format=CSV"], "spec.dataset.format", "sklearn:iris has no file format"),
    (["dataset.exclude=[t]"], "spec.dataset.exclude", "the target 't' can't be excluded; it is never a feature"),
    (["dataset.categorical=[t]"], "spec.dataset.categorical", "'t' is the target; say spec.task: Classification"),
    (
        ["dataset.exclude=[a, b]", "dataset.categorical=[b, c]"],
        "spec.dataset.categorical",
        "'b' is excluded as well; a column is one or the other",
    ),
    (
        ["dataset.missingValues={strategy: Constant}"],
        "spec.dataset.missingValues.value",
        "Constant needs a value, such as",
    ),
    (
        ["dataset.missingValues={value: 3}"],
        "spec.dataset.missingValues.value",
        "a value is used with strategy Constant only, but the strategy is Fail",
    ),
    (
        ["dataset.missingValues={strategy: Mean, text: unknown}"],
        "spec.dataset.missingValues.text",
        "a text is used with strategy Constant only, but the strategy is Mean",
    ),
    (
        ["dataset.split={test: 0.7, validation: 0.4}"],
        "spec.dataset.split.validation",
        "must be less than 1, but is 1.1",
    ),
    (
        ["dataset.uri=pvc://data/prepared", "dataset.format=Prepared", "dataset.split.seed=7"],
        "spec.dataset.split",
        "a prepared dataset is taken as it is; with format Prepared leave out split",
    ),
    (["dataset.split={group: a, time: b}"], "spec.dataset.split.time", "the rows are dealt out by split.group already"),
    (["dataset.split={time: a, seed: 42}"], "spec.dataset.split.seed", "seed does nothing with split.time"),
    (["dataset.split={column: a, test: 0.2}"], "spec.dataset.split.test", "test does nothing with split.column"),
    (["dataset.split={group: t}"], "spec.dataset.split.group", "'t' is the target; rows can't be dealt out by it"),
    (
        ["dataset.split={time: a}", "dataset.categorical=[a]"],
        "spec.dataset.categorical",
        "'a' deals out the rows (split) and is no feature",
    ),
    (
        ["dataset.testUri=pvc://data/b.csv", "dataset.split={test: 0.2}"],
        "spec.dataset.split.test",
        "the test set is the file of testUri; leave out one of the two",
    ),
    (["dataset.testUri=b.csv"], "spec.dataset.testUri", "'b.csv' lies on no claim; pods see nothing else"),
    (["dataset.testUri=s3://b/c.csv"], "spec.dataset.testUri", "'s3://b/c.csv' is no file that is read here"),
    (["dataset.testUri=pvc://Data/c.csv"], "spec.dataset.testUri", "'pvc://Data/c.csv' names no claim"),
    (["dataset.testUri=pvc://data/table"], "spec.dataset.testUri", "the format can't be told from 'pvc://data/table'"),
    (
        ["model={ridge: {}}", "dataset.split={group: a}", "evaluation={crossValidation: {}}"],
        "spec.evaluation.crossValidation",
        "folds are dealt out by chance, but the rows by split.group",
    ),
    # training
    (
        ["training.optimizer={name: SGD, beta1: 0.9}"],
        "spec.training.optimizer.beta1",
        "SGD has no such setting; it has momentum, nesterov",
    ),
    (
        ["training.optimizer={momentum: 0.9}"],
        "spec.training.optimizer.momentum",
        "Adam has no such setting; it has beta1, beta2, epsilon",
    ),
    (
        ["training.optimizer={name: SGD, nesterov: true}"],
        "spec.training.optimizer.nesterov",
        "Nesterov's momentum needs a momentum above 0, such as 0.9",
    ),
    (
        ["training.classWeights={strategy: Explicit}"],
        "spec.training.classWeights.weights",
        "weights are needed with strategy Explicit and with no other",
    ),
    (
        ["training.classWeights={weights: {a: 2}}"],
        "spec.training.classWeights.weights",
        "weights are needed with strategy Explicit and with no other",
    ),
    # evaluation, compression
    (
        ["evaluation.require=[{metric: accuracy}]"],
        "spec.evaluation.require[0].minimum",
        "a requirement needs a minimum, a maximum or both",
    ),
    (
        ["evaluation.require=[{metric: rmse, maximum: 1}, {metric: accuracy, minimum: 95}]"],
        "spec.evaluation.require[1].minimum",
        "95 is not allowed; accuracy is at most 1",
    ),
    (
        ["evaluation.require=[{metric: mae, minimum: 2.5, maximum: 0.1}]"],
        "spec.evaluation.require[0].minimum",
        "the minimum 2.5 is above the maximum 0.1",
    ),
    (["evaluation.label=a"], "spec.evaluation.label", "a label goes with one of the metrics rocAuc"),
    (
        ["evaluation.require=[{metric: macroF1, label: a, minimum: 0}]"],
        "spec.evaluation.require[0].label",
        "a label goes with one of the metrics rocAuc",
    ),
    (
        ["task=Regression", "evaluation.metric=rocAuc"],
        "spec.evaluation.metric",
        "rocAuc is no metric of Regression; allowed: r2, rmse, mae, mape, medianAe",
    ),
    # what the task does not have
    (
        ["task=Regression", "evaluation.require=[{metric: r2, minimum: 0}, {metric: accuracy, minimum: 0.9}]"],
        "spec.evaluation.require",
        "accuracy is no metric of Regression; allowed: r2, rmse, mae",
    ),
    (
        ["task=Classification", "training.earlyStopping.monitor=val_mae"],
        "spec.training.earlyStopping.monitor",
        "val_mae is no figure of Classification",
    ),
    (
        ["task=Regression", "dataset.split.stratify=true"],
        "spec.dataset.split.stratify",
        "only classes can be stratified, but the task is Regression",
    ),
    (
        ["task=Regression", "training.classWeights={}"],
        "spec.training.classWeights",
        "there are no classes to weigh, the task is Regression",
    ),
    (
        ["task=Regression", "training.labelSmoothing=0.1"],
        "spec.training.labelSmoothing",
        "there are no labels to smooth, the task is Regression",
    ),
    (
        ["task=Regression", "dataset.checks.minClassFraction=0.1"],
        "spec.dataset.checks.minClassFraction",
        "there are no classes to count, the task is Regression",
    ),
    # publish
    (["publish=delete"], "spec.publish", "a cluster has no folder of its own for the model: say where it goes"),
    (["publish=[{uri: file:models}]"], "spec.publish[0].uri", "'file:models' would be lost with the pod; allowed on a"),
    (
        ["publish=[{uri: models/a}]"],
        "spec.publish[0].uri",
        "'models/a' would be lost with the pod; allowed on a cluster",
    ),
    (
        ["publish=[{uri: pvc://a/b}, {uri: 's3://models/a'}]"],
        "spec.publish[1].uri",
        "'s3://models/a' is not a place that is published to here; allowed: pvc://CLAIM/PATH",
    ),
    (["publish=[{uri: pvc://a/..}]"], "spec.publish[0].uri", "'pvc://a/..' names no path on the claim"),
    (["publish=[]", "compression={}"], "spec.publish", "nothing is published, so nothing need be compressed"),
    # pods
    (
        ["workspace={claimName: mine, storage: 1Gi}"],
        "spec.workspace.storage",
        "the claim 'mine' has its own; leave this out",
    ),
    (
        ["workspace={claimName: mine, retain: Always}"],
        "spec.workspace.retain",
        "the claim 'mine' is never removed; leave this out",
    ),
    (
        ["workspace={retain: OnFailure}", "publish=[]"],
        "spec.workspace.retain",
        "OnFailure would remove the result, which lies in the workspace as nothing is published; allowed: Always",
    ),
    (
        ["workspace={retain: Never}", "onlyPrepare=true", "publish=delete"],
        "spec.workspace.retain",
        "Never would remove the result, which lies in the workspace as nothing is published; allowed: Always",
    ),
    (
        ["template.env=[{name: STEELYARD_SPEC, value: a}]"],
        "spec.template.env[0].name",
        "STEELYARD_SPEC is set by the operator; name another variable",
    ),
    (
        ["template.env=[{name: A, value: a, valueFrom: {secretKeyRef: {name: s, key: k}}}]"],
        "spec.template.env[0].valueFrom",
        "A has a value already; give one of the two",
    ),
    (["template.env=[{name: A, value: a}, {name: A, value: b}]"], "spec.template.env", "A is given twice"),
    (
        ["template.volumes=[{mountPath: /m, source: {secret: a}}, {mountPath: /m, source: {secret: b}}]"],
        "spec.template.volumes",
        "/m is given twice",
    ),
    (
        ["template.volumes=[{mountPath: /tmp/certs, source: {secret: a}}]"],
        "spec.template.volumes[0].mountPath",
        "/tmp/certs is the container's own; allowed is any other absolute path",
    ),
    (
        ["template.volumes=[{mountPath: /etc, source: {secret: a}}]"],
        "spec.template.volumes[0].mountPath",
        "/etc is the container's own; allowed is any other absolute path",
    ),
    (
        ["publish=[{uri: pvc://m/q}, {uri: pvc://m/q/r}]"],
        "spec.publish",
        "'pvc://m/q' is given twice, or another target lies in it",
    ),
    (
        ["publish=[{uri: pvc://m/q}, {uri: pvc://m/q}]"],
        "spec.publish",
        "'pvc://m/q' is given twice, or another target lies in it",
    ),
    (
        ["metadata.name=j", "workspace.claimName=m", "publish=[{uri: pvc://m/k}, {uri: pvc://m/j/q}]"],
        "spec.publish",
        "'pvc://m/j/q' lies in the job's workspace, pvc://m/j; give the model another folder",
    ),
    # jobs of a search
    (["onlyPrepare=true"], "spec.publish", "a job that only prepares the data (onlyPrepare) has no publish"),
    (
        ["onlyPrepare=true", "publish=[]", PREPARED],
        "spec.onlyPrepare",
        "a dataset of format Prepared is prepared already",
    ),
    ([PREPARED, "trained={}"], "spec.trained.uri", "the model that is taken as it is must be named"),
    ([PREPARED, "trained={uri: pvc://A/x}"], "spec.trained.uri", "'pvc://A/x' names no claim"),
    ([PREPARED, "trained={uri: a/x}"], "spec.trained.uri", "'a/x' lies on no claim; pods see nothing else"),
    ([PREPARED, "trained={uri: pvc://a/x, epochs: 3}"], "spec.trained.epochs", "epochs go with refit: true"),
    ([PREPARED, "trained={refit: true}"], "spec.trained.uri", "a refitted network is weighed by a model"),
    (["trained={uri: pvc://a/x}"], "spec.dataset.format", "goes with the data of that job"),
    ([PREPARED, "publish=[]", TRIAL, "trained={uri: pvc://a/x}"], "spec.trained", "a trial trains a model of its own"),
    (
        [PREPARED, "trained={uri: pvc://a/x, refit: true}", "training.earlyStopping={}"],
        "spec.training.earlyStopping",
        "no validation set is left to watch",
    ),
    (
        [PREPARED, "trained={uri: pvc://a/x, refit: true, epochs: 11}"],
        "spec.trained.epochs",
        "11 is more than training.epochs, 10",
    ),
    ([TRIAL], "spec.publish", "a trial publishes nothing; say publish: []"),
    ([TRIAL, "publish=[]", "compression={}"], "spec.compression", "a trial compresses for trial.secondary only"),
    ([TRIAL, "publish=[]", "evaluation.maxGeneralizationGap=0.1"], "spec.evaluation", "does not look at the test set"),
    ([TRIAL, "publish=[]", "task=Regression"], "spec.trial.metric", "accuracy is no metric of Regression"),
    ([TRIAL, "publish=[]", "trial.pairedLimit={best: [0.5]}"], "spec.trial.pairedLimit", "is not scored on folds"),
    (
        [TRIAL, "publish=[]", "trial.label=a"],
        "spec.trial.label",
        "a label goes with one of the metrics rocAuc, averagePrecision, precision, recall, f1; leave it out",
    ),
    # scikit-learn's models and networks
    (["model={ridge: {}}", "training.workers=2"], "spec.training.workers", "fitted in one process; allowed: 1"),
    *(
        (
            ["model={randomForest: {}}", f"training.{changed}"],
            f"spec.training.{changed.partition('=')[0]}",
            f"{changed.partition('=')[0]} does nothing for scikit-learn's models, which have no epochs; leave it out",
        )
        for changed in (
            "epochs=11",
            "batchSize=16",
            "optimizer={name: SGD}",
            "optimizer={learningRate: 0.002}",
            "optimizer={epsilon: 1e-7}",
            "learningRateSchedule={cosine: {}}",
            "earlyStopping={}",
            "labelSmoothing=0.1",
            "checkpoint={everySeconds: 31}",
            "checkpoint={everySteps: 5}",
        )
    ),
    (
        [PREPARED, "model={lasso: {}}", "trained={refit: true, epochs: 3}"],
        "spec.trained.epochs",
        "epochs does nothing for scikit-learn's models",
    ),
    (
        ["model={nearestNeighbors: {}}", "training.classWeights={}"],
        "spec.training.classWeights",
        "nearestNeighbors does not weigh classes; leave it out, or take one that does: mlp, linear, randomForest, "
        "logisticRegression, gradientBoosting",
    ),
    (
        ["evaluation.crossValidation={}"],
        "spec.evaluation.crossValidation",
        "folds are for scikit-learn's models: randomForest, ridge, lasso, elasticNet, logisticRegression, nearest",
    ),
    (
        ["model={elasticNet: {}}", "task=Classification"],
        "spec.model",
        "elasticNet is for Regression, but the task is Classification",
    ),
    (
        ["model={logisticRegression: {}}", "task=Regression"],
        "spec.model",
        "logisticRegression is for Classification, but the task is Regression",
    ),
    (
        ["template.volumes=[{mountPath: /m, source: {secret: a, claim: b}}]"],
        "spec.template.volumes[0].source",
        "exactly one of secret, configMap, claim is allowed, but secret and claim are given",
    ),
    (
        ["template.labels={a: b, steelyard.dev/job: c}"],
        "spec.template.labels",
        "'steelyard.dev/job' is the operator's; name another label",
    ),
]


@pytest.mark.parametrize(("overrides", "field", "message"), BY_RULE, ids=[f"{row[1]}-{row[2]}" for row in BY_RULE])
def test_what_crosses_fields_is_refused_in_the_words_of_the_command(
    kubectl: Kubectl, overrides: list[str], field: str, message: str
) -> None:
    document = manifest(*overrides)

    said = refusals(kubectl, document)

    assert set(said) == {field}
    assert message in said[field]
    ((path, locally),) = local_problems(document).items()
    # CEL can't name an item of a list from outside of it.
    assert path.startswith(field)
    assert said[field] == locally


def local_problems(document: dict[str, object]) -> dict[str, str]:
    """What `steelyard submit` says of a manifest before it asks the API server."""
    try:
        problems = cluster_problems(parse_training_job(document).spec)
    except ManifestError as error:
        problems = error.problems
    return {problem.path: problem.message for problem in problems}


# Manifests that look odd and are right.
RIGHT = [
    [],
    ["workspace.claimName=m", "publish=[{uri: 'pvc://m/digits-2'}]"],
    ["metadata.name=a-7"],
    [f"metadata.name={'a' * 40}"],
    ["dataset.uri=sklearn:wine"],
    ["dataset.uri=pvc://data/.hidden/..a/b.c/A.CSV.GZ"],
    ["dataset.uri=pvc://my-data-2/a b/ü.parquet"],
    ["dataset.uri=pvc://data/prepared/", "dataset.format=Prepared"],
    ["publish=[]"],
    ["publish=[{uri: pvc://a/b/}, {uri: pvc://a/c}]"],
    ["dataset.missingValues={strategy: Constant, value: 0.5, text: unknown}"],
    ["dataset.missingValues={strategy: Constant, text: unknown}"],
    ["dataset.split={test: 0.5, validation: 0.4, seed: 4294967295, stratify: false}"],
    ["dataset.split={group: a, test: 0.5, validation: 0.4, seed: 4294967295}"],
    ["dataset.split={time: a, test: 0.5}"],
    ["dataset.split={column: a}", "dataset.testUri=pvc://other/b.parquet"],
    ["dataset.checks={minRows: 1000000000000, maxMissingFraction: 0, maxDuplicateFraction: 1}"],
    ["training.optimizer={name: SGD, learningRate: 1e-3, momentum: 0.9, nesterov: true}"],
    ["training.optimizer={name: SGD, nesterov: false}"],
    [
        "model={randomForest: {maxDepth: 5}}",
        "training={seed: 7, epochs: 10, optimizer: {name: Adam}, classWeights: {}}",
    ],
    ["model={ridge: {}}", "evaluation={crossValidation: {folds: 3}}", "compression={candidates: [Baseline, Onnx]}"],
    ["model={nearestNeighbors: {}}", "task=Regression", "compression={}"],
    ["training.epochs=11", "compression={candidates: [Baseline, Int8]}"],
    ["compression={candidates: [Int8, {name: a, steps: [{technique: Int8, representativeRows: 9}]}]}"],
    ["training.optimizer={name: RMSprop, rho: 0.9, momentum: 0, epsilon: 1}"],
    ["training.earlyStopping={minDelta: 1e12}", "training.learningRateSchedule.cosine={}"],
    ["training.classWeights={strategy: Explicit, weights: {'1': 2, b: 0.5}}"],
    ["task=Regression", "evaluation.require=[{metric: rmse, maximum: 70}, {metric: mae, minimum: 2}]"],
    ["task=Classification", "evaluation.require=[{metric: logLoss, minimum: 0.1, maximum: 20}]"],
    ["workspace={claimName: mine, accessMode: ReadWriteMany}"],
    ["workspace={retain: Never, retainSeconds: 0}", "runPolicy={ttlSecondsAfterFinished: 0}"],
    ["workspace={retain: Always}", "publish=[]"],
    [
        "template.env=[{name: A, value: ''}, {name: B, valueFrom: {configMapKeyRef: {name: c, key: k}}}]",
        "template.volumes=[{mountPath: /tmpfiles, source: {claim: c}}, {mountPath: /m, source: {configMap: d}}]",
        "template.affinity={nodeAffinity: {anything: [goes]}}",
        "template.tolerations=[{operator: Exists}]",
        'template.resources={train: {requests: {cpu: "1", nvidia.com/gpu: "1"}, limits: {memory: 2.5Gi}}}',
    ],
    ["publish=[{uri: pvc://m/q}, {uri: pvc://m/qr}, {uri: pvc://n/q}]"],
    ["template.volumes=[{mountPath: /etc/.own, source: {secret: c}}, {mountPath: /var/..a/b.c, source: {secret: d}}]"],
    ["runPolicy={activeDeadlineSeconds: 2147483647, startTimeoutSeconds: 0, disruptionLimit: 0}"],
]


@pytest.mark.parametrize("overrides", RIGHT, ids=map(" ".join, RIGHT))
def test_what_is_right_is_accepted_here_and_there(kubectl: Kubectl, overrides: list[str]) -> None:
    document = manifest(*overrides)
    assert local_problems(document) == {}
    assert refusals(kubectl, document) == {}


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/training-job.yaml")), ids=lambda path: path.parent.name)
def test_an_example_is_accepted_or_refused_as_the_command_says(kubectl: Kubectl, path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert refusals(kubectl, document) == local_problems(document)


def test_all_mistakes_of_the_schema_are_named_at_once(kubectl: Kubectl) -> None:
    said = refusals(kubectl, manifest("training.workers=0", "model.mlp.dropout=2", "publish=[{}]"))
    assert set(said) - {"<nil>"} == {"spec.training.workers", "spec.model.mlp.dropout", "spec.publish[0].uri"}


def test_a_breach_is_refused_by_server_side_apply_too(kubectl: Kubectl) -> None:
    with pytest.raises(Exception, match=f"exactly one of {MODELS} is allowed, but none is given"):
        kubectl.apply(manifest("model={}"), server_side=True)
    assert kubectl.find("trainingjob", "a") is None
