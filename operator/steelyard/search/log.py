"""The log of a search: one entry for each trial, in at most a few hundred bytes. Imports the api and the search only.

The log, and the trials that run, are all there is to a search: whoever has them creates the same next trial.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from steelyard.api.tuning import Parameter
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.log_values import finite, number_of_trial, number_or_none, numbers_of, runs_of, whole
from steelyard.contract.log_values import seconds as seconds_of
from steelyard.contract.log_values import text as text_of
from steelyard.contract.step_values import Steps, pack, unpack
from steelyard.contract.trial_report import (
    DEFAULTS,
    LETTERS,
    STATES,
    State,
    TrialReport,
    trimmed,
    with_error,
    without_error,
)
from steelyard.search.values import index_of, value_at

Values: TypeAlias = dict[str, Any]
"""A trial's values: the value of each parameter that exists, by its path."""

MOST_REASON_BYTES = 120
"""What the reason of a failure may take in the status."""


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
        value = with_error(self.value, self.standard_error)
        rest = [value, pack(self.steps), round(self.seconds, 2), self.secondary, self.epoch, self.reason, seen]
        document = [self.number, LETTERS[self.state], values, *trimmed(rest)]
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def decode(cls, text: str, parameters: Sequence[Parameter]) -> "Entry":
        """Raises ValueError where the text is none of `encode`'s for these parameters."""
        try:
            number, letter, values, *given = json.loads(text)
            filled: list[Any] = [*given, *DEFAULTS[len(given) :]]
            filled[0], standard_error = without_error(filled[0])
            value, steps, seconds, secondary, epoch, reason, seen = filled
            return cls(
                number=number_of_trial(number),
                values={
                    parameter.path: _lengthen(parameter, short)
                    for parameter, short in zip(parameters, values, strict=True)
                    if short is not None
                },
                state=STATES[letter],
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
        return "the validation set" if folds is None else f"the mean of {folds.folds} folds"

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
