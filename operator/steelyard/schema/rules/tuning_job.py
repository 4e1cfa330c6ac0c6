"""The CEL rules of a TuningJob as a whole, and of its spec. Imports the api and the schema only.

The rules of the TrainingJob's spec hold for the template as they are.
"""

from steelyard.api.fields import one_line
from steelyard.api.metrics import METRICS_OF_TASK, Task
from steelyard.api.models import kinds
from steelyard.api.pods import WorkspaceSpec
from steelyard.api.training_job import TrainingJobSpec
from steelyard.api.tuning import EPOCH_PRUNING, NO_CONDITIONS, ONE_OBJECTIVE
from steelyard.api.tuning_job import TUNING_NAME_PATTERN, TuningJobSpec, TuningMetadata
from steelyard.schema.cel import Rule, literal_list
from steelyard.schema.rules.kinds import are_given, variants
from steelyard.schema.rules.models import guarded
from steelyard.schema.rules.search import (
    ALGORITHM,
    OBJECTIVE,
    OBJECTIVE_METRIC,
    OF_OBJECTIVE_METRIC,
    PARAMETER,
    PRUNING,
)
from steelyard.schema.rules.training_job import MUTABLE_WORKSPACE, names_of, unchanged

MUTABLE = ("maxTrials", "runPolicy")
"""What of `spec` may change once the search has begun, and after its end; maxTrials may only be raised. So may what of
the template's workspace may change of a TrainingJob's."""

# --- spec -------------------------------------------------------------------------------------------------------------

_HAS_EPOCHS = "({})".format(" || ".join(sorted(are_given(variants(lambda can: can.has_epochs), "self.template.model"))))
_MODEL = " : ".join(
    [*(f"has(self.template.model.{kind}) ? '{kind}'" for kind in kinds(lambda can: not can.has_epochs)), "'it'"]
)
_HAS_SECONDARY = "has(self.objective.secondary)"
_PRUNES_EPOCHS = f"has(self.pruning) && self.pruning.name in {literal_list(sorted(EPOCH_PRUNING))}"
_PRUNES_FOLDS = "has(self.pruning) && self.pruning.name == 'PairedFolds'"
_FOLDS = "self.template.evaluation.crossValidation"
_EPOCHS = "self.template.training.epochs"


def _metric_of(task: Task) -> Rule:
    """The task is the template's, or the only one that the model has."""
    models = [f"has(self.template.model.{kind})" for kind in kinds(lambda can: can.only_task == task)]
    is_task = f"has(self.template.task) ? self.template.task == '{task}' : ({' || '.join(models)})"
    own = METRICS_OF_TASK[task]
    return Rule(
        f"!({is_task}) || {OBJECTIVE_METRIC} in {literal_list(['', *own])}",
        f"{{{OBJECTIVE_METRIC}}} is no metric of {task}; allowed: {', '.join(own)}",
        "objective.metric",
        "_objective",
    )


_CLASSES = literal_list(METRICS_OF_TASK["Classification"])
_FOREIGN = (
    "self.template.evaluation.require.filter(one, has(one.metric) && "
    f"(one.metric in {_CLASSES}) != ({OBJECTIVE_METRIC} in {_CLASSES}))"
)
_HAS_TASK = " || ".join(
    ["has(self.template.task)", *(f"has(self.template.model.{kind})" for kind in kinds(lambda can: can.only_task))]
)
_REQUIRED_METRICS = Rule(
    f"{_HAS_TASK} || {_FOREIGN}.size() == 0",
    f"{{{OBJECTIVE_METRIC}}} and {{{_FOREIGN}[0].metric}} (template.evaluation.require) are not of one task: the "
    "one is of classes, the other of numbers",
    "objective.metric",
    "_required_metrics",
)

