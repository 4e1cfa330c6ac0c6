"""Every mistake in a manifest is answered with the field's path, the value and what is allowed."""

import pytest
from training_manifests import ALL_TECHNIQUES, manifest, problems

from steelyard.api.errors import ManifestError
from steelyard.api.loading import apply_overrides, parse_training_job

NAME_RULE = "1 to 40 lower-case letters, digits and '-'; begins with a letter, ends with a letter or digit"

MODELS = (
    "mlp, linear, cnn, resNet8, dsCnn, wideAndDeep, randomForest, ridge, lasso, elasticNet, logisticRegression, "
    "nearestNeighbors, gradientBoosting, entrypoint, container"
)

# What is set, the field that the error names, and the whole message.
WRONG = [
    # exactly one of
    (
        "model={mlp: {}, linear: {}}",
        "spec.model",
        f"exactly one of {MODELS} is allowed, but mlp and linear are given",
    ),
    ("model={}", "spec.model", f"exactly one of {MODELS} is allowed, but none is given"),
    ("model={mlp: null}", "spec.model", f"exactly one of {MODELS} is allowed, but none is given"),
    (
        "training.learningRateSchedule={cosine: {}, exponential: {}}",
        "spec.training.learningRateSchedule",
        "exactly one of cosine, exponential is allowed, but cosine and exponential are given",
    ),
    # unknown fields
    (
        "model={forest: {}}",
        "spec.model.forest",
        f"there is no such field; did you mean randomForest? allowed: {MODELS}",
    ),
    (
        "model.mlp.hiddenUnit=[3]",
        "spec.model.mlp.hiddenUnit",
        "there is no such field; did you mean hiddenUnits? "
        "allowed: hiddenUnits, activation, batchNormalization, dropout, regularization",
    ),
    (
        "training.checkpoint.every_seconds=3",
        "spec.training.checkpoint.every_seconds",
        "there is no such field; did you mean everySeconds? allowed: everySeconds, everySteps",
    ),
    (
        "runPolicy.epochs=3",
        "spec.runPolicy.epochs",
        "there is no such field; did you mean spec.training.epochs or spec.trained.epochs? "
        "allowed: suspend, backoffLimit, disruptionLimit, activeDeadlineSeconds, gangTimeoutSeconds, "
        "stallTimeoutSeconds, startTimeoutSeconds, ttlSecondsAfterFinished",
    ),
    ("metadata.owner=me", "metadata.owner", "there is no such field; allowed: name, namespace, labels, annotations"),
    (
        "publish=[{uri: models/a, url: models/a}]",
        "spec.publish[0].url",
        "there is no such field; did you mean uri? allowed: uri",
    ),
    # missing fields
    ("metadata={}", "metadata.name", f"this field is needed, but it is missing; allowed: {NAME_RULE}"),
    (
        "dataset={target: t}",
        "spec.dataset.uri",
        "this field is needed, but it is missing; allowed: a text of 1 to 2048 characters",
    ),
    (
        "publish=[{}]",
        "spec.publish[0].uri",
        "this field is needed, but it is missing; allowed: a text of 1 to 2048 characters",
    ),
    # wrong types
    (
        'training.workers="2"',
        "spec.training.workers",
        '"2" is not allowed; allowed: a whole number from 1 to 256; without quotes',
    ),
    ("training.workers=2.0", "spec.training.workers", "2.0 is not allowed; allowed: a whole number from 1 to 256"),
    ("training.epochs=true", "spec.training.epochs", "true is not allowed; allowed: a whole number from 1 to 100000"),
    (
        "training.optimizer.learningRate=fast",
        "spec.training.optimizer.learningRate",
        '"fast" is not allowed; allowed: a number above 0 and at most 100',
    ),
    (
        "dataset.split.stratify=yes please",
        "spec.dataset.split.stratify",
        '"yes please" is not allowed; allowed: true or false',
    ),
    (
        "dataset.target=7",
        "spec.dataset.target",
        "7 is not allowed; allowed: a text of 1 to 256 characters; put it in quotes",
    ),
    ("metadata.name=7", "metadata.name", f"7 is not allowed; allowed: {NAME_RULE}; put it in quotes"),
    (
        "model.mlp.hiddenUnits=128",
        "spec.model.mlp.hiddenUnits",
        "128 is not allowed; allowed: a list of 1 to 64 items, each a whole number from 1 to 65536",
    ),
    (
        "model.mlp.hiddenUnits=[8, a]",
        "spec.model.mlp.hiddenUnits[1]",
        '"a" is not allowed; allowed: a whole number from 1 to 65536',
    ),
    (
        "model=null",
        "spec.model",
        f"this field is needed, but it is missing; allowed: one of {MODELS}; or a model from elsewhere, by trained.uri "
        "and trained.format",
    ),
    (
        "publish=models/x",
        "spec.publish",
        '"models/x" is not allowed; allowed: a list of at most 8 items, each a map with the field uri',
    ),
    (
        "evaluation.require={metric: accuracy}",
        "spec.evaluation.require",
        '{"metric": "accuracy"} is not allowed; '
        "allowed: a list of at most 16 items, each a map with the fields metric, label, minimum, maximum",
    ),
    (
        "dataset.missingValues={strategy: Constant, value: [1]}",
        "spec.dataset.missingValues.value",
        "[1] is not allowed; allowed: a number",
    ),
    (
        "training.classWeights={strategy: Explicit, weights: {1: 2.0}}",
        "spec.training.classWeights.weights",
        "the key 1 is not allowed; it must be a text, in quotes",
    ),
    (
        "training.classWeights={strategy: Explicit, weights: [1]}",
        "spec.training.classWeights.weights",
        "[1] is not allowed; allowed: a map of at most 4096 entries, each a number above 0 and at most 1000000",
    ),
    ("training={1: 2}", "spec.training", "1 is no field's name; a name is a text"),
    # bounds
    (
        "training.optimizer.learningRate=0",
        "spec.training.optimizer.learningRate",
        "0 is not allowed; allowed: a number above 0 and at most 100",
    ),
    (
        "training.optimizer.learningRate=.nan",
        "spec.training.optimizer.learningRate",
        "nan is not allowed; allowed: a number above 0 and at most 100",
    ),
    ("training.batchSize=0", "spec.training.batchSize", "0 is not allowed; allowed: a whole number from 1 to 1048576"),
    ("model.mlp.dropout=1", "spec.model.mlp.dropout", "1 is not allowed; allowed: a number of at least 0 and below 1"),
    ("dataset.split.test=1", "spec.dataset.split.test", "1 is not allowed; allowed: a number above 0 and below 1"),
    (
        "model.mlp.hiddenUnits=[]",
        "spec.model.mlp.hiddenUnits",
        "[] is not allowed; allowed: a list of 1 to 64 items, each a whole number from 1 to 65536",
    ),
    (
        "training.classWeights={strategy: Explicit, weights: {a: 0}}",
        "spec.training.classWeights.weights.a",
        "0 is not allowed; allowed: a number above 0 and at most 1000000",
    ),
    ('dataset.exclude=[""]', "spec.dataset.exclude[0]", '"" is not allowed; allowed: a text of 1 to 256 characters'),
    ("metadata.name=My Job", "metadata.name", f'"My Job" is not allowed; allowed: {NAME_RULE}'),
    # one of a few words
    (
        "training.optimizer.name=adam",
        "spec.training.optimizer.name",
        '"adam" is not allowed; allowed: SGD, Adam, AdamW, RMSprop',
    ),
    *(
        (
            f"compression.confidence={given}",
            "spec.compression.confidence",
            f"{given} is not allowed; allowed: a number above 0.5 and below 1",
        )
        for given in ("1", "0.5")
    ),
    (
        "compression.maxMetricDrop=-0.01",
        "spec.compression.maxMetricDrop",
        "-0.01 is not allowed; allowed: a number from 0 to 1",
    ),
    *(
        (f"compression.{limit}={given}", f"spec.compression.{limit}", f"{given} is not allowed; allowed: {allowed}")
        for limit, given, allowed in (
            ("maxClassDrop", "-0.1", "a number from 0 to 1"),
            ("maxSizeBytes", "0", "a whole number from 1 to 1000000000000"),
            ("maxLatencyMicroseconds", "0", "a number above 0 and at most 1000000000"),
            ("maxMemoryBytes", "-5", "a whole number from 1 to 1000000000000"),
        )
    ),
    (
        "compression.proof=point",
        "spec.compression.proof",
        '"point" is not allowed; allowed: HeldOut, CrossFitted, Point',
    ),
    (
        "compression.candidates=[Int8, Int5]",
        "spec.compression.candidates[1]",
        f'"Int5" is not allowed; allowed: Baseline, Auto, {", ".join(ALL_TECHNIQUES)} or a map with the fields name, '
        "steps",
    ),
    ("apiVersion=v1", "apiVersion", '"v1" is not allowed; allowed: steelyard.dev/v1alpha1'),
    ("kind=Job", "kind", '"Job" is not allowed; allowed: TrainingJob'),
]


@pytest.mark.parametrize(("override", "path", "message"), WRONG, ids=[case[0] for case in WRONG])
def test_a_mistake_is_named_with_its_field_its_value_and_what_is_allowed(
    override: str, path: str, message: str
) -> None:
    assert problems(override) == {path: message}


def test_all_mistakes_are_named_at_once() -> None:
    found = problems("training.workers=0", "model.mlp.dropout=2", "foo=1")
    assert set(found) == {"spec.training.workers", "spec.model.mlp.dropout", "spec.foo"}


def test_the_message_begins_with_the_source_and_has_one_line_for_each_mistake() -> None:
    with pytest.raises(ManifestError) as caught:
        parse_training_job(apply_overrides(manifest(), ["training.workers=0", "foo=1"]), source="job.yaml")
    first, *rest = caught.value.message.splitlines()
    assert first == "job.yaml is not valid:"
    assert [line.split(":")[0].strip() for line in rest] == ["spec.training.workers", "spec.foo"]


def test_a_long_value_is_shortened() -> None:
    message = problems(f"training.workers={'x' * 500}")["spec.training.workers"]
    assert message.startswith('"xxx') and '..." ' not in message and len(message) < 200
