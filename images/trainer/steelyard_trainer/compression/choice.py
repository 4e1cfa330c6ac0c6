"""Which candidate is published. Pure; imports steelyard.api, the metrics and the proof.

The choice is made on the validation set; the test set has no say in it.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from steelyard.api.compression import BASELINE, CompressionObjective
from steelyard.api.losses import allowed, share_of
from steelyard.api.metrics import Measure
from steelyard.texts.figures import duration
from steelyard_trainer.compression.cost import Cost, Made
from steelyard_trainer.compression.plan import Searched
from steelyard_trainer.compression.proving import ROUNDING, Proof
from steelyard_trainer.evaluation.metrics import Figure, Figures

_MOST_TIMES_SLOWER = 10
"""Balanced: what is slower than this many times the fastest is not chosen."""


@dataclass(frozen=True)
class Measured:
    """A candidate as it was measured on the validation set, by the code that predicts with the published model."""

    name: str
    bytes: int
    """Of the file that is published; 0 where there is none."""
    latency_microseconds: float
    """Median of one row; 0 where it was not measured."""
    figures: Figures | None
    """None where an output was not a finite number."""
    failure: str = ""
    """Why it could not be made; it has no figures then."""
    cost: Cost | None = None
    """What else it costs; None where that was not measured."""
    made: Made | None = None
    """What it took to make it; None where that was not told."""

    @classmethod
    def failed(cls, name: str, failure: str) -> "Measured":
        """A candidate that could not be made."""
        return cls(name, 0, 0.0, None, failure)

    def to_json(self) -> dict[str, Any]:
        """JSON values from which `from_json` makes an equal object."""
        figures = None if self.figures is None else {name: figure.to_json() for name, figure in self.figures.items()}
        cost = {"bytes": self.bytes, "latencyMicroseconds": self.latency_microseconds, "validation": figures}
        if self.failure:
            return {"name": self.name, **dict.fromkeys(cost), "failure": self.failure}
        told = {"cost": self.cost and self.cost.to_json(), "made": self.made and asdict(self.made)}
        return {"name": self.name, **cost, **{name: each for name, each in told.items() if each}}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Measured":
        """Raises KeyError or TypeError where the document is not one of `to_json`."""
        if failure := document.get("failure"):
            return cls.failed(document["name"], failure)
        figures = document["validation"]
        return cls(
            document["name"],
            document["bytes"],
            document["latencyMicroseconds"],
            None if figures is None else {name: Figure.from_json(figure) for name, figure in figures.items()},
            cost=Cost.from_json(document["cost"]) if "cost" in document else None,
            made=Made(**document["made"]) if "made" in document else None,
        )


@dataclass(frozen=True)
class Weighed:
    """A candidate against the baseline and the budget."""

    measured: Measured
    drop: float | None
    """How much of the primary metric it loses against the baseline, or gains where less is better; of a metric in the
    target's unit as a share. None where it can't be told."""
    is_within_budget: bool
    verdict: str
    """Why it was chosen or not."""
    drop_at_most: float | None = None
    """The upper bound of the drop, where one was asked for."""
    is_proved: bool | None = None
    """Whether the bound is within the budget, and the candidate's turn came; None where nothing was to be proved."""


@dataclass(frozen=True)
class Choice:
    """The candidate that is published, and why."""

    chosen: Weighed
    why: str
    weighed: tuple[Weighed, ...]
    confidence: float | None = None
    """That of the bounds; None where two numbers were compared."""
    proof: str = ""
    """What is proved of a compressed model that is published, or why nothing is: a sentence that says which."""
    searched: Searched | None = None
    """How the candidates were found, where a search did."""

    @property
    def baseline(self) -> Measured:
        """The model without compression."""
        return next(each.measured for each in self.weighed if each.measured.name == BASELINE)

    def best(self, most: int, objective: CompressionObjective) -> list[Weighed]:
        """So many candidates, in their order: the chosen one, the baseline, then those within the budget before the
        others, and what is better by the objective before what is worse."""

        def rank(weighed: Weighed) -> tuple[bool, bool, bool, float]:
            found = weighed.measured
            named = found.name in (self.chosen.measured.name, BASELINE)
            return not named, not weighed.is_within_budget, bool(found.failure), _cost(found, objective)

        names = [each.measured.name for each in sorted(self.weighed, key=rank)[:most]]
        return [each for each in self.weighed if each.measured.name in names]

    def of_refitted(self) -> "Choice":
        """The same for a model that was trained anew on more rows, of which nothing was proved."""
        proof = f"{self.proof}; of the model that it was chosen with, not of the refitted one" if self.proof else ""
        return replace(self, chosen=replace(self.chosen, is_proved=None), proof=proof)


