"""Every mistake in a manifest is answered with the field's path, the value and what is allowed."""

from pathlib import Path
from typing import Any

import pytest

from steelyard.api.compression.techniques import TECHNIQUES as ALL_TECHNIQUES
from steelyard.api.compression.techniques import techniques_that_take
from steelyard.api.errors import ConfigurationError, ManifestError, SteelyardError
from steelyard.api.loading import apply_overrides, load_training_job, parse_training_job, read_manifest
from steelyard.contract.stages import ExitCode, Reason


def manifest() -> dict[str, Any]:
    return {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "a"},
        "spec": {"dataset": {"uri": "a.csv", "target": "t"}, "model": {"mlp": {}}},
    }


def problems(*overrides: str) -> dict[str, str]:
    with pytest.raises(ManifestError) as caught:
        parse_training_job(apply_overrides(manifest(), overrides))
    assert caught.value.exit_code == ExitCode.CONFIGURATION
    assert caught.value.reason == Reason.INVALID_MANIFEST
    return {problem.path: problem.message for problem in caught.value.problems}


NAME_RULE = "1 to 40 lower-case letters, digits and '-'; begins with a letter, ends with a letter or digit"

MODELS = "mlp, linear, randomForest, ridge, lasso, elasticNet, logisticRegression, nearestNeighbors, gradientBoosting"

