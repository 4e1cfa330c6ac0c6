"""The CEL rules of the parts of a search: objective, parameters, algorithm, pruning. Imports the api and the schema
only.

`NOT_IN_CEL_OF_TUNING_JOBS` holds what CEL can't say of a TuningJob.
"""

from steelyard.api.metrics import AT_MOST_ONE, GOAL_OF_METRIC, OF_LABELS
from steelyard.api.tuning import ALGORITHM_SETTINGS, PRUNING_SETTINGS, Algorithm, Pruning
from steelyard.schema.cel import Rule, literal_list, quote

_MAXIMIZED = [metric for metric, goal in GOAL_OF_METRIC.items() if goal == "Maximize"]
_MINIMIZED = [metric for metric, goal in GOAL_OF_METRIC.items() if goal == "Minimize"]

LABEL = Rule(
    f"!has(self.label) || has(self.metric) && self.metric in {literal_list(OF_LABELS)}",
    f"a label goes with one of the metrics {', '.join(OF_LABELS)}; leave it out",
    "label",
    "check_label",
)
"""Of every map with a metric and a label."""

_EVALUATION = "self.template.evaluation"
OBJECTIVE_METRIC = (
    f"(has(self.objective.metric) ? self.objective.metric : has({_EVALUATION}.metric) ? {_EVALUATION}.metric : '')"
)
"""What a search is for, in a rule of its spec."""

OF_OBJECTIVE_METRIC = [
    Rule(
        f"{OBJECTIVE_METRIC} != ''",
        "nothing says what is searched for; name a metric here, or as template.evaluation.metric",
        "objective.metric",
        "_searches_for_something",
    ),
    *(
        Rule(
            f"!has(self.objective.goal) || self.objective.goal == '{goal}' || "
            f"!({OBJECTIVE_METRIC} in {literal_list(metrics)})",
            f"{{self.objective.goal}} would search for the worst model: of {{{OBJECTIVE_METRIC}}} {better} is better; "
            f"allowed: {goal}",
            "objective.goal",
            "_goal_fits_metric",
        )
        for goal, metrics, better in (("Maximize", _MAXIMIZED, "more"), ("Minimize", _MINIMIZED, "less"))
    ),
    Rule(
        "!has(self.objective.target) || self.objective.target <= 1.0 || "
        f"!({OBJECTIVE_METRIC} in {literal_list(sorted(AT_MOST_ONE))})",
        f"{{self.objective.target}} is not allowed; {{{OBJECTIVE_METRIC}}} is at most 1",
        "objective.target",
        "_objective",
    ),
]
"""The rules of a search's spec about the metric of its objective."""

OBJECTIVE = [
    LABEL,
    Rule(
        "!has(self.target) || !has(self.secondary)",
        "with two objectives the search is for a front; leave out the target",
        "target",
        "_secondary",
    ),
]

_IS_CATEGORICAL = "self.type == 'Categorical'"
_RANGE = "has(self.min) && has(self.max)"

PARAMETER = [
    *(
        Rule(
            f"!({_IS_CATEGORICAL}) || {unless}",
            f"a Categorical parameter has values, no {field}",
            field,
            "_range_fits_type",
        )
        for field, unless in (
            ("min", "!has(self.min)"),
            ("max", "!has(self.max)"),
            ("step", "!has(self.step)"),
            ("log", "!self.log"),
        )
    ),
    *(
        Rule(
            f"{_IS_CATEGORICAL} || has(self.{bound})",
            "{self.type} needs min and max",
            bound,
            "_range_fits_type",
        )
        for bound in ("min", "max")
    ),
    Rule(
        f"!({_RANGE}) || self.min <= self.max",
        "the range is reversed: {self.min} is above the max {self.max}",
        "min",
        "_range_fits_type",
    ),
    Rule(
        f"!({_RANGE}) || self.min != self.max",
        "the range is empty: min and max are both {self.min}",
        "min",
        "_range_fits_type",
    ),
    Rule(
        "!self.log || !has(self.min) || self.min > 0.0",
        "log needs a min above 0, but it is {self.min}",
        "min",
        "_range_fits_type",
    ),
    *(
        Rule(
            f"self.type != 'Int' || !has(self.{field}) || self.{field} == double(int(self.{field}))",
            f"{{self.{field}}} is not a whole number, as Int needs",
            field,
            "_range_fits_type",
        )
        for field in ("min", "max", "step")
    ),
    Rule(
        "!self.log || !has(self.step)",
        "steps of equal size do not go with log; leave out one of the two",
        "step",
        "_range_fits_type",
    ),
    Rule(
        f"!({_RANGE}) || !has(self.step) || self.min >= self.max || self.step <= self.max - self.min",
        "a step of {self.step} does not fit between {self.min} and {self.max}",
        "step",
        "_range_fits_type",
    ),
]


