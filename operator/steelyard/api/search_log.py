"""What a trial answers, and the log of a search: one entry for each trial, in at most a few hundred bytes. Imports
the api only.

The log, and the trials that run, are all there is to a search: whoever has them creates the same next trial.
"""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from steelyard.api.log_values import finite, number_of_trial, number_or_none, numbers_of, runs_of, whole
from steelyard.api.log_values import seconds as seconds_of
from steelyard.api.log_values import text as text_of
from steelyard.api.metrics import Goal
from steelyard.api.search import Parameter
from steelyard.api.search_space import index_of, value_at
from steelyard.api.step_values import Steps, pack, unpack
from steelyard.api.training_job import TrainingJobSpec
from steelyard.api.tuning_job import TuningJobSpec

Values: TypeAlias = dict[str, Any]
"""A trial's values: the value of each parameter that exists, by its path."""

State: TypeAlias = Literal["Complete", "Pruned", "Failed", "Repeated"]

_LETTERS: dict[State, str] = {"Complete": "C", "Pruned": "P", "Failed": "F", "Repeated": "R"}
_STATES: dict[str, State] = {letter: state for state, letter in _LETTERS.items()}

MOST_REASON_BYTES = 120
"""What the reason of a failure may take in the status."""


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
    """Of the objective on the validation part, as `short_error` has it; None where it was not told, as after pruning;
    of folds it is that of their mean, and not told."""

    def to_json(self) -> list[Any]:
        """A short list, as a result document has little room; without the value where it is the mean of the steps."""
        value = None if self.value == _mean(self.steps) else _with_error(self.value, self.standard_error)
        rest = [value, pack(self.steps), round(self.seconds, 2), self.secondary, self.epoch, self.reason]
        return [self.number, _LETTERS[self.state], *_trimmed(rest)]

    @classmethod
    def from_json(cls, document: Any) -> "TrialReport":
        """Reads what `to_json` writes; the steps may be a plain list of step, value, step, value ..., too.

        Raises ValueError where the document is no such list.
        """
        try:
            number, letter, *given = document
            filled: list[Any] = [*given, *_DEFAULTS[len(given) : 6]]
            filled[0], error = _without_error(filled[0])
            value, packed, seconds, secondary, epoch, reason = filled
            steps, state = unpack(packed), _STATES[letter]
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


@dataclass(frozen=True)
class Entry:
    """A trial's values and its answer."""

    number: int
    """From 0."""
    values: Values
    state: State
    """Repeated: answered by an earlier trial of the same values, without one of its own."""
    value: float | None = None
    """The objective. Pruned: that of the last step; Failed: None."""
    steps: Steps = ()
    """(step, value) of epochs that a pruner looks at, or of folds, in order."""
    secondary: float | None = None
    """The secondary objective: bytes or microseconds."""
    epoch: int | None = None
    """The best epoch, where the model has epochs."""
    seconds: float = 0.0
    """How long the trial took."""
    reason: str = ""
    """Failed: why."""
    standard_error: float | None = None
    """Of the objective, as in the trial's report."""
    seen: tuple[int, ...] | None = None
    """The numbers of the answers that the trial was created with, where the search is asynchronous."""

    @classmethod
    def of(cls, report: TrialReport, values: Values, seen: tuple[int, ...] | None = None) -> "Entry":
        """What a trial answered, as the log keeps it."""
        kept = {**vars(report), "seconds": round(report.seconds, 2), "reason": _shortened(report.reason)}
        return cls(values=values, seen=seen, **kept)

    @property
    def is_answer(self) -> bool:
        """Whether it says how good its values are, to the end."""
        return self.state in ("Complete", "Repeated") and self.value is not None and math.isfinite(self.value)

    @property
    def has_cost(self) -> bool:
        """Whether it says how large or how fast its model is."""
        return self.secondary is not None and math.isfinite(self.secondary)

    def encode(self, parameters: Sequence[Parameter]) -> str:
        """The entry in as few bytes as keep every bit of it: JSON, values out of finitely many by their index.

        Raises ValueError where a value is none that its parameter may take.
        """
        values = [_shorten(parameter, self.values) for parameter in parameters]
        seen = None if self.seen is None else runs_of(self.seen)
        value = _with_error(self.value, self.standard_error)
        rest = [value, pack(self.steps), round(self.seconds, 2), self.secondary, self.epoch, self.reason, seen]
        document = [self.number, _LETTERS[self.state], values, *_trimmed(rest)]
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def decode(cls, text: str, parameters: Sequence[Parameter]) -> "Entry":
        """Raises ValueError where the text is none of `encode`'s for these parameters."""
        try:
            number, letter, values, *given = json.loads(text)
            filled: list[Any] = [*given, *_DEFAULTS[len(given) :]]
            filled[0], standard_error = _without_error(filled[0])
            value, steps, seconds, secondary, epoch, reason, seen = filled
            return cls(
                number=number_of_trial(number),
                values={
                    parameter.path: _lengthen(parameter, short)
                    for parameter, short in zip(parameters, values, strict=True)
                    if short is not None
                },
                state=_STATES[letter],
                value=number_or_none(value),
                steps=unpack(steps),
                secondary=number_or_none(secondary),
                epoch=None if epoch is None else whole(epoch),
                seconds=seconds_of(seconds),
                reason=text_of(reason),
                standard_error=number_or_none(standard_error),
                seen=None if seen is None else numbers_of(seen),
            )
        except (TypeError, KeyError, IndexError, AttributeError, ValueError, OverflowError, RecursionError) as error:
            raise no_entry(text, str(error)) from None