# What is set, the field that the error names, and the whole message.
TECHNIQUES = ", ".join(ALL_TECHNIQUES)
OF_NETWORKS = ", ".join(techniques_that_take("Keras"))
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
        "startTimeoutSeconds, ttlSecondsAfterFinished",
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
        f"nothing (null) is not allowed; allowed: a map with exactly one of the fields {MODELS}",
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
    (
        "compression.candidates=[Int8, Int5]",
        "spec.compression.candidates[1]",
        f'"Int5" is not allowed; allowed: Baseline, {TECHNIQUES} or a map with the fields name, steps',
    ),
    ("apiVersion=v1", "apiVersion", '"v1" is not allowed; allowed: steelyard.dev/v1alpha1'),
    ("kind=Job", "kind", '"Job" is not allowed; allowed: TrainingJob'),
    # several fields together
    (
        "dataset.split={test: 0.6, validation: 0.5}",
        "spec.dataset.split.validation",
        "test + validation must be less than 1, but is 1.1",
    ),
    (
        "dataset.split={group: a, time: b}",
        "spec.dataset.split.time",
        "the rows are dealt out by split.group already; give one of the two",
    ),
    (
        "dataset.split={time: a, column: b}",
        "spec.dataset.split.column",
        "the rows are dealt out by split.time already; give one of the two",
    ),
    (
        "dataset.split={group: a, stratify: false}",
        "spec.dataset.split.stratify",
        "stratify does nothing with split.group; leave it out",
    ),
    ("dataset.split={time: a, seed: 42}", "spec.dataset.split.seed", "seed does nothing with split.time; leave it out"),
    (
        "dataset.split={column: a, test: 0.2}",
        "spec.dataset.split.test",
        "test does nothing with split.column; leave it out",
    ),
    (
        "dataset={uri: a.csv, target: t, split: {group: t}}",
        "spec.dataset.split.group",
        "'t' is the target; rows can't be dealt out by it",
    ),
    (
        "dataset={uri: a.csv, target: t, split: {time: a}, categorical: [a]}",
        "spec.dataset.categorical",
        "'a' deals out the rows (split) and is no feature",
    ),
    (
        "dataset={uri: a.csv, testUri: b.csv, target: t, split: {test: 0.2}}",
        "spec.dataset.split.test",
        "the test set is the file of testUri; leave out one of the two",
    ),
    (
        "dataset={uri: a.csv, testUri: a.csv, target: t}",
        "spec.dataset.testUri",
        "'a.csv' is what is trained on; name another file, or give split.test",
    ),
    (
        "dataset={uri: a.csv, testUri: 's3://b/c.csv', target: t}",
        "spec.dataset.testUri",
        "'s3://b/c.csv' is no file that is read here; allowed: pvc://CLAIM/PATH, a file's path, file:PATH",
    ),
    (
        "dataset={uri: a.csv, testUri: table, target: t}",
        "spec.dataset.testUri",
        "the format can't be told from 'table'; say format: CSV or Parquet",
    ),
    (
        "dataset={uri: 'sklearn:iris', testUri: a.csv, target: target}",
        "spec.dataset.testUri",
        "sklearn:iris has no test file of its own; leave testUri out",
    ),
    (
        "dataset={uri: prepared, format: Prepared, testUri: a.csv, target: t}",
        "spec.dataset.testUri",
        "a prepared dataset is taken as it is; with format Prepared leave out testUri",
    ),
    (
        "dataset={uri: prepared, format: Prepared, split: {group: a}, target: t}",
        "spec.dataset.split",
        "a prepared dataset is taken as it is; with format Prepared leave out split",
    ),
    (
        "dataset.missingValues={strategy: Constant}",
        "spec.dataset.missingValues.value",
        "strategy Constant needs a value, such as 0",
    ),
    (
        "dataset.missingValues={value: 3}",
        "spec.dataset.missingValues.value",
        "a value is used with strategy Constant only, but the strategy is Fail",
    ),
    (
        "dataset.missingValues={text: unknown}",
        "spec.dataset.missingValues.text",
        "a text is used with strategy Constant only, but the strategy is Fail",
    ),
    (
        "dataset.uri=s3://bucket/a.csv",
        "spec.dataset.uri",
        "'s3://bucket/a.csv' is not a source that is read here; allowed: pvc://CLAIM/PATH, sklearn:NAME, "
        "a file's path, file:PATH",
    ),
    (
        "dataset.uri=sklearn:mnist",
        "spec.dataset.uri",
        "scikit-learn ships no data set 'mnist'; allowed: breast_cancer, diabetes, digits, iris, linnerud, wine",
    ),
    ("dataset.uri=table", "spec.dataset.format", "the format can't be told from 'table'; say CSV or Parquet"),
    (
        "dataset={uri: sklearn:iris, target: target, format: CSV}",
        "spec.dataset.format",
        "sklearn:iris has no file format; leave format out",
    ),
    (
        "workspace={claimName: mine, retain: Never}",
        "spec.workspace.retain",
        "the claim 'mine' is never removed; leave this out",
    ),
    ("dataset.exclude=[t]", "spec.dataset.exclude", "the target 't' can't be excluded; it is never a feature"),
    (
        "dataset={uri: t.parquet, target: t, csv: {delimiter: ';'}}",
        "spec.dataset.csv",
        "'t.parquet' is no CSV file; leave csv out",
    ),
    (
        "dataset.csv={decimal: ',', thousands: ','}",
        "spec.dataset.csv.thousands",
        "',' is the decimal mark too; say both decimal and thousands, differing",
    ),
    (
        "dataset.dates={t: ISO8601}",
        "spec.dataset.dates",
        "'t' is the target; a date can't be predicted, only a number or label",
    ),
    (
        "dataset={uri: t.csv, target: t, numbers: {a: {}}, exclude: [a]}",
        "spec.dataset.numbers",
        "'a' is named under exclude as well; a column is one or the other",
    ),
    (
        "dataset.categorical=[t]",
        "spec.dataset.categorical",
        "'t' is the target; say spec.task: Classification instead",
    ),
    (
        "dataset={uri: a.csv, target: t, exclude: [b], categorical: [b]}",
        "spec.dataset.categorical",
        "'b' is excluded as well; a column is one or the other",
    ),
    (
        "training.optimizer={name: SGD, beta1: 0.9}",
        "spec.training.optimizer.beta1",
        "SGD has no such setting; it has momentum, nesterov",
    ),
    (
        "training.optimizer={name: SGD, nesterov: true}",
        "spec.training.optimizer.nesterov",
        "Nesterov's momentum needs a momentum above 0, such as 0.9",
    ),
    (
        "training.classWeights={strategy: Explicit}",
        "spec.training.classWeights.weights",
        "weights are needed with strategy Explicit and with no other",
    ),
    (
        "evaluation.require=[{metric: accuracy}]",
        "spec.evaluation.require[0].minimum",
        "a requirement needs a minimum, a maximum or both",
    ),
    (
        "evaluation.require=[{metric: accuracy, minimum: 95}]",
        "spec.evaluation.require[0].minimum",
        "95 is not allowed; accuracy is at most 1",
    ),
    (
        "evaluation.require=[{metric: accuracy, minimum: 0.9, maximum: 0.1}]",
        "spec.evaluation.require[0].minimum",
        "the minimum 0.9 is above the maximum 0.1",
    ),
    ("compression.candidates=[Int8, Int8]", "spec.compression.candidates", "Int8 is listed twice"),
    (
        "compression.candidates=[{name: a, steps: [{technique: Int8}]}, {name: a, steps: [{technique: Float16}]}]",
        "spec.compression.candidates",
        "a is listed twice",
    ),
    (
        "compression.candidates=[{name: Int8, steps: [{technique: Int8, representativeRows: 9}]}]",
        "spec.compression.candidates[0].name",
        "Int8 has a meaning of its own; take another name",
    ),
    (
        "compression.candidates=[{name: two words, steps: [{technique: Int8}]}]",
        "spec.compression.candidates[0].name",
        '"two words" is not allowed; allowed: A text of 1 to 63 letters, digits, dots, dashes and underscores, which '
        "begins and ends with a letter or a digit and is no technique's name: what the candidate is called wherever it "
        "is shown",
    ),
    (
        "compression.candidates=[Int8, {name: a, steps: [{technique: Int8, representativeRows: 0}]}]",
        "spec.compression.candidates[1].steps[0].representativeRows",
        "0 is not allowed; allowed: a whole number from 1 to 1000000",
    ),
    (
        "compression.candidates=[{name: a, steps: [{technique: Int8, rows: 9}]}]",
        "spec.compression.candidates[0].steps[0].rows",
        "there is no such field; allowed: technique, representativeRows",
    ),
    (
        "compression.candidates=[{name: a, steps: [{technique: Shrink}]}]",
        "spec.compression.candidates[0].steps[0].technique",
        f'"Shrink" is not allowed; allowed: {TECHNIQUES}',
    ),
    (
        "compression.candidates=[{name: a, steps: [{representativeRows: 9}]}]",
        "spec.compression.candidates[0].steps[0].technique",
        f"this field is needed, but it is missing; allowed: {TECHNIQUES}",
    ),
    (
        "compression.candidates=[{name: a, steps: [Int8]}]",
        "spec.compression.candidates[0].steps[0]",
        f'"Int8" is not allowed; allowed: a map with the field technique ({TECHNIQUES}) and what goes with that',
    ),
    (
        "compression.candidates=[{name: a, steps: [{technique: Int8}, {technique: Float16}]}]",
        "spec.compression.candidates[0].steps[1]",
        "Float16 can't follow Int8; nothing can: it is the last step",
    ),
    (
        "compression.candidates=[{name: a, steps: [{technique: Onnx}]}]",
        "spec.compression.candidates[0].steps[0]",
        f"Onnx is not made of networks; allowed: {OF_NETWORKS}",
    ),
    (
        "publish=[{uri: s3://models/a}]",
        "spec.publish[0].uri",
        "'s3://models/a' is not a place that is published to here; allowed: pvc://CLAIM/PATH, file:PATH or a path",
    ),
]

