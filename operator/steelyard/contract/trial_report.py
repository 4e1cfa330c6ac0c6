"""What a trial reports in its result, in few bytes. Imports the contract only."""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from steelyard.contract.log_values import number_of_trial, number_or_none, whole
from steelyard.contract.log_values import seconds as seconds_of
from steelyard.contract.log_values import text as text_of
from steelyard.contract.step_values import Steps, pack, unpack

State: TypeAlias = Literal["Complete", "Pruned", "Failed", "Repeated"]

LETTERS: dict[State, str] = {"Complete": "C", "Pruned": "P", "Failed": "F", "Repeated": "R"}
STATES: dict[str, State] = {letter: state for state, letter in LETTERS.items()}
DEFAULTS: list[Any] = [None, "", 0.0, None, None, "", None]
"""Of value, steps, seconds, secondary objective, epoch, reason and seen: what is left out at the end of a list."""


@dataclass(frozen=True)
class TrialReport:
    """What a trial leaves in its result's summary, under "trial"; a pack leaves a list of them, under "trials"."""

    number: int
    state: State
    value: float | None = None
    """The objective: that of the step at which it ended, where it was pruned; None where it failed."""
    steps: Steps = ()
    """(step, value) of the epochs that were to be reported, or of all folds, in order."""
    secondary: float | None = None
    """The secondary objective: bytes or microseconds."""
    epoch: int | None = None
    """The best epoch, where the model has epochs."""
    seconds: float = 0.0
    """How long it took."""
    reason: str = ""
    """Failed: why."""
    standard_error: float | None = None
    """Of the objective on the validation set, as `short_error` has it; None where it was not told, as after pruning;
    of folds it is that of their mean, and not told."""

    def to_json(self) -> list[Any]:
        """A short list, as a result document has little room; without the value where it is the mean of the steps."""
        value = None if self.value == _mean(self.steps) else with_error(self.value, self.standard_error)
        rest = [value, pack(self.steps), round(self.seconds, 2), self.secondary, self.epoch, self.reason]
        return [self.number, LETTERS[self.state], *trimmed(rest)]

    @classmethod
    def from_json(cls, document: Any) -> "TrialReport":
        """Reads what `to_json` writes; the steps may be a plain list of step, value, step, value ..., too.

        Raises ValueError where the document is no such list.
        """
        try:
            number, letter, *given = document
            filled: list[Any] = [*given, *DEFAULTS[len(given) : 6]]
            filled[0], error = without_error(filled[0])
            value, packed, seconds, secondary, epoch, reason = filled
            steps, state = unpack(packed), STATES[letter]
            return cls(
                number=number_of_trial(number),
                state=state,
                value=_mean(steps) if value is None and state != "Failed" else number_or_none(value),
                steps=steps,
                secondary=number_or_none(secondary),
                epoch=None if epoch is None else whole(epoch),
                seconds=seconds_of(seconds),
                reason=text_of(reason),
                standard_error=number_or_none(error),
            )
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as problem:
            raise ValueError(f"{document!r:.200} is no report of a trial: {problem}") from None


def short_error(error: float) -> float | None:
    """A standard error as reports and logs have room for it: two digits; None where it is no number."""
    return float(f"{error:.2g}") if math.isfinite(error) else None


def with_error(value: float | None, error: float | None) -> Any:
    """The value, with its error where there is one."""
    return value if error is None else [value, error]


def without_error(given: Any) -> tuple[Any, Any]:
    """The value and its error, where there is one: a log of an older version has none."""
    if not isinstance(given, list):
        return given, None
    value, error = given
    return value, error


def trimmed(rest: list[Any]) -> list[Any]:
    """Without what says nothing at the end."""
    while rest and rest[-1] == DEFAULTS[len(rest) - 1]:
        rest.pop()
    return rest


def is_mean_of(folds: int) -> bool:
    """Whether `TrialReport.to_json` leaves out the mean of so many folds. The mean is NumPy's, as scikit-learn's is: it
    adds up to 7 numbers one by one, more of them in another order."""
    return folds <= 7


def _mean(steps: Steps) -> float | None:
    """The mean of the values, added one by one, which sum() does not do in every version of Python."""
    if not steps:
        return None
    total = 0.0
    for _, value in steps:
        total += value
    return total / len(steps)
