"""The CEL rules of what goes with the model's kind, as `api/models/rules` has them. Imports the api and the
schema only."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace

from steelyard.api.dataset import SPLIT_BY
from steelyard.api.models import FAMILIES, KINDS, kinds, plurals
from steelyard.api.models.capabilities import Capabilities, Family
from steelyard.api.models.container import GIVEN_VARIABLES, NO_IMAGE, VARIABLE_PATTERN
from steelyard.api.models.container import NOUN as OF_CONTAINER
from steelyard.api.models.elsewhere import NOUN, OF_FORMAT
from steelyard.api.models.rules import FIELDS_OF_EPOCHS
from steelyard.api.pods import OWN_VARIABLES
from steelyard.api.training import Checkpoint, Optimizer, Training
from steelyard.schema.cel import Rule, literal_list
from steelyard.schema.rules.kinds import VARIANTS, Variant, are_given, variants
from steelyard.schema.rules.trial import IS_FROM_ELSEWHERE

_OPTIONAL_OF_OPTIMIZER = [info.alias for info in Optimizer.model_fields.values() if info.default is None]
_IS_CHANGED = {
    "epochs": f"self.training.epochs != {Training().epochs}",
    "batchSize": f"self.training.batchSize != {Training().batch_size}",
    "optimizer": " || ".join(
        [
            f"self.training.optimizer.name != '{Optimizer().name}'",
            f"self.training.optimizer.learningRate != {Optimizer().learning_rate}",
            *(f"has(self.training.optimizer.{alias})" for alias in _OPTIONAL_OF_OPTIMIZER),
        ]
    ),
    "learningRateSchedule": "has(self.training.learningRateSchedule)",
    "earlyStopping": "has(self.training.earlyStopping)",
    "labelSmoothing": "has(self.training.labelSmoothing)",
    "checkpoint": f"self.training.checkpoint.everySeconds != {Checkpoint().every_seconds} || "
    "has(self.training.checkpoint.everySteps)",
}
assert set(_IS_CHANGED) == {Training.model_fields[field].alias for field in FIELDS_OF_EPOCHS}


def _is_none_of(those: Collection[Variant]) -> str:
    """Whether the model is of another kind. One that an older CRD let in is taken for the first kind, of which the
    least is refused: what it has beside it is then not looked at, as it may be anything."""
    if VARIANTS[0] in those:
        return "!" + _is_none_of([each for each in VARIANTS if each not in those])
    return "(!({}))".format(" || ".join(are_given(those)))


def _lacking(has: Callable[[Capabilities], bool]) -> Iterator[tuple[Family, str]]:
    """Each family that has kinds which lack something, with whether the model is none of those. Those of models from
    elsewhere are alike in what is said of them."""
    for family in FAMILIES:
        lacking = [each for each in variants(lambda can: not has(can)) if each.capabilities.family == family]
        if lacking:
            yield family, _is_none_of(lacking)
    foreign = next(iter(OF_FORMAT.values())).capabilities
    if not has(foreign):
        yield foreign.family, f"!{IS_FROM_ELSEWHERE}"


def _of_epochs(family: Family, is_none: str) -> Iterator[Rule]:
    changed = {f"training.{alias}": is_changed for alias, is_changed in _IS_CHANGED.items()}
    for path, is_changed in {**changed, "trained.epochs": "has(self.trained) && has(self.trained.epochs)"}.items():
        yield Rule(
            f"{is_none} || !({is_changed})",
            f"{path.rpartition('.')[2]} does nothing for {family.plural}, which have no epochs; leave it out",
            path,
            "_check_training",
        )


def _of_class_weights() -> Rule:
    weighs, lacking = kinds(lambda can: can.weighs_classes), variants(lambda can: not can.weighs_classes)
    named = dict.fromkeys(each.kind for each in lacking)
    kind = " : ".join([*(f"has(self.model.{each}) ? '{each}'" for each in named), "'it'"])
    return Rule(
        f"!has(self.training.classWeights) || {_is_none_of(lacking)}",
        f"{{{kind}}} does not weigh classes; leave it out, or take one that does: {', '.join(weighs)}",
        "training.classWeights",
        "_check_training",
    )


def _of_class_weights_elsewhere() -> Rule:
    weighs = kinds(lambda can: can.weighs_classes)
    return Rule(
        f"!has(self.training.classWeights) || !{IS_FROM_ELSEWHERE}",
        f"a {NOUN} does not weigh classes; leave it out, or take one that does: {', '.join(weighs)}",
        "training.classWeights",
        "_check_training",
    )


def guarded(rules: Iterable[Rule], model: str = "self.model") -> list[Rule]:
    """The rules, passed over where they ask for the kind of a model that is not given: one from elsewhere, whose job
    has none."""
    return [
        replace(rule, check=f"!has({model}) || ({rule.check})") if f"{model}." in rule.check else rule for rule in rules
    ]


_IS_NOT_CROSS_FITTED = (
    "!has(self.compression) || !has(self.compression.proof) || self.compression.proof != 'CrossFitted'"
)
_WITH_FOLDS = variants(lambda can: can.has_folds)

OF_MODELS = [
    *(
        Rule(
            f"{is_none} || self.training.workers == 1",
            f"{family.plural} are fitted in one process; allowed: 1",
            "training.workers",
            "_check_training",
        )
        for family, is_none in _lacking(lambda can: can.has_workers)
    ),
    *(rule for family, is_none in _lacking(lambda can: can.has_epochs) for rule in _of_epochs(family, is_none)),
    _of_class_weights(),
    _of_class_weights_elsewhere(),
    *(
        Rule(
            f"{is_none} || !has(self.evaluation.crossValidation)",
            f"a {family.noun} is judged on the sets of the split, folds are for {plurals(lambda can: can.has_folds)}: "
            + ", ".join(kinds(lambda can: can.has_folds)),
            "evaluation.crossValidation",
            "_check_folds",
        )
        for family, is_none in _lacking(lambda can: can.has_folds)
    ),
    *(
        Rule(
            f"{_is_none_of(_WITH_FOLDS)} || !has(self.evaluation.crossValidation) || !has(self.dataset.split.{by})",
            f"folds are dealt out by chance, but the rows by split.{by}; leave out one of the two",
            "evaluation.crossValidation",
            "_check_folds",
        )
        for by in SPLIT_BY
    ),
    Rule(
        f"!{IS_FROM_ELSEWHERE} || {_IS_NOT_CROSS_FITTED}",
        "a model from elsewhere is not trained again on folds; allowed: HeldOut, Point",
        "compression.proof",
        "_check_proof",
    ),
    Rule(
        f"!has(self.model.container) || {_IS_NOT_CROSS_FITTED}",
        f"a {OF_CONTAINER} is not trained again on folds; allowed: HeldOut, Point",
        "compression.proof",
        "_check_proof",
    ),
    *(
        Rule(
            f"!has(self.model.container) || !has(self.{field})",
            f"a container trains its model itself, for this job alone; leave out {field}",
            field,
            "_check_container",
        )
        for field in ("trained", "trial")
    ),
    Rule(
        f"self.training.workers == 1 || {_IS_NOT_CROSS_FITTED}",
        "CrossFitted trains in one process, and training.workers is {self.training.workers}; allowed: HeldOut, Point",
        "compression.proof",
        "_check_proof",
    ),
    Rule(
        f"!has(self.trial) || {_IS_NOT_CROSS_FITTED}",
        "trials of a search are not cross-fitted; allowed: HeldOut, Point",
        "compression.proof",
        "_check_proof",
    ),
    *(
        Rule(
            f"!has(self.dataset.split.{by}) || {_IS_NOT_CROSS_FITTED}",
            f"CrossFitted deals rows out by chance, but split.{by} does it here; allowed: HeldOut, Point",
            "compression.proof",
            "_check_proof",
        )
        for by in SPLIT_BY
    ),
    *(
        Rule(
            f"!has(self.task) || self.task == '{KINDS[kind].capabilities.only_task}' || !has(self.model.{kind})",
            f"{kind} is for {KINDS[kind].capabilities.only_task}, but the task is {{self.task}}",
            "model",
            "check_model",
        )
        for kind in kinds(lambda can: can.only_task)
    ),
]

_OWN = f"self.env.filter(name, name.startsWith('{OWN_VARIABLES}') || name in {literal_list(GIVEN_VARIABLES)})"
_UNKNOWN = f"self.env.filter(name, !name.matches('{VARIABLE_PATTERN}'))"

CONTAINER = [
    Rule("has(self.image)", NO_IMAGE, "image", "cluster_problems"),
    Rule(
        f"{_UNKNOWN}.size() == 0",
        f"'{{{_UNKNOWN}[0]}}' is no variable's name; allowed: letters, digits and '_'",
        "env",
        "_leaves_the_contract_s_variables",
    ),
    Rule(
        "has(self.image) || has(self.command)",
        "nothing says what is run: give command, with which a run on this machine starts it, and image, which a "
        "cluster needs",
        "command",
        "_can_be_run",
    ),
    Rule(
        f"{_OWN}.size() == 0",
        f"{{{_OWN}[0]}} is set by Steelyard (docs/container-contract.md); allowed: any but STEELYARD_..., "
        + ", ".join(GIVEN_VARIABLES),
        "env",
        "_leaves_the_contract_s_variables",
    ),
]

LEFT_MODEL = [
    Rule(
        "!has(self.path) || !self.path.matches('^/|(^|/)[.][.](/|$)')",
        "'{self.path}' leaves the folder that STEELYARD_MODEL_DIR names; allowed: a path in it, such as model.keras",
        "path",
        "_stays_in_its_folder",
    ),
]
