"""What a trial answers, and the log of a search: one entry for each question, in at most a few hundred bytes. Imports
the api only.

The log, and the trials that run, are all there is to a search: whoever has them asks the same next question.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from steelyard.api.search import Parameter, same_value
from steelyard.api.trial import Goal
from steelyard.api.tuning_job import TuningJobSpec

Values: TypeAlias = dict[str, Any]
"""A question: the value of each parameter that exists, by its path."""

State: TypeAlias = Literal["Complete", "Pruned", "Failed", "Repeated"]

_LETTERS: dict[State, str] = {"Complete": "C", "Pruned": "P", "Failed": "F", "Repeated": "R"}
_STATES: dict[str, State] = {letter: state for state, letter in _LETTERS.items()}


@dataclass(frozen=True)
class TrialReport:
    """What a trial leaves in its result's summary, under "trial"; a pack leaves a list of them, under "trials"."""

    number: int
    state: State
    value: float | None = None
    """The objective: that of the step at which it ended, where it was pruned; None where it failed."""
    steps: tuple[tuple[int, float], ...] = ()
    """(step, value) of the epochs that were to be reported, or of all folds, in order."""
    second: float | None = None
    """The second objective: bytes or microseconds."""
    epoch: int | None = None
    """The best epoch, where the model has epochs."""
    seconds: float = 0.0
    """How long it took."""
    reason: str = ""
    """Failed: why."""

    def to_json(self) -> list[Any]:
        """A short list, as a result document has little room."""
        steps = [number for step in self.steps for number in step]
        rest = [self.value, steps, self.second, self.epoch, round(self.seconds, 2), self.reason]
        return _trimmed([self.number, _LETTERS[self.state], *rest])

    @classmethod
    def from_json(cls, document: Any) -> "TrialReport":
        """Raises ValueError where the document is none of `to_json`'s."""
        try:
            number, letter, *given = document
            filled: list[Any] = [*given, *_DEFAULTS[len(given) : 6]]
            value, steps, second, epoch, seconds, reason = filled
            pairs = tuple(zip(steps[::2], steps[1::2], strict=True))
            return cls(int(number), _STATES[letter], value, pairs, second, epoch, float(seconds), str(reason))
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise ValueError(f"{document!r:.200} is no report of a trial: {error}") from None


@dataclass(frozen=True)
class Entry:
    """A question and its answer."""

    number: int
    """From 0."""
    values: Values
    state: State
    """Repeated: answered by an earlier trial of the same values, without one of its own."""
    value: float | None = None
    """The objective. Pruned: that of the last step; Failed: None."""
    steps: tuple[tuple[int, float], ...] = ()
    """(step, value) of epochs that a pruner looks at, or of folds, in order."""
    second: float | None = None
    """The second objective: bytes or microseconds."""
    epoch: int | None = None
    """The best epoch, where the model has epochs."""
    seconds: float = 0.0
    """How long the trial took."""
    reason: str = ""
    """Failed: why."""
    seen: tuple[int, ...] | None = None
    """The numbers of the answers that the question was asked with, where the search is asynchronous."""

    @classmethod
    def of(cls, report: TrialReport, values: Values, seen: tuple[int, ...] | None = None) -> "Entry":
        """What a trial answered to a question."""
        return cls(values=values, seen=seen, **vars(report))

    @property
    def is_answer(self) -> bool:
        """Whether it says how good its values are, to the end."""
        return self.state in ("Complete", "Repeated") and self.value is not None

    def encode(self, parameters: Sequence[Parameter]) -> str:
        """The entry in as few bytes as keep every bit of it: JSON, finite values by their index."""
        values = [_shorten(parameter, self.values) for parameter in parameters]
        seen = None if self.seen is None else _ranges(self.seen)
        steps = [number for step in self.steps for number in step]
        rest = [self.value, steps, self.second, self.epoch, round(self.seconds, 2), self.reason, seen]
        document = _trimmed([self.number, _LETTERS[self.state], values, *rest])
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def decode(cls, text: str, parameters: Sequence[Parameter]) -> "Entry":
        """Raises ValueError where the text is none of `encode`'s for these parameters."""
        try:
            number, letter, values, *given = json.loads(text)
            filled: list[Any] = [*given, *_DEFAULTS[len(given) :]]
            value, steps, second, epoch, seconds, reason, seen = filled
            return cls(
                number=number,
                values={
                    parameter.path: _lengthen(parameter, short)
                    for parameter, short in zip(parameters, values, strict=True)
                    if short != _ABSENT
                },
                state=_STATES[letter],
                value=value,
                steps=tuple(zip(steps[::2], steps[1::2], strict=True)),
                second=second,
                epoch=epoch,
                seconds=seconds,
                reason=reason,
                seen=None if seen is None else _numbers(seen),
            )
        except (TypeError, KeyError, IndexError, AttributeError, ValueError) as error:
            raise ValueError(f"{text!r:.200} is no entry of this search's log: {error}") from None


_DEFAULTS: list[Any] = [None, [], None, None, 0.0, "", None]
_ABSENT = "-"


def _trimmed(document: list[Any]) -> list[Any]:
    """Without what says nothing at the end."""
    while document[-1] is None or document[-1] in ("", [], 0.0):
        document.pop()
    return document


@dataclass(frozen=True)
class SearchDocument:
    """A search and its log, as it is handed to whoever publishes or shows it: search.json."""

    name: str
    spec: TuningJobSpec
    entries: tuple[Entry, ...]
    """By number."""
    ended: str = ""
    """Why no further question was asked."""

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
        """Raises ValueError or KeyError where the document is none of `to_json`'s."""
        spec = TuningJobSpec.model_validate(document["spec"])
        entries = tuple(Entry.decode(line, spec.parameters) for line in document["log"])
        return cls(document["name"], spec, entries, document["ended"])


def is_better(one: float, other: float, goal: Goal) -> bool:
    """Whether a value is strictly better than another."""
    return one > other if goal == "Maximize" else one < other


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
    first. The second objective is always to be small."""
    sign = -1.0 if goal == "Maximize" else 1.0
    answers = [entry for entry in entries if entry.is_answer and entry.second is not None]
    answers.sort(key=lambda entry: (sign * (entry.value or 0.0), entry.second, entry.number))
    front: list[Entry] = []
    for entry in answers:
        if not front or (entry.second or 0.0) < (front[-1].second or 0.0):
            front.append(entry)
    return front


def _shorten(parameter: Parameter, values: Values) -> Any:
    """The index of a value among finitely many, or the value; _ABSENT where the parameter does not exist."""
    if parameter.path not in values:
        return _ABSENT
    value = values[parameter.path]
    choices = parameter.choices
    if choices is None:
        return value
    return next(index for index, choice in enumerate(choices) if same_value(choice, value))


def _lengthen(parameter: Parameter, short: Any) -> Any:
    choices = parameter.choices
    return short if choices is None else choices[short]


def _ranges(numbers: Sequence[int]) -> list[int]:
    """Ascending numbers as first, length, first, length ..."""
    runs: list[int] = []
    for number in sorted(numbers):
        if runs and runs[-2] + runs[-1] == number:
            runs[-1] += 1
        else:
            runs += [number, 1]
    return runs


def _numbers(runs: Sequence[int]) -> tuple[int, ...]:
    pairs = zip(runs[::2], runs[1::2], strict=True)
    return tuple(number for first, count in pairs for number in range(first, first + count))