LABEL_REFUSED = "a label goes with one of the metrics rocAuc, averagePrecision, precision, recall, f1; leave it out"
WRONG += [
    ("evaluation={metric: accuracy, label: a}", "spec.evaluation.label", LABEL_REFUSED),
    ("evaluation={label: a}", "spec.evaluation.label", LABEL_REFUSED),
    ("evaluation={metric: rmse, label: a}", "spec.evaluation.label", LABEL_REFUSED),
    ("evaluation.require=[{metric: macroF1, label: a, minimum: 0}]", "spec.evaluation.require[0].label", LABEL_REFUSED),
    (
        "evaluation.require=[{metric: rocAuc, minimum: 90}]",
        "spec.evaluation.require[0].minimum",
        "90 is not allowed; rocAuc is at most 1",
    ),
]


@pytest.mark.parametrize(("override", "path", "message"), WRONG, ids=[case[0] for case in WRONG])
def test_a_mistake_is_named_with_its_field_its_value_and_what_is_allowed(
    override: str, path: str, message: str
) -> None:
    assert problems(override) == {path: message}


# With a task that is set, what the task does not have is refused at its field.
FOREIGN_TO_TASK = [
    (
        ("task=Regression", "evaluation.require=[{metric: accuracy, minimum: 0.9}]"),
        "spec.evaluation.require[0].metric",
        "accuracy is no metric of Regression; allowed: r2, rmse, mae, mape, medianAe",
    ),
    (
        ("task=Classification", "evaluation.require=[{metric: r2, minimum: 0.9}]"),
        "spec.evaluation.require[0].metric",
        "r2 is no metric of Classification; allowed: accuracy, macroF1, logLoss, rocAuc, averagePrecision, "
        "balancedAccuracy, precision, recall, f1",
    ),
    (
        ("task=Regression", "evaluation.metric=rocAuc"),
        "spec.evaluation.metric",
        "rocAuc is no metric of Regression; allowed: r2, rmse, mae, mape, medianAe",
    ),
    (
        ("task=Classification", "training.earlyStopping.monitor=val_medianAe"),
        "spec.training.earlyStopping.monitor",
        "val_medianAe is no figure of Classification",
    ),
    (
        ("task=Regression", "training.earlyStopping.monitor=val_accuracy"),
        "spec.training.earlyStopping.monitor",
        "val_accuracy is no figure of Regression",
    ),
    (
        ("task=Regression", "dataset.split.stratify=true"),
        "spec.dataset.split.stratify",
        "only classes can be stratified, but the task is Regression",
    ),
    (
        ("task=Regression", "training.classWeights={}"),
        "spec.training.classWeights",
        "there are no classes to weigh, the task is Regression",
    ),
    (
        ("task=Regression", "training.labelSmoothing=0.1"),
        "spec.training.labelSmoothing",
        "there are no labels to smooth, the task is Regression",
    ),
    (
        ("task=Regression", "dataset.checks.minClassFraction=0.1"),
        "spec.dataset.checks.minClassFraction",
        "there are no classes to count, the task is Regression",
    ),
]