def no_entry(text: Any, why: str) -> ValueError:
    """What is to be said of a line that a log can't have."""
    return ValueError(f"{text!r:.200} is no entry of this search's log: {why}")


_DEFAULTS: list[Any] = [None, "", 0.0, None, None, "", None]


def short_error(error: float) -> float | None:
    """A standard error as reports and logs have room for it: two digits; None where it is no number."""
    return float(f"{error:.2g}") if math.isfinite(error) else None


def _with_error(value: float | None, error: float | None) -> Any:
    return value if error is None else [value, error]


def _without_error(given: Any) -> tuple[Any, Any]:
    """The value and its error, where there is one: a log of an older version has none."""
    if not isinstance(given, list):
        return given, None
    value, error = given
    return value, error


def _trimmed(rest: list[Any]) -> list[Any]:
    """Without what says nothing at the end."""
    while rest and rest[-1] == _DEFAULTS[len(rest) - 1]:
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


def _shortened(text: str) -> str:
    """As much of a text as takes at most MOST_REASON_BYTES bytes in the status."""
    text = text.encode(errors="replace").decode()
    if _bytes_in_status(text) <= MOST_REASON_BYTES:
        return text
    kept = text[:MOST_REASON_BYTES]
    while _bytes_in_status(kept + "…") > MOST_REASON_BYTES:
        kept = kept[:-1]
    return kept + "…"


def _bytes_in_status(text: str) -> int:
    """Of a text in an entry, which is JSON and a text in JSON: a quotation mark takes four bytes there."""
    quoted = json.dumps(json.dumps(text, ensure_ascii=False), ensure_ascii=False)
    return len(quoted.encode()) - len(r'"\"\""')


@dataclass(frozen=True)
class SearchDocument:
    """A search and its log, as it is handed to whoever publishes or shows it: search.json."""

    name: str
    spec: TuningJobSpec
    entries: tuple[Entry, ...]
    """By number."""
    ended: str = ""
    """Why no further trial was created."""

    @property
    def measured_on(self) -> str:
        """What a trial's value is of."""
        folds = self.spec.template.evaluation.cross_validation
        return "the validation part" if folds is None else f"the mean of {folds.folds} folds"

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "name": self.name,
            "spec": self.spec.model_dump(mode="json", by_alias=True, exclude_unset=True),
            "log": [entry.encode(self.spec.parameters) for entry in self.entries],
            "ended": self.ended,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "SearchDocument":
        """Raises ValueError, KeyError or TypeError where the document is none of `to_json`'s."""
        spec = TuningJobSpec.model_validate(document["spec"])
        entries: dict[int, Entry] = {}
        for line in document["log"]:
            entry = Entry.decode(line, spec.parameters)
            if entry.number in entries:
                raise no_entry(line, f"trial {entry.number} is given twice")
            entries[entry.number] = entry
        return cls(text_of(document["name"]), spec, tuple(entries.values()), text_of(document["ended"]))


