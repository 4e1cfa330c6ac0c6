"""The CEL rules of the CRD: what crosses fields, said at `kubectl apply` as the models' validators say it here.

`RULES` is the table, by the class that a rule belongs to; each names the validator that it mirrors, with the same
words wherever CEL can say them; `NOT_IN_CEL` holds the rest. Imports the api only.
"""

from steelyard.api.cel import Rule, literal_list, quote
from steelyard.api.crd_estimator_rules import OF_ESTIMATORS
from steelyard.api.crd_search_rules import LABEL, NOT_IN_CEL_OF_TUNING_JOBS
from steelyard.api.crd_trial_rules import OF_TRIALS, ONLY_PREPARE, TRAINED, WITH_TRAINED
from steelyard.api.crd_tuning_rules import OF_TUNING_JOBS
from steelyard.api.dataset import (
    SEED,
    SKLEARN_DATASETS,
    SPLIT_BY,
    TEST_FRACTION,
    UNUSED_WITH,
    VALIDATION_FRACTION,
)
from steelyard.api.dataset_cells import MOST_CATEGORIES
from steelyard.api.metrics import AT_MOST_ONE, METRICS_OF_TASK, Task
from steelyard.api.outcome import RunPolicy
from steelyard.api.pods import HIDING_FOLDERS, OWN_FOLDERS, OWN_LABEL_NAMES, OWN_LABELS, OWN_VARIABLE, OWN_VARIABLES
from steelyard.api.schema import one_line
from steelyard.api.training import OPTIMIZER_SETTINGS, Optimizer
from steelyard.api.training_job import NAME_PATTERN, Metadata, TrainingJobSpec, foreign_monitors

MUTABLE_RUN_POLICY = frozenset({"activeDeadlineSeconds", "suspend", "ttlSecondsAfterFinished", "priority"})
"""What of `spec.runPolicy` may change while the job runs; nothing else of `spec` may."""


def _once(items: str, key: str, field: str, mirrors: str) -> Rule:
    """A list in which each key occurs once."""
    same = f"has(other.{key}) && other.{key} == one.{key}"
    twice = f"self.{items}.filter(one, has(one.{key}) && !self.{items}.exists_one(other, {same}))"
    return Rule(f"{twice}.size() == 0", f"{{{twice}[0].{key}}} is given twice", field, mirrors)


# --- spec.dataset -----------------------------------------------------------------------------------------------------

_MISSING_VALUES = [
    Rule(
        "self.strategy != 'Constant' || has(self.value) || has(self.text)",
        "strategy Constant needs a value, such as 0",
        "value",
        "_value_goes_with_constant",
    ),
    *(
        Rule(
            f"self.strategy == 'Constant' || !has(self.{name})",
            f"a {name} is used with strategy Constant only, but the strategy is {{self.strategy}}",
            name,
            "_value_goes_with_constant",
        )
        for name in ("value", "text")
    ),
]

_TEST = f"(has(self.test) ? self.test : {TEST_FRACTION})"
_VALIDATION = f"(has(self.validation) ? self.validation : {VALIDATION_FRACTION})"
_DEALT = "_is_dealt_out_one_way"

_SPLIT = [
    Rule(
        f"{_TEST} + {_VALIDATION} < 1.0",
        # Six decimals, as 0.7 + 0.4 is 1.0999999999999999.
        "test + validation must be less than 1, but is "
        f"{{double(int(({_TEST} + {_VALIDATION}) * 1000000.0 + 0.5)) / 1000000.0}}",
        "validation",
        "_leave_rows_to_train_on",
    ),
    *(
        Rule(
            f"!has(self.{first}) || !has(self.{second})",
            f"the rows are dealt out by split.{first} already; give one of the two",
            second,
            _DEALT,
        )
        for index, first in enumerate(SPLIT_BY)
        for second in SPLIT_BY[index + 1 :]
    ),
    *(
        Rule(
            f"!has(self.{by}) || !has(self.{name})",
            f"{name} does nothing with split.{by}; leave it out",
            name,
            _DEALT,
        )
        for by, names in UNUSED_WITH.items()
        for name in names
    ),
]

# Python's str.isprintable: no control characters, and no white space but the space.
_PRINTABLE = r"^( |[^\\pC\\pZ])*$"
_CLAIM = "^pvc://[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(/.*)?$"
# Segments that are not empty, "." or "..".
_PATH = r"^pvc://[^/]*(/([^/.][^/]*|\\.[^/.][^/]*|\\.\\.[^/]+))+/?$"