@pytest.mark.parametrize(("overrides", "path", "message"), FOREIGN_TO_TASK)
def test_what_the_task_does_not_have_is_refused(overrides: tuple[str, ...], path: str, message: str) -> None:
    assert problems(*overrides) == {path: message}


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


# What is in the file, and what the error says beside the file's name.
BAD_FILES = [
    ("kind: [a", "is not valid YAML: line 1, column 9: expected ',' or ']'"),
    ("a: 1\n b: 2\n", "is not valid YAML: line 2, column 3: mapping values are not allowed here"),
    ("a: 1\nspec: {b: 1, b: 2}\n", "is not valid YAML: line 2, column 14: the key 'b' is given twice"),
    ("a: 1\na: 2\n", "is not valid YAML: line 2, column 1: the key 'a' is given twice"),
    (
        "a: !!python/object/apply:os.system [ls]\n",
        "is not valid YAML: line 1, column 4: could not determine a constructor",
    ),
    ("? [a, b]\n: 1\n", "is not valid YAML: line 1, column 3: a list or map can't be a key"),
    ("a: &x {b: *x}\n", "is not valid YAML: line 1, column 4: found unconstructable recursive node"),
    ("", "must hold one TrainingJob or TuningJob, but it is empty"),
    ("# nothing\n", "must hold one TrainingJob or TuningJob, but it is empty"),
    ("a: 1\n---\nb: 2\n", "must hold one TrainingJob or TuningJob, but it holds 2 documents"),
    ("- a\n", "must hold one TrainingJob or TuningJob, but it holds a list"),
    ("hello\n", "must hold one TrainingJob or TuningJob, but it holds only 'hello'"),
    ("7\n", "must hold one TrainingJob or TuningJob, but it holds only 7"),
]


