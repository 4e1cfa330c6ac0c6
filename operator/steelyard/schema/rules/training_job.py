"""The CEL rules of a TrainingJob as a whole, and of its spec. Imports the api and the schema only."""

from steelyard.api.base import Part
from steelyard.api.fields import one_line
from steelyard.api.metrics import METRICS_OF_TASK, Task
from steelyard.api.places import CLAIM, NO_TARGET
from steelyard.api.pods import WorkspaceSpec
from steelyard.api.run_policy import RunPolicy
from steelyard.api.training_job import NAME_PATTERN, Metadata, TrainingJobSpec, foreign_monitors
from steelyard.schema.cel import Rule, literal_list
from steelyard.schema.rules.models import OF_MODELS, guarded
from steelyard.schema.rules.trial import OF_TRIALS, ONLY_PREPARE, WITH_TRAINED

MUTABLE_RUN_POLICY = frozenset({"activeDeadlineSeconds", "suspend", "ttlSecondsAfterFinished"})
"""What of `spec.runPolicy` may change once the job has begun, and after its end."""
MUTABLE_WORKSPACE = frozenset({"retain", "retainSeconds"})
"""What of `spec.workspace` may; nothing else of `spec` may."""

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

SPEC = [
    Rule(
        "!has(self.publish) || self.publish.size() > 0 || !has(self.compression) || has(self.trial)",
        "nothing is published, so nothing need be compressed; leave out compression",
        "publish",
        "_publishes_what_it_compresses",
    ),
    Rule(
        "!has(self.dataset.split.searchRows) || has(self.compression) || self.onlyPrepare",
        "search rows steer compression, and there is none; leave out searchRows",
        "dataset.split.searchRows",
        "_searches_where_rows_steer",
    ),
    Rule(
        f"!has(self.publish) || {_NESTED}.size() == 0",
        f"'{{{_NESTED}[0].uri}}' is given twice, or another target lies in it; give each model a folder of its own",
        "publish",
        "_publishes_apart",
    ),
    Rule(
        "has(self.publish) || self.onlyPrepare",
        NO_TARGET,
        "publish",
        "cluster_problems",
    ),
    *map(_foreign_metric, METRICS_OF_TASK),
    *map(_foreign_trial, METRICS_OF_TASK),
    *map(_foreign_evaluation, METRICS_OF_TASK),
    Rule(
        "!has(self.workspace.retain) || self.workspace.retain == 'Always' || "
        "!self.onlyPrepare && (!has(self.publish) || self.publish.size() > 0)",
        "{self.workspace.retain} would remove the result, which lies in the workspace as nothing is published; "
        "allowed: Always",
        "workspace.retain",
        "_retains_its_result",
    ),
    *ONLY_PREPARE,
    *guarded([*WITH_TRAINED, *OF_TRIALS, *OF_MODELS]),
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
        "has(self.training.labelSmoothing)",
        "there are no labels to smooth, the task is Regression",
        "training.labelSmoothing",
    ),
    _foreign(
        "Regression",
        "has(self.compression) && has(self.compression.maxClassDrop)",
        "there are no classes to keep, the task is Regression",
        "compression.maxClassDrop",
    ),
    _foreign(
        "Regression",
        "has(self.dataset.checks.minClassFraction)",
        "there are no classes to count, the task is Regression",
        "dataset.checks.minClassFraction",
    ),
]

# --- the whole object -------------------------------------------------------------------------------------------------


def unchanged(field: str, otherwise: str) -> Rule:
    """A field that stays once a job of either kind has begun. At the root, as a rule at an optional field is passed
    over where that field is added or removed.

    Args:
        field: such as spec.task.
        otherwise: what the refusal says after the field.
    """
    now, before = f"self.{field}", f"oldSelf.{field}"
    same = f"has({now}) == has({before}) && (!has({now}) || {now} == {before})"
    check = f"!has(oldSelf.status) || !has(oldSelf.status.startTime) || ({same})"
    return Rule(check, f"{field} {otherwise}", field)


def names_of(model: type[Part], *but: str) -> list[str]:
    """The names of a part's fields, as a manifest has them, but for some."""
    names = [str(info.alias) for info in model.model_fields.values()]
    return [name for name in names if name not in but]


_STAYING = [
    *(f"spec.{field}" for field in names_of(TrainingJobSpec, "runPolicy", "workspace")),
    *(f"spec.workspace.{field}" for field in names_of(WorkspaceSpec, *MUTABLE_WORKSPACE)),
    *(f"spec.runPolicy.{field}" for field in names_of(RunPolicy, *MUTABLE_RUN_POLICY)),
]
_OTHERWISE = "can't change once the job has begun; delete the job and make a new one"


_NAME = one_line(str(Metadata.model_fields["name"].description))

_SCRATCH = f"'{CLAIM.prefix}' + self.spec.workspace.claimName + '/' + self.metadata.name + '/'"
_IN_SCRATCH = f"self.spec.publish.filter(target, has(target.uri) && (target.uri + '/').startsWith({_SCRATCH}))"

ROOT = [
    Rule(
        # An older CRD may have let in a job without a spec: its status must still be written.
        "!has(self.spec) || !has(self.spec.workspace) || !has(self.spec.workspace.claimName) || "
        f"!has(self.spec.publish) || {_IN_SCRATCH}.size() == 0",
        f"'{{{_IN_SCRATCH}[0].uri}}' lies in the job's workspace, {CLAIM.prefix}{{self.spec.workspace.claimName}}/"
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
    *(unchanged(field, _OTHERWISE) for field in _STAYING),
]