_SECONDARY = [
    Rule(
        f"{_HAS_SECONDARY} || self.algorithm.name != 'NSGA-II'",
        "NSGA-II is for two objectives; give objective.secondary, or take another, such as TPE",
        "algorithm.name",
        "_secondary",
    ),
    Rule(
        f"!{_HAS_SECONDARY} || has(self.template.compression)",
        "{self.objective.secondary} is that of the compressed model; give template.compression",
        "objective.secondary",
        "_secondary",
    ),
    Rule(
        f"!{_HAS_SECONDARY} || !(self.algorithm.name in {literal_list(ONE_OBJECTIVE)})",
        "{self.algorithm.name} has one objective; with objective.secondary allowed: Grid, Random, TPE, QMC, NSGA-II",
        "algorithm.name",
        "_secondary",
    ),
    Rule(
        f"!{_HAS_SECONDARY} || !has(self.pruning)",
        "{self.pruning.name} looks at one objective, and may prune what is small: with objective.secondary omit it",
        "pruning",
        "_secondary",
    ),
    Rule(
        f"!{_HAS_SECONDARY} || !has(self.maxTrialsWithoutImprovement)",
        "with two objectives no trial is better than all others; leave it out",
        "maxTrialsWithoutImprovement",
        "_secondary",
    ),
]

_ENDLESS = "self.parameters.filter(one, has(one.path) && has(one.type) && one.type == 'Double' && !has(one.step))"

_ALGORITHM_AND_PARAMETERS = [
    Rule(
        "self.algorithm.name != 'CMA-ES' || self.parameters.size() > 1",
        "CMA-ES needs two parameters at least; for one allowed: any other",
        "algorithm.name",
        "_algorithm",
    ),
    Rule(
        "self.algorithm.name != 'CMA-ES' || !self.parameters.exists(one, has(one.type) && one.type == 'Categorical')",
        "CMA-ES moves through numbers and has no categories; allowed: Double, Int, or another algorithm",
        "parameters",
        "_algorithm",
    ),
    Rule(
        f"!(self.algorithm.name in {literal_list(NO_CONDITIONS)}) || !self.parameters.exists(one, has(one.when))",
        "{self.algorithm.name} has no conditions; allowed with them: Grid, Random, TPE, NSGA-II",
        "parameters",
        "_algorithm",
    ),
    Rule(
        f"self.algorithm.name != 'Grid' || {_ENDLESS}.size() == 0",
        f"a Grid has finitely many values; give {{{_ENDLESS}[0].path}} a step, or make it Categorical",
        "parameters",
        "_space",
    ),
]

_PRUNING_AND_TEMPLATE = [
    Rule(
        f"!({_PRUNES_FOLDS}) || has({_FOLDS})",
        "PairedFolds prunes between folds; give template.evaluation.crossValidation",
        "pruning.name",
        "_pruning",
    ),
    Rule(
        f"!({_PRUNES_FOLDS}) || !has({_FOLDS}) || "
        f"(has(self.pruning.graceFolds) ? self.pruning.graceFolds : 2) < {_FOLDS}.folds",
        f"after {{has(self.pruning.graceFolds) ? self.pruning.graceFolds : 2}} of {{{_FOLDS}.folds}} folds nothing is "
        "left to prune; allowed: fewer than the folds",
        "pruning.graceFolds",
        "_pruning",
    ),
    Rule(
        f"!({_PRUNES_EPOCHS}) || {_HAS_EPOCHS}",
        f"{{self.pruning.name}} prunes between epochs, and {{{_MODEL}}} has none; allowed: PairedFolds, with "
        "template.evaluation.crossValidation",
        "pruning.name",
        "_epoch_pruning",
    ),
    *(
        Rule(
            f"!({_PRUNES_EPOCHS}) || !{_HAS_EPOCHS} || {given} < {_EPOCHS}",
            f"after {{{given}}} of {{{_EPOCHS}}} epochs (template.training.epochs) nothing is left to prune; allowed: "
            "fewer than those",
            f"pruning.{field}",
            "_epoch_pruning",
        )
        for field, given in (
            ("graceEpochs", "(has(self.pruning.graceEpochs) ? self.pruning.graceEpochs : 1)"),
            ("everyEpochs", "(has(self.pruning.everyEpochs) ? self.pruning.everyEpochs : 0)"),
        )
    ),
    Rule(
        f"!({_PRUNES_EPOCHS}) || !self.parameters.exists(one, has(one.path) && one.path == 'training.epochs')",
        "{self.pruning.name} compares trials after as many epochs each, so training.epochs can't be searched; leave "
        "out one of the two",
        "parameters",
        "_epoch_pruning",
    ),
]