def choose(
    measured: list[Measured],
    primary: Measure,
    max_drop: float,
    objective: CompressionObjective,
    baseline_name: str = "float32",
    proof: Proof | None = None,
    lost_on_search_rows: Mapping[str, float] = MappingProxyType({}),
) -> Choice:
    """The best candidate within the budget.

    Args:
        measured: the candidates; the baseline is among them, with finite figures. Their order breaks ties.
        primary: the metric that may drop, or grow where less of it is better.
        max_drop: the most that it may do so by: absolute, of a metric in the target's unit as a share of the
            baseline's.
        objective: Size: the fewest bytes; Latency: the least time for one row; Balanced: the fewest bytes of those that
            take at most 10 times the least time.
        baseline_name: what the baseline is called: float32, or skops.
        proof: what the rows say of each candidate; None: two numbers are compared, and nothing is proved.
        lost_on_search_rows: what trained candidates lose there, of those that lose more than the budget: where two
            numbers are compared they are rejected, as the validation set is not to tell by chance what they failed.
    """
    baseline = next(candidate for candidate in measured if candidate.name == BASELINE)
    drops = {candidate.name: _drop(candidate, baseline, primary) for candidate in measured}
    rejections = _rejections(measured, drops, primary, max_drop, proof, lost_on_search_rows)
    proves = proof is not None and proof.is_conclusive(max_drop)
    within = [candidate for candidate in measured if not rejections[candidate.name]]
    # Of equals the baseline first: it is the plainest.
    fastest = min(within, key=lambda c: (c.latency_microseconds, c.name != BASELINE, measured.index(c)))
    best = min(
        within,
        key=lambda c: (_is_slow(c, fastest, objective), _cost(c, objective), c.name != BASELINE, measured.index(c)),
    )
    weighed: list[Weighed] = []
    for candidate in measured:
        if rejections[candidate.name]:
            verdict = rejections[candidate.name]
        elif candidate is best:
            verdict = "chosen: the only candidate"
            if len(measured) > 1:
                verdict = f"chosen: {_superlative(objective)} within the budget"
        elif _is_slow(candidate, fastest, objective):
            name = baseline_name if fastest is baseline else fastest.name
            verdict = (
                f"within the budget, but {candidate.latency_microseconds:.2f} microseconds is more than "
                f"{_MOST_TIMES_SLOWER} times {name}'s {fastest.latency_microseconds:.2f}"
            )
        else:
            cost, least = _cost(candidate, objective), _cost(best, objective)
            relation = "no better than" if cost == least else "more than"
            name = baseline_name if best is baseline else best.name
            verdict = f"within the budget, but {_shown(cost, objective)} is {relation} {name}'s"
        if not candidate.failure and candidate.bytes > baseline.bytes:
            verdict += f"; its file is {candidate.bytes / baseline.bytes:.1f} times as large as {baseline_name}'s"
        told = proof.tested.get(candidate.name) if proof else None
        weighed.append(
            Weighed(
                candidate,
                drops[candidate.name],
                candidate in within,
                verdict,
                told.validation.upper if told and math.isfinite(told.validation.upper) else None,
                None if told is None else candidate in within and proves,
            )
        )
    chosen = next(candidate for candidate in weighed if candidate.measured is best)
    other_end = _other_end(best, fastest, within, baseline_name)
    confidence = proof.confidence if proof else None
    if best is baseline:
        why = _why_baseline(baseline_name, within, measured, primary, max_drop, objective, proof)
        return Choice(chosen, why + other_end, tuple(weighed), confidence)
    whose = f"whose {primary.name} {_worsens(primary)} by at most {_budget(primary, max_drop)} on the validation set"
    if proves:
        whose = f"that are proved to lose at most {allowed(primary, max_drop)} of {primary.name}"
    why = f"{best.name}, because it has {_superlative(objective)} of the {len(within)} candidates {whose}"
    said = ""
    if proof is not None:
        said = f"proved: {proof.told(best.name, primary)}"
        if not proves:
            said = f"not {said}; {proof.too_few(max_drop)}"
    return Choice(chosen, "; ".join(filter(None, [why + other_end, said])), tuple(weighed), confidence, said)


