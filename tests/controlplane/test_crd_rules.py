"""What the rules of a TrainingJob refuse is refused at its field, in the words of the command."""

import pytest
from cluster.kubectl import Kubectl
from crd_support import MODELS, local_problems, manifest, refusals

PREPARED = "dataset={uri: pvc://data/prepared, format: Prepared, target: t}"
ELSEWHERE = "trained={uri: pvc://a/x.keras, format: Keras}"
IMAGE = "image: a"
TRIAL = "trial={tuningJob: search, number: 3, metric: accuracy, goal: Maximize}"


CROSS_FITTED = {
    "training.workers=2": "CrossFitted trains in one process, and training.workers is 2",
    "dataset.split={group: customer}": "CrossFitted deals rows out by chance, but split.group does it here",
}


# What CEL says: overrides, the field, the message.
OWN = 'model={{entrypoint: {{function: "net:build", framework: Keras, code: {}}}}}'
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
    (
        ["dataset.split.searchRows=false"],
        "spec.dataset.split.searchRows",
        "search rows steer compression, and there is none; leave out searchRows",
    ),
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
    *(
        (
            [f"compression={{proof: Point, {given}}}"],
            f"spec.compression.{given.split(':')[0]}",
            "proof Point compares two numbers and proves nothing; leave out one of the two",
        )
        for given in ("confidence: 0.9", "onTooFewRows: Baseline")
    ),
    *(
        (["compression={proof: CrossFitted}", given], "spec.compression.proof", f"{says}; allowed: HeldOut, Point")
        for given, says in CROSS_FITTED.items()
    ),
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
        ["task=Regression", "compression.maxClassDrop=0.1"],
        "spec.compression.maxClassDrop",
        "there are no classes to keep, the task is Regression",
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
    # networks
    (
        ["model={cnn: {inputShape: [3, 1, 8], filters: [8, 8, 8]}}"],
        "spec.model.cnn.inputShape",
        "3 x 1 is too small: the network halves it 2 times; allowed: at least 4 in height or width",
    ),
    (
        ["model={resNet8: {inputShape: [2, 3, 1]}}"],
        "spec.model.resNet8.inputShape",
        "2 x 3 is too small: the network halves it 2 times; allowed: at least 4 in height or width",
    ),
    (
        ["model={wideAndDeep: {crosses: [[a, b], [c, c]]}}"],
        "spec.model.wideAndDeep.crosses",
        "'c' is crossed with itself; name two columns",
    ),
    (
        ["model={wideAndDeep: {crosses: [[a, b], [b, a]]}}"],
        "spec.model.wideAndDeep.crosses",
        "'a' and 'b' are crossed twice; once will do",
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
    # a model from elsewhere
    (["model=delete"], "spec.model", f"this field is needed, but it is missing; allowed: one of {MODELS}; or a model"),
    ([ELSEWHERE], "spec.model", "a model from elsewhere (trained.format) is what its file says; leave this out"),
    ([ELSEWHERE, "model=delete", "trained.refit=true"], "spec.trained.refit", "is taken as it is; leave this out"),
    ([ELSEWHERE, "model=delete", PREPARED], "spec.dataset.format", "is judged on a table that this job prepares"),
    ([ELSEWHERE, "model=delete", "training.epochs=3"], "spec.training.epochs", "epochs does nothing for models from"),
    ([ELSEWHERE, "model=delete", "training.classWeights={}"], "spec.training.classWeights", "does not weigh classes"),
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
    # a program of the user's own
    *(
        ([f"model={{container: {{{container}, model: {{format: Keras}}}}}}", *more], f"spec.{field}", message)
        for container, more, field, message in (
            ("command: [a]", [], "model.container.image", "a cluster runs the command in an image, and none is named"),
            (f"{IMAGE}, env: {{RANK: a}}", [], "model.container.env", "RANK is set by Steelyard"),
            (f"{IMAGE}, env: {{STEELYARD_A: a}}", [], "model.container.env", "STEELYARD_A is set by Steelyard"),
            (f"{IMAGE}, env: {{a b: a}}", [], "model.container.env", "'a b' is no variable's name"),
            (IMAGE, ["training.epochs=3"], "training.epochs", "epochs does nothing for models of containers"),
            (IMAGE, ["training.classWeights={}"], "training.classWeights", "container does not weigh classes"),
            (IMAGE, ["compression={proof: CrossFitted}"], "compression.proof", "is not trained again on folds"),
            (IMAGE, [PREPARED, "trained={uri: pvc://a/x}"], "trained", "a container trains its model itself"),
            (IMAGE, ["publish=[]", TRIAL], "trial", "a container trains its model itself, for this job alone"),
        )
    ),
    (
        ["model={container: {image: a, model: {format: Keras, path: ../m}}}"],
        "spec.model.container.model.path",
        "'../m' leaves the folder that STEELYARD_MODEL_DIR names",
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
        "nearestNeighbors does not weigh classes; leave it out, or take one that does: mlp, linear, cnn, resNet8, "
        "dsCnn, wideAndDeep, randomForest, logisticRegression, gradientBoosting, entrypoint",
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
        [OWN.format("{path: code}")],
        "spec.model.entrypoint.code.path",
        "'code' is a folder of this machine, which pods don't see; `steelyard submit` packs it",
    ),
    ([OWN.format("{sha256: " + "a" * 64 + "}")], "spec.model.entrypoint.code.path", "is needed, but none is given"),
    (
        [OWN.format('{configMap: net, uri: "pvc://shelf/net"}')],
        "spec.model.entrypoint.code.path",
        "only one of path, configMap, uri is allowed, but configMap and uri are",
    ),
    ([OWN.format("{uri: net.zip}")], "spec.model.entrypoint.code.uri", "'net.zip' lies on no claim"),
    (
        [OWN.format("{configMap: net}").replace("Keras", "Sklearn"), "training.workers=2"],
        "spec.training.workers",
        "scikit-learn's models are fitted in one process; allowed: 1",
    ),
    (
        ["template.volumes=[{mountPath: /m, source: {secret: a, claim: b}}]"],
        "spec.template.volumes[0].source",
        "exactly one of secret, configMap, claim, emptyDir is allowed, but secret and claim are given",
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
