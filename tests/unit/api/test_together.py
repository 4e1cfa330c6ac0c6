"""Fields of a manifest that do not go together: with one another, or with the task."""

import pytest
from training_manifests import TECHNIQUES, problems

from steelyard.api.compression.techniques import techniques_that_take

OF_NETWORKS = ", ".join(techniques_that_take("Keras"))


LABEL_REFUSED = "a label goes with one of the metrics rocAuc, averagePrecision, precision, recall, f1; leave it out"

# What is set, the field that the error names, and the whole message.
TOGETHER = [
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
    *(
        (
            f"compression={{proof: Point, {given}}}",
            f"spec.compression.{given.split(':')[0]}",
            "proof Point compares two numbers and proves nothing; leave out one of the two",
        )
        for given in ("confidence: 0.9", "onTooFewRows: Baseline")
    ),
    (
        "dataset.split.searchRows=true",
        "spec.dataset.split.searchRows",
        "search rows steer compression, and there is none; leave out searchRows",
    ),
    (
        "compression.candidates=[Auto, Int8]",
        "spec.compression.candidates",
        "Auto says itself what is tried; leave out the others, or Auto",
    ),
    *(
        (
            f"compression={{candidates: [Int8], {limit}: 1}}",
            f"spec.compression.{limit}",
            "only a search has a limit; say candidates: [Auto], or leave this out",
        )
        for limit in ("maxTrainings", "maxWork", "maxMinutes")
    ),
    (
        "dataset.split.searchRows=true",
        "spec.dataset.split.searchRows",
        "search rows steer compression, and there is none; leave out searchRows",
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
    *(
        (
            f"compression.candidates=[Int8, {candidate}]",
            "spec.compression.candidates[1]",
            "Int2 writes weights that were learned in 2 bits; list a candidate of several steps, with "
            "{technique: QuantizationAware, bits: 2} right before it",
        )
        for candidate in (
            "Int2",
            "{name: a, steps: [{technique: Int2}]}",
            "{name: a, steps: [{technique: QuantizationAware}, {technique: Int2}]}",
            "{name: a, steps: [{technique: Distill}, {technique: Int2}]}",
        )
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
        "compression.candidates=[{name: a, steps: [{technique: Distill, width: 1}]}]",
        "spec.compression.candidates[0].steps[0].width",
        "1 is the trained network's own width; allowed is less, or fewerLayers with it",
    ),
    (
        "compression.candidates=[{name: a, steps: [{technique: Distill, width: 0.5, model: {linear: {}}}]}]",
        "spec.compression.candidates[0].steps[0].model",
        "it says all of the student; leave out width and fewerLayers, or leave out model",
    ),
    (
        "compression.candidates=[{name: a, steps: [{technique: Distill, model: {ridge: {}}}]}]",
        "spec.compression.candidates[0].steps[0].model",
        "ridge is no network; allowed: mlp, linear, cnn, resNet8, dsCnn, wideAndDeep",
    ),
    (
        "compression.candidates=[{name: a, steps: [{technique: Distill, model: {mlp: {hiddenUnits: [0]}}}]}]",
        "spec.compression.candidates[0].steps[0].model.mlp.hiddenUnits[0]",
        "0 is not allowed; allowed: a whole number from 1 to 65536",
    ),
    (
        "compression.candidates=[{name: a, steps: [{technique: Distill, start: Pruned, model: {linear: {}}}]}]",
        "spec.compression.candidates[0].steps[0].start",
        "Pruned takes the units of a narrower network of the same kind; leave out model",
    ),
    (
        "compression.candidates=[{name: a, steps: [{technique: Distill, start: Pruned, fewerLayers: 1}]}]",
        "spec.compression.candidates[0].steps[0].start",
        "Pruned keeps every layer; leave out fewerLayers",
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
    ("publish=[{uri: ~/models/a}]", "spec.publish[0].uri", "~/models/a: ~ is a shell's word; write the whole path"),
    ("publish=[{uri: 'file:~/a'}]", "spec.publish[0].uri", "file:~/a: ~ is a shell's word; write the whole path"),
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


@pytest.mark.parametrize(("override", "path", "message"), TOGETHER, ids=[case[0] for case in TOGETHER])
def test_what_does_not_go_together_is_refused_at_one_field(override: str, path: str, message: str) -> None:
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
        ("task=Regression", "compression.maxClassDrop=0.1"),
        "spec.compression.maxClassDrop",
        "there are no classes to keep, the task is Regression",
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
