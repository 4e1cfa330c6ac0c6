"""What the schema of a TrainingJob refuses is refused at its field, as here; what is right is taken here and there."""

from pathlib import Path

import pytest
import yaml
from cluster.kubectl import Kubectl
from crd_support import MODELS, ROOT, local_problems, manifest, refusals

from steelyard.api.errors import ManifestError
from steelyard.api.loading import parse_training_job

# What the schema says: overrides, the field, the essence of the message.
BY_SCHEMA = [
    # what is missing, unknown or of another type
    (["dataset.uri=delete"], "spec.dataset.uri", "Required value"),
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
    (["runPolicy.stallTimeoutSeconds=9"], "spec.runPolicy.stallTimeoutSeconds", "greater than or equal to 10"),
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
        "should match '^(Baseline|Auto|DynamicRange|",
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