@pytest.mark.parametrize(("text", "essence"), BAD_FILES)
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, text: str, essence: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_training_job(path)
    assert caught.value.exit_code == ExitCode.CONFIGURATION
    assert caught.value.reason == Reason.INVALID_MANIFEST
    assert f"{path} {essence}" in caught.value.message


def test_a_file_that_is_not_there_a_folder_and_a_binary_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no\.yaml does not exist") as caught:
        load_training_job(tmp_path / "no.yaml")
    assert caught.value.reason == Reason.SOURCE_NOT_FOUND
    with pytest.raises(ConfigurationError, match="is a folder; name the manifest in it"):
        load_training_job(tmp_path)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"picture\.png is not a text file; a manifest is YAML"):
        load_training_job(tmp_path / "picture.png")


BAD_OVERRIDES = [
    ("training.epochs", "--set training.epochs: give path=value, such as training.epochs=5"),
    ("=5", "--set =5: give path=value, such as training.epochs=5"),
    ("training.epochs=[1", "--set training.epochs=[1: the value is not valid YAML: line 1, column 3"),
    ("training..epochs=1", "--set training..epochs=1: a name is missing beside a dot in training..epochs"),
    ("dataset.uri.x=1", "--set dataset.uri.x=1: spec.dataset.uri is 'a.csv', which has no field 'x'"),
    ("publish.3.uri=x", "--set publish.3.uri=x: '3' is no index of spec.publish, a list of 1"),
    ("publish.first.uri=x", "--set publish.first.uri=x: 'first' is no index of spec.publish, a list of 1"),
]


@pytest.mark.parametrize(("override", "essence"), BAD_OVERRIDES)
def test_an_override_that_leads_nowhere_is_refused(override: str, essence: str) -> None:
    given = manifest()
    given["spec"]["publish"] = [{"uri": "models/a"}]
    with pytest.raises(ConfigurationError) as caught:
        apply_overrides(given, [override])
    assert caught.value.exit_code == ExitCode.CONFIGURATION
    assert caught.value.message.startswith(essence)


def test_an_override_of_an_unknown_field_is_refused_when_the_whole_is_checked() -> None:
    assert set(problems("training.epoch=5")) == {"spec.training.epoch"}


def test_overrides_take_indices_make_maps_and_leave_the_given_manifest_alone() -> None:
    given = manifest()
    given["spec"]["publish"] = [{"uri": "models/a"}]
    given["spec"]["training"] = None
    job = parse_training_job(
        apply_overrides(
            given, ["publish.0.uri=models/b", "spec.training.epochs=3", "metadata.name=b", "training.seed=7"]
        )
    )
    assert job.spec.publish is not None and job.spec.publish[0].uri == "models/b"
    assert (job.spec.training.epochs, job.spec.training.seed, job.metadata.name) == (3, 7, "b")
    assert given["spec"]["publish"] == [{"uri": "models/a"}] and given["spec"]["training"] is None


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 0.001), ("1E3", 1000.0), ("-2.5e+1", -25.0), ("1.5", 1.5), (".5", 0.5), ("3", 3)]
)
def test_numbers_are_read_as_kubernetes_reads_them(tmp_path: Path, text: str, value: float) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(f"a: {text}\n", encoding="utf-8")
    assert read_manifest(path) == {"a": value}


def test_a_manifest_may_be_json(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text('{"a": [1, 1e-3, true, null, "x"]}', encoding="utf-8")
    assert read_manifest(path) == {"a": [1, 0.001, True, None, "x"]}


@pytest.mark.parametrize("text", ["name: 2024-13-45", "epochs: 0x_", "a: !!int foo", "a: " + "[" * 900])
def test_what_yaml_can_not_make_a_value_of_is_one_clear_error(tmp_path, text):
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(SteelyardError, match="is not valid YAML") as caught:
        load_training_job(path)
    assert caught.value.exit_code == 78


def test_a_merge_key_is_understood(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("base: &base {a: 1}\nother: {<<: *base, b: 2}\n")
    assert read_manifest(path)["other"] == {"a": 1, "b": 2}