def _rejections(
    measured: list[Measured],
    drops: dict[str, float | None],
    primary: Measure,
    max_drop: float,
    proof: Proof | None,
    lost_on_search_rows: Mapping[str, float],
) -> dict[str, str]:
    """Why each candidate is not within the budget; an empty text where it is."""
    proves = proof is not None and proof.is_conclusive(max_drop)
    standings = proof.standings(max_drop) if proof and proves else {}
    failed = next((name for name, standing in standings.items() if standing == "Failed"), "")
    rejections = {}
    for candidate in measured:
        name, drop, why = candidate.name, drops[candidate.name], ""
        if candidate.failure:
            why = candidate.failure
        elif drop is None or (name != BASELINE and proof and name not in proof.tested):
            why = "its outputs are not finite numbers"
        elif name == BASELINE:
            pass
        elif proof and proves:
            if standings[name] == "Failed":
                why = proof.why_failed(name, primary, max_drop)
            elif standings[name] == "Untested":
                rejections[name] = f"not tested: {failed} was safer on the search rows, and could not be proved"
                continue
        elif proof and proof.on_too_few_rows == "Baseline":
            why = f"nothing can be proved: {proof.too_few(max_drop)}"
        elif drop > max_drop + ROUNDING:
            why = _lost(primary, drop, "validation set", max_drop)
        elif name in lost_on_search_rows:
            why = _lost(primary, lost_on_search_rows[name], "search rows", max_drop)
        rejections[name] = f"rejected: {why}" if why else ""
    return rejections


def _lost(primary: Measure, drop: float, where: str, max_drop: float) -> str:
    budget = _budget(primary, max_drop)
    return f"{primary.name} {_worsens(primary)} by {drop:.6g} on the {where}, more than the {budget} that are allowed"


def _why_baseline(
    name: str,
    within: list[Measured],
    measured: list[Measured],
    primary: Measure,
    max_drop: float,
    objective: CompressionObjective,
    proof: Proof | None,
) -> str:
    if len(measured) == 1:
        return f"the {name} model, because the manifest asks for no compression"
    if len(within) > 1:
        return f"the {name} model, because no compressed candidate within the budget has {_comparative(objective)}"
    if proof is not None and not proof.is_conclusive(max_drop) and proof.on_too_few_rows == "Baseline":
        return f"the {name} model, because nothing can be proved: {proof.too_few(max_drop)}"
    if all(candidate.failure for candidate in measured if candidate.name != BASELINE):
        return f"the {name} model, because no compressed candidate could be made"
    if proof is None or not proof.is_conclusive(max_drop):
        return f"the {name} model, because no compressed candidate keeps {primary.name} within {max_drop:g} of it"
    return (
        f"the {name} model, because no compressed candidate is proved to lose at most {allowed(primary, max_drop)} of "
        f"{primary.name} with {share_of(proof.confidence)}"
    )


def _is_slow(candidate: Measured, fastest: Measured, objective: CompressionObjective) -> bool:
    """Whether it takes too long to be the best of a balanced choice."""
    most = _MOST_TIMES_SLOWER * fastest.latency_microseconds
    return objective == "Balanced" and candidate.latency_microseconds > most


def _other_end(best: Measured, fastest: Measured, within: list[Measured], baseline_name: str) -> str:
    """What the fastest, or else the smallest, would have cost; nothing where that was chosen."""
    smallest = min(within, key=lambda c: c.bytes)
    other, word = (
        (smallest, "smallest") if best.latency_microseconds == fastest.latency_microseconds else (fastest, "fastest")
    )
    is_better = other.bytes < best.bytes or other.latency_microseconds < best.latency_microseconds
    if not is_better or not best.latency_microseconds:
        return ""
    name = baseline_name if other.name == BASELINE else other.name
    return (
        f"; it takes {duration(best.latency_microseconds)} for one row; the {word} within the budget is {name}: "
        f"{other.bytes:,} bytes, {duration(other.latency_microseconds)}"
    )


def _drop(candidate: Measured, baseline: Measured, primary: Measure) -> float | None:
    if candidate.figures is None or baseline.figures is None:
        return None
    return primary.loss(candidate.figures[primary.name].value, baseline.figures[primary.name].value)


def _worsens(primary: Measure) -> str:
    return "drops" if primary.info.goal == "Maximize" else "grows"


def _budget(primary: Measure, max_drop: float) -> str:
    return f"{max_drop:g} of it" if primary.info.is_in_target_unit else f"{max_drop:g}"


def _cost(candidate: Measured, objective: CompressionObjective) -> float:
    return candidate.latency_microseconds if objective == "Latency" else candidate.bytes


def _shown(cost: float, objective: CompressionObjective) -> str:
    return f"{cost:.2f} microseconds" if objective == "Latency" else f"{cost:,.0f} bytes"


def _superlative(objective: CompressionObjective) -> str:
    if objective == "Balanced":
        return f"the fewest bytes at no more than {_MOST_TIMES_SLOWER} times the least latency"
    return "the least latency" if objective == "Latency" else "the fewest bytes"


def _comparative(objective: CompressionObjective) -> str:
    return "less latency" if objective == "Latency" else "fewer bytes"
