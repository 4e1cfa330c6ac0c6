"""The CEL rules of the parts of a TrainingJob that have no file of their own: training, evaluation, workspace,
template. Imports the api and the schema only."""

from steelyard.api.metrics import AT_MOST_ONE
from steelyard.api.pods import HIDING_FOLDERS, OWN_FOLDERS, OWN_LABEL_NAMES, OWN_LABELS, OWN_VARIABLE, OWN_VARIABLES
from steelyard.api.training import OPTIMIZER_SETTINGS, Optimizer
from steelyard.schema.cel import Rule, literal_list, quote


def _once(items: str, key: str, field: str, mirrors: str) -> Rule:
    """A list in which each key occurs once."""
    same = f"has(other.{key}) && other.{key} == one.{key}"
    twice = f"self.{items}.filter(one, has(one.{key}) && !self.{items}.exists_one(other, {same}))"
    return Rule(f"{twice}.size() == 0", f"{{{twice}[0].{key}}} is given twice", field, mirrors)


# --- spec.training ----------------------------------------------------------------------------------------------------


def _settings_of(optimizer: str) -> list[str]:
    return [str(Optimizer.model_fields[name].alias) for name in OPTIMIZER_SETTINGS[optimizer]]


OPTIMIZER = [
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

CLASS_WEIGHTS = [
    Rule(
        "(self.strategy == 'Explicit') == has(self.weights)",
        "weights are needed with strategy Explicit and with no other",
        "weights",
        "_weights_go_with_explicit",
    ),
]

# --- spec.evaluation --------------------------------------------------------------------------------------------------

REQUIREMENT = [
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

# --- spec.compression -------------------------------------------------------------------------------------------------

COMPRESSION = [
    Rule(
        f"!has(self.{field}) || !has(self.proof) || self.proof != 'Point'",
        "proof Point compares two numbers and proves nothing; leave out one of the two",
        field,
        "_proves_only_by_bounds",
    )
    for field in ("confidence", "onTooFewRows")
]

# --- spec.workspace, spec.template ------------------------------------------------------------------------------------

WORKSPACE = [
    *(
        Rule(
            f"!has(self.claimName) || !has(self.{field})",
            "the claim '{self.claimName}' has its own; leave this out",
            field,
            "_a_named_claim_has_its_own_size",
        )
        for field in ("storage", "storageClassName")
    ),
    Rule(
        "!has(self.claimName) || !has(self.retain)",
        "the claim '{self.claimName}' is never removed; leave this out",
        "retain",
        "_a_named_claim_has_its_own_size",
    ),
]

ENV_VAR = [
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

MOUNTED_VOLUME = [
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

POD_TEMPLATE = [
    Rule(
        f"!has(self.labels) || !self.labels.exists(key, {_OWN_LABEL})",
        f"'{{self.labels.filter(key, {_OWN_LABEL})[0]}}' is the operator's; name another label",
        "labels",
        "_leaves_the_operators_labels",
    ),
    _once("env", "name", "env", "_leaves_the_operators_labels"),
    _once("volumes", "mountPath", "volumes", "_leaves_the_operators_labels"),
]
