"""How long the log of a search, and the reports in the result document of a pack, may become: so a search that does not
fit is refused, and a pack has as many trials as fit. Imports the api and the search only."""

from steelyard.api.tuning import Parameter
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.stages import RESULT_LIMIT_BYTES
from steelyard.contract.step_values import most_characters
from steelyard.contract.trial_report import is_mean_of
from steelyard.search.budget import budget_of, most_looks
from steelyard.search.log import MOST_REASON_BYTES
from steelyard.search.values import count_of

LOG_LIMIT_BYTES = 256 * 1024
"""What the log may take of a TuningJob's status: 262 bytes a trial for 1,000 trials."""

MOST_TRIALS_OF_A_PACK = 40

REPORTS_LIMIT_BYTES = RESULT_LIMIT_BYTES - 600
"""What the reports may take of a pack's result document."""


def trials_of_a_pack(spec: TuningJobSpec) -> int:
    """How many trials of a search a pack may have."""
    return max(1, min(MOST_TRIALS_OF_A_PACK, (REPORTS_LIMIT_BYTES - len("[]")) // report_bytes_at_most(spec)))


def report_bytes_at_most(spec: TuningJobSpec) -> int:
    """How long the report of a trial may be in a pack's result document, but for a failure's reason."""
    has_epochs = spec.template.capabilities.has_epochs
    folds = 0 if spec.template.evaluation.cross_validation is None else budget_of(spec)
    looks = most_looks(spec) if has_epochs else folds
    fields = [
        len(str(spec.max_trials)),
        len('"C"'),
        len("null") if folds and is_mean_of(folds) else _MOST_DIGITS + (0 if folds else _ERROR),
        len('""') + most_characters(looks, budget_of(spec), single=has_epochs),
        len("100000.25"),
    ]
    if spec.objective.secondary or has_epochs:
        fields.append(_MOST_DIGITS if spec.objective.secondary else len("null"))
    if has_epochs:
        fields.append(len(str(budget_of(spec))))
    return len("[],") + sum(fields) + len(fields) - 1


def entry_bytes_at_most(spec: TuningJobSpec) -> int:
    """How long an entry of this search may be in the status, where it is a text in JSON; but for a failure's reason."""
    is_network = spec.template.evaluation.cross_validation is None
    looks = most_looks(spec) if is_network else budget_of(spec)
    number = len(str(spec.max_trials))
    steps = most_characters(looks, budget_of(spec), single=is_network)
    fields = [
        number,
        len('\\"C\\"'),
        1 + sum(_digits_at_most(parameter) + 1 for parameter in spec.parameters),
        _MOST_DIGITS + (_ERROR if is_network else 0),
        steps + len('\\"\\"'),
        _MOST_DIGITS if spec.objective.secondary else len("null"),
        len(str(budget_of(spec))) if is_network else len("null"),
        len("100000.25"),
    ]
    if spec.asynchronous:  # The answers seen are all but those of the trials that ran: so many gaps, at most.
        fields += [len('\\"\\"'), 1 + (spec.parallel_trials + 1) * 2 * (number + 1)]
    return len('"[]",') + sum(fields) + len(fields) - 1


def log_bytes_at_most(spec: TuningJobSpec) -> int:
    """How long the whole log of a search may become in the status."""
    # As many as are allowed, and then all that were asked together.
    may_be_packed = spec.is_packable and spec.placement != "Pods"
    at_once = max(spec.parallel_trials, MOST_TRIALS_OF_A_PACK if may_be_packed else 0)
    failures = min(spec.max_trials, spec.max_failed_trials + at_once)
    return spec.max_trials * entry_bytes_at_most(spec) + failures * MOST_REASON_BYTES


_ERROR = len("[,1.2e-05]")
"""Of a standard error beside a value."""
_MOST_DIGITS = len("-1.2345678901234567e-05")
"""Of a float in full."""


def _digits_at_most(parameter: Parameter) -> int:
    if parameter.type == "Categorical":
        return max(len("null"), len(str(len(parameter.values or []))))
    assert parameter.min is not None and parameter.max is not None
    if parameter.type == "Int":
        return max(len("null"), len(str(int(parameter.min))), len(str(int(parameter.max))))
    if parameter.step is not None:
        return max(len("null"), len(str(count_of(parameter))))
    return _MOST_DIGITS - (parameter.min >= 0)