def _claim_uri(mirrors: str, *, is_optional: bool = False, field: str = "uri") -> list[Rule]:
    """pvc://CLAIM/PATH, as `ClaimUri.parse` reads it."""
    uri = f"self.{field}"
    unless = f"!has({uri}) || " if is_optional else ""
    return [
        Rule(
            f"{unless}!{uri}.startsWith('pvc://') || {uri}.matches('{_CLAIM}')",
            f"'{{{uri}}}' names no claim; allowed: pvc://CLAIM/PATH, where CLAIM is 1 to 63 lower-case letters, digits "
            "and '-', and neither begins nor ends with '-'",
            field,
            mirrors,
        ),
        Rule(
            f"{unless}!{uri}.matches('{_CLAIM}') || {uri}.matches('{_PATH}') && {uri}.matches('{_PRINTABLE}')",
            f"'{{{uri}}}' names no path on the claim; allowed: pvc://CLAIM/PATH, where PATH is not empty and has no "
            "empty, '.' or '..' parts",
            field,
            mirrors,
        ),
    ]


_ENDINGS = [".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".pq"]
_IS_ELSEWHERE = "self.uri.contains('://') && !self.uri.startsWith('pvc://') && !self.uri.startsWith('file://')"
_SOURCE = "_source_is_known"
_PREPARE_ONLY = {
    "exclude": "self.exclude.size() > 0",
    "categorical": "self.categorical.size() > 0",
    "csv": "has(self.csv)",
    "missingMarkers": "has(self.missingMarkers) && self.missingMarkers.size() > 0",
    "numbers": "has(self.numbers) && self.numbers.size() > 0",
    "dates": "has(self.dates) && self.dates.size() > 0",
    "categories": f"has(self.categories) && self.categories.max != {MOST_CATEGORIES}",
    "missingValues": "self.missingValues.strategy != 'Fail' || has(self.missingValues.target) && "
    "self.missingValues.target != 'Fail'",
    "testUri": "has(self.testUri)",
    "split": " || ".join(
        [
            # An older CRD filled in these.
            *(
                f"(has(self.split.{name}) && self.split.{name} != {value})"
                for name, value in (("test", TEST_FRACTION), ("validation", VALIDATION_FRACTION), ("seed", SEED))
            ),
            *(f"has(self.split.{name})" for name in ("stratify", *SPLIT_BY)),
        ]
    ),
    "checks": "has(self.checks.minRows) || has(self.checks.minClassFraction) || has(self.checks.maxMissingFraction) || "
    "has(self.checks.maxDuplicateFraction)",
}

_TEST_URI = [
    Rule(
        "!has(self.testUri) || !self.uri.startsWith('sklearn:')",
        "{self.uri} has no test file of its own; leave testUri out",
        "testUri",
        "_check_test_uri",
    ),
    Rule(
        "!has(self.testUri) || !(self.testUri.startsWith('sklearn:') || self.testUri.contains('://') && "
        "!self.testUri.startsWith('pvc://') && !self.testUri.startsWith('file://'))",
        "'{self.testUri}' is no file that is read here; allowed: pvc://CLAIM/PATH, a file's path, file:PATH",
        "testUri",
        "_check_test_uri",
    ),
    *_claim_uri("_check_claim", is_optional=True, field="testUri"),
    Rule(
        "!has(self.testUri) || self.testUri.startsWith('pvc://') || self.testUri.startsWith('sklearn:') || "
        "self.testUri.contains('://') && !self.testUri.startsWith('file://')",
        "'{self.testUri}' lies on no claim; pods see nothing else; allowed: pvc://CLAIM/PATH",
        "testUri",
        "cluster_problems",
    ),
    Rule(
        "!has(self.testUri) || self.testUri != self.uri",
        "'{self.testUri}' is what is trained on; name another file, or give split.test",
        "testUri",
        "_check_test_uri",
    ),
    Rule(
        f"has(self.format) || !has(self.testUri) || !self.testUri.matches('{_PATH}') || "
        f"{literal_list(_ENDINGS)}.exists(ending, self.testUri.lowerAscii().endsWith(ending))",
        "the format can't be told from '{self.testUri}'; say format: CSV or Parquet",
        "testUri",
        "_check_test_uri",
    ),
    Rule(
        "!has(self.testUri) || !has(self.split.test)",
        "the test part is the file of testUri; leave out one of the two",
        "split.test",
        "_check_test_uri",
    ),
    *(
        rule
        for by in SPLIT_BY
        for rule in (
            Rule(
                f"!has(self.split.{by}) || self.split.{by} != self.target",
                f"'{{self.split.{by}}}' is the target; rows can't be dealt out by it",
                f"split.{by}",
                "_check_split_column",
            ),
            Rule(
                f"!has(self.split.{by}) || !(self.split.{by} in self.categorical)",
                f"'{{self.split.{by}}}' deals out the rows (split) and is no feature",
                "categorical",
                "_check_split_column",
            ),
        )
    ),
]

_DATASET = [
    Rule(
        f"!self.uri.startsWith('sklearn:') || self.uri.substring(8) in {literal_list(SKLEARN_DATASETS)}",
        f"scikit-learn ships no data set '{{self.uri.substring(8)}}'; allowed: {', '.join(SKLEARN_DATASETS)}",
        "uri",
        _SOURCE,
    ),
    Rule(
        "!self.uri.startsWith('sklearn:') || !has(self.format)",
        "{self.uri} has no file format; leave format out",
        "format",
        _SOURCE,
    ),
    *_claim_uri(_SOURCE),
    Rule(
        f"self.uri.startsWith('sklearn:') || !({_IS_ELSEWHERE})",
        "'{self.uri}' is not a source that is read here; allowed: pvc://CLAIM/PATH, sklearn:NAME, a file's path, "
        "file:PATH",
        "uri",
        _SOURCE,
    ),
    Rule(
        f"self.uri.startsWith('sklearn:') || self.uri.startsWith('pvc://') || {_IS_ELSEWHERE}",
        "'{self.uri}' lies on no claim; pods see nothing else; allowed: pvc://CLAIM/PATH, sklearn:NAME",
        "uri",
        "cluster_problems",
    ),
    Rule(
        f"has(self.format) || !self.uri.matches('{_PATH}') || "
        f"{literal_list(_ENDINGS)}.exists(ending, self.uri.lowerAscii().endsWith(ending))",
        "the format can't be told from '{self.uri}'; say CSV or Parquet",
        "format",
        _SOURCE,
    ),
    *(
        Rule(
            f"!has(self.format) || self.format != 'Prepared' || !({is_given})",
            f"a prepared dataset is taken as it is; with format Prepared leave out {field}",
            field,
            _SOURCE,
        )
        for field, is_given in _PREPARE_ONLY.items()
    ),
    Rule(
        "!(self.target in self.exclude)",
        "the target '{self.target}' can't be excluded; it is never a feature",
        "exclude",
        _SOURCE,
    ),
    Rule(
        "!(self.target in self.categorical)",
        "'{self.target}' is the target; say spec.task: Classification instead",
        "categorical",
        _SOURCE,
    ),
    Rule(
        # Two lists of 1,024 exceed what one rule may cost; the operator refuses what is too long to look at here.
        "self.categorical.size() * self.exclude.size() > 250000 || !self.categorical.exists(one, one in self.exclude)",
        "'{self.categorical.filter(one, one in self.exclude)[0]}' is excluded as well; a column is one or the other",
        "categorical",
        _SOURCE,
    ),
    *_TEST_URI,
]

# --- spec.dataset: how its cells are written --------------------------------------------------------------------------

_MARKS = [
    Rule(
        "!has(self.thousands) || self.thousands != (has(self.decimal) ? self.decimal : '.')",
        "'{self.thousands}' is the decimal mark too; say both decimal and thousands, differing",
        "thousands",
        "_marks_differ",
    ),
]

_CELLS = [
    Rule(
        "!has(self.csv) || has(self.format) && self.format in ['CSV', 'Prepared'] || "
        "!has(self.format) && ['.csv', '.csv.gz', '.tsv', '.tsv.gz'].exists(ending, "
        "self.uri.lowerAscii().endsWith(ending)) && !self.uri.startsWith('sklearn:')",
        "'{self.uri}' is no CSV file; leave csv out",
        "csv",
        _SOURCE,
    ),
    Rule(
        "!has(self.dates) || !(self.target in self.dates)",
        "'{self.target}' is the target; a date can't be predicted, only a number or label",
        "dates",
        "check_columns",
    ),
]

# --- spec.training ----------------------------------------------------------------------------------------------------


def _settings_of(optimizer: str) -> list[str]:
    return [str(Optimizer.model_fields[name].alias) for name in OPTIMIZER_SETTINGS[optimizer]]


_OPTIMIZER = [
    *(
        Rule(
            f"self.name != {quote(optimizer)} || !has(self.{setting})",
            f"{optimizer} has no such setting; it has {', '.join(_settings_of(optimizer))}",
            setting,
            "_has_only_its_own_settings",
        )
        for optimizer in OPTIMIZER_SETTINGS
        for setting in sorted({name for other in OPTIMIZER_SETTINGS for name in _settings_of(other)})
        if setting not in _settings_of(optimizer)
    ),
    Rule(
        "self.name != 'SGD' || !has(self.nesterov) || !self.nesterov || has(self.momentum) && self.momentum > 0.0",
        "Nesterov's momentum needs a momentum above 0, such as 0.9",
        "nesterov",
        "_has_only_its_own_settings",
    ),
]

_CLASS_WEIGHTS = [
    Rule(
        "(self.strategy == 'Explicit') == has(self.weights)",
        "weights are needed with strategy Explicit and with no other",
        "weights",
        "_weights_go_with_explicit",
    ),
]

# --- spec.evaluation, spec.compression, spec.publish ------------------------------------------------------------------

_REQUIREMENT = [
    Rule(
        "has(self.minimum) || has(self.maximum)",
        "a requirement needs a minimum, a maximum or both",
        "minimum",
        "_has_a_bound",
    ),
    Rule(
        "!has(self.minimum) || !has(self.maximum) || self.minimum <= self.maximum",
        "the minimum {self.minimum} is above the maximum {self.maximum}",
        "minimum",
        "_has_a_bound",
    ),
    *(
        Rule(
            f"!has(self.{bound}) || self.{bound} <= 1.0 || !(self.metric in {literal_list(sorted(AT_MOST_ONE))})",
            f"{{self.{bound}}} is not allowed; {{self.metric}} is at most 1",
            bound,
            "_has_a_bound",
        )
        for bound in ("minimum", "maximum")
    ),
]

_NONE_NAMED = "!has(self.candidates)"
_TWICE = "self.candidates.filter(one, !self.candidates.exists_one(other, other == one))"

_COMPRESSION = [
    Rule(f"{_NONE_NAMED} || {_TWICE}.size() == 0", f"{{{_TWICE}[0]}} is listed twice", "candidates", "_each_once"),
]

# A scheme, other than the colon in a file's name.
_HAS_SCHEME = "self.uri.matches('^[^:/]*:') && !self.uri.startsWith('file:')"

_PUBLISH_TARGET = [
    *_claim_uri("_is_known"),
    Rule(
        f"self.uri.startsWith('pvc://') || !({_HAS_SCHEME})",
        "'{self.uri}' is not a place that is published to here; allowed: pvc://CLAIM/PATH, file:PATH or a path",
        "uri",
        "_is_known",
    ),
    Rule(
        f"self.uri.startsWith('pvc://') || {_HAS_SCHEME}",
        "'{self.uri}' would be lost with the pod; allowed on a cluster: pvc://CLAIM/PATH",
        "uri",
        "cluster_problems",
    ),
]

# --- spec.workspace, spec.template ------------------------------------------------------------------------------------

_WORKSPACE = [
    Rule(
        f"!has(self.claimName) || !has(self.{field})",
        "the claim '{self.claimName}' has its own; leave this out",
        field,
        "_a_named_claim_has_its_own_size",
    )
    for field in ("storage", "storageClassName")
]

_ENV_VAR = [
    Rule(
        f"!self.name.startsWith({quote(OWN_VARIABLES)}) && self.name != {quote(OWN_VARIABLE)}",
        "{self.name} is set by the operator; name another variable",
        "name",
        "_has_one_source",
    ),
    Rule(
        "!has(self.value) || !has(self.valueFrom)",
        "{self.name} has a value already; give one of the two",
        "valueFrom",
        "_has_one_source",
    ),
]

_OWN_PATHS = "^((" + "|".join(HIDING_FOLDERS) + ")/?|(" + "|".join(OWN_FOLDERS) + ")(/.*)?)$"

_MOUNTED_VOLUME = [
    Rule(
        f"!self.mountPath.matches('{_OWN_PATHS}')",
        "{self.mountPath} is the container's own; allowed is any other absolute path, such as /var/secrets/NAME",
        "mountPath",
        "_hides_nothing",
    ),
]

_OWN_LABEL = " || ".join(
    [f"key.startsWith({quote(prefix)})" for prefix in OWN_LABELS] + [f"key in {literal_list(OWN_LABEL_NAMES)}"]
)

_POD_TEMPLATE = [
    Rule(
        f"!has(self.labels) || !self.labels.exists(key, {_OWN_LABEL})",
        f"'{{self.labels.filter(key, {_OWN_LABEL})[0]}}' is the operator's; name another label",
        "labels",
        "_leaves_the_operators_labels",
    ),
    _once("env", "name", "env", "_leaves_the_operators_labels"),
    _once("volumes", "mountPath", "volumes", "_leaves_the_operators_labels"),
]

# --- spec -------------------------------------------------------------------------------------------------------------


def _foreign(task: str, is_foreign: str, says: str, field: str) -> Rule:
    """What a task does not have; looked at where the manifest names the task."""
    return Rule(f"!has(self.task) || self.task != '{task}' || !({is_foreign})", says, field, "_fits_its_task")


def _foreign_metric(task: Task) -> Rule:
    own = METRICS_OF_TASK[task]
    foreign = f"self.evaluation.require.filter(one, has(one.metric) && !(one.metric in {literal_list(own)}))"
    says = f"{{{foreign}[0].metric}} is no metric of {task}; allowed: {', '.join(own)}"
    return _foreign(task, f"{foreign}.size() > 0", says, "evaluation.require")


def _foreign_trial(task: Task) -> Rule:
    own = METRICS_OF_TASK[task]
    is_foreign = f"has(self.trial) && has(self.trial.metric) && !(self.trial.metric in {literal_list(own)})"
    says = f"{{self.trial.metric}} is no metric of {task}; allowed: {', '.join(own)}"
    return _foreign(task, is_foreign, says, "trial.metric")


def _foreign_evaluation(task: Task) -> Rule:
    own = METRICS_OF_TASK[task]
    is_foreign = f"has(self.evaluation.metric) && !(self.evaluation.metric in {literal_list(own)})"
    says = f"{{self.evaluation.metric}} is no metric of {task}; allowed: {', '.join(own)}"
    return _foreign(task, is_foreign, says, "evaluation.metric")


def _foreign_monitor(task: Task) -> Rule:
    monitor = "self.training.earlyStopping.monitor"
    foreign = literal_list(foreign_monitors(task))
    is_foreign = f"has(self.training.earlyStopping) && has({monitor}) && {monitor} in {foreign}"
    return _foreign(task, is_foreign, f"{{{monitor}}} is no figure of {task}", "training.earlyStopping.monitor")


# Of each pair, the one in which the other lies. A target lies in itself, once.
_LIES_IN = "has(inner.uri) && (inner.uri + '/').startsWith(outer.uri + '/')"
_NESTED = f"self.publish.filter(outer, has(outer.uri) && self.publish.filter(inner, {_LIES_IN}).size() > 1)"

_SPEC = [
    Rule(
        "!has(self.publish) || self.publish.size() > 0 || !has(self.compression) || has(self.trial)",
        "nothing is published, so nothing need be compressed; leave out compression",
        "publish",
        "_publishes_what_it_compresses",
    ),
    Rule(
        f"!has(self.publish) || {_NESTED}.size() == 0",
        f"'{{{_NESTED}[0].uri}}' is given twice, or another target lies in it; give each model a folder of its own",
        "publish",
        "_publishes_apart",
    ),
    Rule(
        "has(self.publish) || self.onlyPrepare",
        "a cluster has no folder of its own for the model: say where it goes, such as - uri: pvc://CLAIM/PATH",
        "publish",
        "cluster_problems",
    ),
    *map(_foreign_metric, METRICS_OF_TASK),
    *map(_foreign_trial, METRICS_OF_TASK),
    *map(_foreign_evaluation, METRICS_OF_TASK),
    *ONLY_PREPARE,
    *WITH_TRAINED,
    *OF_TRIALS,
    *OF_ESTIMATORS,
    *map(_foreign_monitor, METRICS_OF_TASK),
    _foreign(
        "Regression",
        "has(self.dataset.split.stratify) && self.dataset.split.stratify",
        "only classes can be stratified, but the task is Regression",
        "dataset.split.stratify",
    ),
    _foreign(
        "Regression",
        "has(self.training.classWeights)",
        "there are no classes to weigh, the task is Regression",
        "training.classWeights",
    ),
    _foreign(
        "Regression",
        "has(self.dataset.checks.minClassFraction)",
        "there are no classes to count, the task is Regression",
        "dataset.checks.minClassFraction",
    ),
]

# --- the whole object -------------------------------------------------------------------------------------------------


def _unchanged(field: str) -> Rule:
    """A field that stays once the job has begun. At the root, as a rule at an optional field is passed over where that
    field is added or removed."""
    now, before = f"self.{field}", f"oldSelf.{field}"
    same = f"has({now}) == has({before}) && (!has({now}) || {now} == {before})"
    check = f"!has(oldSelf.status) || !has(oldSelf.status.startTime) || ({same})"
    return Rule(check, f"{field} can't change once the job has begun; delete the job and make a new one", field)


def _fields(model: type[TrainingJobSpec] | type[RunPolicy]) -> list[str]:
    return [str(info.alias) for info in model.model_fields.values()]


_NAME = one_line(str(Metadata.model_fields["name"].description))

_SCRATCH = "'pvc://' + self.spec.workspace.claimName + '/' + self.metadata.name + '/'"
_IN_SCRATCH = f"self.spec.publish.filter(target, has(target.uri) && (target.uri + '/').startsWith({_SCRATCH}))"

_ROOT = [
    Rule(
        # An older CRD may have let in a job without a spec: its status must still be written.
        "!has(self.spec) || !has(self.spec.workspace) || !has(self.spec.workspace.claimName) || "
        f"!has(self.spec.publish) || {_IN_SCRATCH}.size() == 0",
        f"'{{{_IN_SCRATCH}[0].uri}}' lies in the job's workspace, pvc://{{self.spec.workspace.claimName}}/"
        "{self.metadata.name}; give the model another folder",
        "spec.publish",
        "_publishes_outside_its_workspace",
    ),
    Rule(
        f"self.metadata.name.matches('{NAME_PATTERN}')",
        f'"{{self.metadata.name}}" is not allowed; allowed: {_NAME}',
        "metadata.name",
        is_for_new=True,
    ),
    *(_unchanged(f"spec.{field}") for field in _fields(TrainingJobSpec) if field != "runPolicy"),
    *(_unchanged(f"spec.runPolicy.{field}") for field in _fields(RunPolicy) if field not in MUTABLE_RUN_POLICY),
]

RULES = {
    "TrainingJob": _ROOT,
    "TrainingJobSpec": _SPEC,
    "MissingValues": _MISSING_VALUES,
    "Split": _SPLIT,
    "Dataset": [*_DATASET, *_CELLS],
    "NumberFormat": _MARKS,
    "CsvFormat": _MARKS,
    "Optimizer": _OPTIMIZER,
    "ClassWeights": _CLASS_WEIGHTS,
    "Evaluation": [LABEL],
    "Trial": [LABEL],
    "Requirement": [*_REQUIREMENT, LABEL],
    "Compression": _COMPRESSION,
    "PublishTarget": _PUBLISH_TARGET,
    "Trained": [*_claim_uri("_is_a_model", is_optional=True), *TRAINED],
    "WorkspaceSpec": _WORKSPACE,
    "EnvVar": _ENV_VAR,
    "MountedVolume": _MOUNTED_VOLUME,
    "PodTemplate": _POD_TEMPLATE,
    **OF_TUNING_JOBS,
}

NOT_IN_CEL = {
    "{problem}": "stands for the words of ClaimUri.parse, which the rules of _claim_uri say, and for classes, which "
    "only the data knows",
    "{uri} is not a place: it holds characters that can't be printed": "a path on a claim has none, a rule says",
    "'{both}' is named under {other} as well; a column is one or the other": "comparing maps and lists of names may "
    "cost more than the API server allows one rule; the operator refuses it",
    **NOT_IN_CEL_OF_TUNING_JOBS,
}
"""Messages of validators that no rule repeats, and why."""