def _foreign_settings(settings: dict[str, tuple[str, ...]], part: type[Algorithm] | type[Pruning]) -> list[Rule]:
    """What of the settings a name does not have."""
    alias = {name: str(info.alias) for name, info in part.model_fields.items()}
    every = sorted({setting for own in settings.values() for setting in own})
    return [
        Rule(
            f"self.name != {quote(name)} || !has(self.{alias[setting]})",
            f"{name} has no such setting; it has {', '.join(alias[one] for one in own) or 'none but its seed'}",
            alias[setting],
            "refuse_foreign_settings",
        )
        for name, own in settings.items()
        for setting in every
        if setting not in own
    ]


ALGORITHM = _foreign_settings(ALGORITHM_SETTINGS, Algorithm)
PRUNING = _foreign_settings(PRUNING_SETTINGS, Pruning)

_OPEN = "CEL sees nothing whose type is left open, as that of values and initialTrials is"
_PATHS = "no rule can look up a path in the schema or the template"
_ELSE = "a rule says the same, in words that cost less"
_COSTLY = "it would have to be reckoned, at more than a rule may cost"

NOT_IN_CEL_OF_TUNING_JOBS = {
    "'{metric}' is of the test set, which judges the published model, once, and has no say in a search; allowed, each "
    "of the validation set: {allowed}": "the schema lists the metrics",
    "a Categorical parameter needs values, such as [16, 32, 64]": _OPEN,
    "{type} has min and max; values are for Categorical": _OPEN,
    "there is no parameter '{path}'; allowed: {paths}": _OPEN,
    "{value} is not allowed for {path}; allowed: {allowed}": _OPEN,
    "{path} exists only where {other} is {values}, but here it is {value}; leave it out, or give the other": _OPEN,
    "{path} never has the value {value}; allowed: {allowed}": _OPEN,
    "'{path}' can't be searched, as all trials share the search's code": _PATHS,
    "there is no field '{path}'; did you mean {near}?": _PATHS,
    "there is no field '{path}'; allowed: {paths}": _PATHS,
    "'{path}' is to begin inside of the template; did you mean {inner}?": "the rule for what lies outside says it",
    "the template has {holder}.{own}, so there is no {holder}.{name}; allowed: fields of {holder}.{own}": _PATHS,
    "the template gives no {holder}, so it has no item {name}; give it there": _PATHS,
    "'{name}' is no item of {holder}, of which the template gives {count}; allowed: an index from 0 to {last}": _PATHS,
    "{type} gives numbers, but {path} takes {allowed}; allowed: Categorical": _PATHS,
    "Double gives numbers that are not whole, but {path} takes {allowed}; allowed: Int, Categorical": _PATHS,
    "{number} is outside of what {path} takes; allowed: {allowed}": _PATHS,
    "{value} makes no valid TrainingJob: {problem}": _PATHS,
    "{values} make no valid TrainingJob together: {problem}; a parameter that goes with some values of another only "
    "needs a condition (when)": _PATHS,
    "'{path}' is searched twice; parameters[{number}] has it already": _ELSE,
    "of '{path}' and '{other}' (parameters[{number}]) one lies in the other; leave out one of the two": _ELSE,
    "'{path}' is no other parameter; allowed: {others}": _ELSE,
    "{path} may be any number between two; a condition needs one with steps, an Int or a Categorical": _COSTLY,
    "the conditions go round in a circle: {path} exists by itself in the end; leave out one of them": _COSTLY,
    "a step of {step} is too fine between {low} and {high}; allowed: at least {finest}, or leave it out: any number is "
    "taken then": "the API server can't write so small a number as the message does",
    "the grid has {size} combinations; allowed: at most {most}, or another algorithm, such as TPE": _COSTLY,
    "{looks} looks at a trial are too many; allowed: at most {most}; look less often, or begin later (graceEpochs)": (
        "how often each rule looks is a function of its own"
    ),
    "the log of {trials} trials may take {size} KiB ({each} bytes a trial), but there is room for {room} KiB, about "
    "{most} trials; fewer parameters, folds or looks of the pruning make more fit": _COSTLY,
}
"""The operator refuses these, with a Failed condition, before anything starts."""