_SAME = "has(two.path) && two.path == one.path"
_TWICE = f"self.parameters.filter(one, has(one.path) && !self.parameters.exists_one(two, {_SAME}))"
_WITHIN = (
    "self.parameters.filter(one, has(one.path) && self.parameters.exists(two, has(two.path) && "
    "one.path.startsWith(two.path + '.')))"
)
_LOST = (
    "self.parameters.filter(one, has(one.path) && has(one.when) && has(one.when.path) && "
    "(one.when.path == one.path || !self.parameters.exists(two, has(two.path) && two.path == one.when.path)))"
)
_SEARCHED = ["model.", "training."]
_OUTSIDE = (
    f"self.parameters.filter(one, has(one.path) && !{literal_list(_SEARCHED)}.exists(part, one.path.startsWith(part)))"
)

_SPEC = [
    *OF_OBJECTIVE_METRIC,
    *map(_metric_of, METRICS_OF_TASK),
    _REQUIRED_METRICS,
    *_SECONDARY,
    *_ALGORITHM_AND_PARAMETERS,
    *_PRUNING_AND_TEMPLATE,
    Rule(
        "self.parallelTrials <= self.maxTrials",
        "{self.parallelTrials} is more than maxTrials, {self.maxTrials}; allowed: at most as many",
        "parallelTrials",
        "_counts",
    ),
    Rule(
        "self.initialTrials.size() <= self.maxTrials",
        "{self.initialTrials.size()} are given, but maxTrials is {self.maxTrials}; allowed: at most as many",
        "initialTrials",
        "check_initial_trials",
    ),
    *(
        Rule(
            f"!({is_given})", "the search sets it for each of its jobs; leave it out", f"template.{field}", "_template"
        )
        for field, is_given in (
            ("onlyPrepare", "self.template.onlyPrepare"),
            ("trained", "has(self.template.trained)"),
            ("trial", "has(self.template.trial)"),
        )
    ),
    Rule(
        "!has(self.template.model) || !has(self.template.model.container)",
        "a search has no containers yet; allowed: the other kinds of models",
        "template.model.container",
        "_trains_what_it_searches",
    ),
    Rule(
        "!has(self.template.runPolicy.ttlSecondsAfterFinished)",
        "the search's jobs go with it; give spec.runPolicy.ttlSecondsAfterFinished, and leave this out",
        "template.runPolicy.ttlSecondsAfterFinished",
        "_template",
    ),
    Rule(
        "!has(self.template.dataset.format) || self.template.dataset.format != 'Prepared'",
        "the search prepares the data itself, once for all trials; allowed: CSV, Parquet",
        "template.dataset.format",
        "_template",
    ),
    Rule(
        "!has(self.objective.secondary) || !has(self.template.compression) || !has(self.template.compression.proof) || "
        "self.template.compression.proof != 'CrossFitted'",
        "trials of a search are not cross-fitted; allowed: HeldOut, Point",
        "template.compression.proof",
        "_template",
    ),
    Rule(
        "self.placement != 'Packed' || self.template.training.workers == 1",
        "Packed is for models of one worker, and template.training.workers is {self.template.training.workers}; "
        "allowed: Pods, Auto",
        "placement",
        "_template",
    ),
    Rule(
        "self.placement != 'Packed' || !self.parameters.exists(one, has(one.path) && one.path == 'training.workers')",
        "Packed is for models of one worker, and training.workers is searched; allowed: Pods, Auto",
        "placement",
        "_template",
    ),
    Rule(
        "self.trialSeed != 'PerTrial' || !self.parameters.exists(one, has(one.path) && one.path == 'training.seed')",
        "PerTrial sets training.seed, which is a parameter; allowed: Fixed",
        "trialSeed",
        "_template",
    ),
    Rule(
        f"{_OUTSIDE}.size() == 0",
        f"'{{{_OUTSIDE}[0].path}}' can't be searched, as all trials share their data and their pods' shape; allowed: "
        "fields below model and training, such as training.optimizer.learningRate",
        "parameters",
        "_outside",
    ),
    Rule(
        f"{_TWICE}.size() == 0",
        f"'{{{_TWICE}[0].path}}' is searched twice",
        "parameters",
        "_paths",
    ),
    Rule(
        f"{_LOST}.size() == 0",
        f"'{{{_LOST}[0].when.path}}' is the path of no other parameter",
        "parameters",
        "_conditions",
    ),
    Rule(
        f"{_WITHIN}.size() == 0",
        f"'{{{_WITHIN}[0].path}}' lies in another parameter; leave out one of the two",
        "parameters",
        "_paths",
    ),
]

