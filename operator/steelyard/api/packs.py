"""How many trials one process may work off in one go, so that its result document tells of all of them. Imports the api
only."""

from steelyard.api.contract import RESULT_LIMIT_BYTES
from steelyard.api.search_log import MOST_DIGITS, is_mean_of
from steelyard.api.search_steps import budget_of
from steelyard.api.step_values import most_characters
from steelyard.api.tuning_job import TuningJobSpec

MOST_TRIALS_OF_A_PACK = 40

REPORTS_LIMIT_BYTES = RESULT_LIMIT_BYTES - 600
"""What the reports may take of a pack's result document."""


def trials_of_a_pack(spec: TuningJobSpec) -> int:
    """How many trials of a search a pack may have."""
    return max(1, min(MOST_TRIALS_OF_A_PACK, (REPORTS_LIMIT_BYTES - len("[]")) // report_bytes_at_most(spec)))


def report_bytes_at_most(spec: TuningJobSpec) -> int:
    """How long the report of a trial of a scikit-learn model may be in a result document, but for a failure's
    reason."""
    folds = 0 if spec.template.evaluation.cross_validation is None else budget_of(spec)
    fields = [
        len(str(spec.max_trials)),
        len('"C"'),
        len("null") if folds and is_mean_of(folds) else MOST_DIGITS,
        len('""') + most_characters(folds, folds, single=False),
        len("100000.25"),
    ]
    if spec.objective.second:
        fields.append(MOST_DIGITS)
    return len("[],") + sum(fields) + len(fields) - 1