def error_of(entry: Entry) -> float | None:
    """The standard error of an answer: as the trial told it, or, of folds, that of their mean."""
    if entry.standard_error is not None or len(entry.steps) < 2 or entry.epoch is not None:
        return entry.standard_error
    return statistics.stdev(value for _, value in entry.steps) / math.sqrt(len(entry.steps))


def within_error_of(best: Entry, entries: Sequence[Entry], goal: Goal) -> list[Entry]:
    """The other answers that are no more than one standard error worse than the best one; none where it has no
    error."""
    error = error_of(best)
    if error is None or best.value is None:
        return []
    bound = best.value - error if goal == "Maximize" else best.value + error
    return [
        entry
        for entry in entries
        if entry.is_answer and entry.number != best.number and not is_better(bound, entry.value or 0.0, goal)
    ]


def is_better(one: float, other: float, goal: Goal) -> bool:
    """Whether a value is strictly better than another."""
    return one > other if goal == "Maximize" else one < other


def leaves_model(spec: TrainingJobSpec, summary: Mapping[str, Any]) -> bool:
    """Whether a training leaves a model: each does but a trial on folds, which has many, and one that can't become the
    best, whose model would only fill the storage.

    Args:
        spec: the job's.
        summary: that of the training's result; of a trial with its report.
    """
    trial = spec.trial
    if trial is None:
        return True
    if spec.evaluation.cross_validation is not None:
        return False
    report = TrialReport.from_json(summary.get("trial"))
    if report.state != "Complete" or report.value is None:
        return False
    return trial.to_beat is None or is_better(report.value, trial.to_beat, trial.goal)


def best_of(entries: Sequence[Entry], goal: Goal) -> Entry | None:
    """The best answer, of several equal ones that with the lowest number; None where there is no answer."""
    best: Entry | None = None
    for entry in sorted(entries, key=lambda entry: entry.number):
        if entry.is_answer and entry.value is not None:
            assert best is None or best.value is not None
            if best is None or (best.value is not None and is_better(entry.value, best.value, goal)):
                best = entry
    return best


def front_of(entries: Sequence[Entry], goal: Goal) -> list[Entry]:
    """The answers that no other one beats in one objective without losing in the other, best first; of equal ones the
    first. The secondary objective is always to be small."""
    sign = -1.0 if goal == "Maximize" else 1.0
    answers = [entry for entry in entries if entry.is_answer and entry.has_cost]
    answers.sort(key=lambda entry: (sign * (entry.value or 0.0), entry.secondary, entry.number))
    front: list[Entry] = []
    for entry in answers:
        if not front or (entry.secondary or 0.0) < (front[-1].secondary or 0.0):
            front.append(entry)
    return front


def _shorten(parameter: Parameter, values: Values) -> Any:
    """A whole number of an Int as it is; else the index of a value among finitely many, or the value itself; None
    where the parameter does not exist."""
    if parameter.path not in values:
        return None
    value = values[parameter.path]
    if parameter.type == "Categorical":
        index = index_of(parameter, value)
        if index is None:
            raise ValueError(f"{value!r:.100} is none of the values of {parameter.path}")
        return index
    finite(value)
    if parameter.type == "Double" and parameter.step is not None:
        index = index_of(parameter, value)
        # A value that a user wrote may differ from its step's in the last bit: 0.3 and 0.1 + 2 * 0.1.
        return float(value) if index is None or value_at(parameter, index) != value else index
    return value


def _lengthen(parameter: Parameter, short: Any) -> Any:
    if parameter.type == "Categorical":
        return value_at(parameter, whole(short))
    if finite(short) != round(short) and parameter.type == "Int":
        raise ValueError(f"{short!r} should be a whole number, as {parameter.path} is")
    if parameter.type == "Double" and parameter.step is not None and isinstance(short, int):
        return value_at(parameter, short)
    return short