# --- the whole object -------------------------------------------------------------------------------------------------


_STAYING = [
    *(f"spec.{field}" for field in names_of(TuningJobSpec, *MUTABLE, "template")),
    *(f"spec.template.{field}" for field in names_of(TrainingJobSpec, "workspace")),
    *(f"spec.template.workspace.{field}" for field in names_of(WorkspaceSpec, *MUTABLE_WORKSPACE)),
]
_OTHERWISE = "can't change once the search has begun; delete it and make a new one"

# True, or about to be: False is also said of a claim that is still needed.
_IS_WITHOUT_WORKSPACE = "one.type == 'WorkspaceRemoved' && (one.status == 'True' || one.reason == 'Removing')"

_NAME = one_line(str(TuningMetadata.model_fields["name"].description))

_ROOT = [
    Rule(
        f"self.metadata.name.matches('{TUNING_NAME_PATTERN}')",
        f'"{{self.metadata.name}}" is not allowed; allowed: {_NAME}',
        "metadata.name",
        is_for_new=True,
    ),
    Rule(
        "!has(self.spec) || !has(self.spec.warmStart) || !has(self.spec.warmStart.tuningJob) || "
        "self.spec.warmStart.tuningJob != self.metadata.name",
        "'{self.metadata.name}' is this search itself; name another, that has finished",
        "spec.warmStart.tuningJob",
        "_learns_from_another",
    ),
    Rule(
        "!has(oldSelf.status) || !has(oldSelf.status.startTime) || self.spec.maxTrials >= oldSelf.spec.maxTrials",
        "{self.spec.maxTrials} is less than it was, {oldSelf.spec.maxTrials}, and the search has begun; allowed: as "
        "many or more",
        "spec.maxTrials",
    ),
    Rule(
        "!has(oldSelf.status) || !has(oldSelf.status.conditions) || self.spec.maxTrials == oldSelf.spec.maxTrials || "
        f"!oldSelf.status.conditions.exists(one, {_IS_WITHOUT_WORKSPACE})",
        "the search can't go on, as its workspace was removed (spec.template.workspace.retain); make a new one whose "
        "warmStart.tuningJob is {self.metadata.name}",
        "spec.maxTrials",
    ),
    *(unchanged(field, _OTHERWISE) for field in _STAYING),
]

OF_TUNING_JOBS = {
    "TuningJob": _ROOT,
    "TuningJobSpec": guarded(_SPEC, "self.template.model"),
    "Objective": OBJECTIVE,
    "Parameter": PARAMETER,
    "Algorithm": ALGORITHM,
    "Pruning": PRUNING,
}
