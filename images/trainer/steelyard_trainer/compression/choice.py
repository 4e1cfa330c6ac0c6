"""Which candidate is published. Pure; imports steelyard.api, the metrics and the proof.

The choice is made on the validation set; the test set has no say in it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from steelyard.api.compression import BASELINE, CompressionObjective
from steelyard.api.losses import allowed, share_of
from steelyard.api.metrics import Measure
from steelyard_trainer.compression.limits import (
    ROUNDING,
    ClassDrops,
    Excess,
    Limits,
    nothing_within,
    told_of,
)
from steelyard_trainer.compression.measured import Measured as Measured
from steelyard_trainer.compression.pace import Pace, comparative, cost_by, is_slow, other_end
from steelyard_trainer.compression.plan import Searched
from steelyard_trainer.compression.proving import Bounds, Proof, worst_class

NO_LIMITS = Limits()


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
    worst_class: "ClassLoss | None" = None
    """The class that loses the most of its recall, where that has a budget."""
    is_over_limit: bool = False
    """Whether it costs more than anything may that is published."""


@dataclass(frozen=True)
class ClassLoss:
    """What a candidate loses of one class's recall, on the validation set."""

    label: str
    drop: float
    drop_at_most: float | None
    """The upper bound, where one was asked for, and the rows tell it."""


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
            return not named, not weighed.is_within_budget, bool(found.failure), cost_by(found, objective)

        names = [each.measured.name for each in sorted(self.weighed, key=rank)[:most]]
        return [each for each in self.weighed if each.measured.name in names]

    def of_refitted(self) -> "Choice":
        """The same for a model that was trained anew on more rows, of which nothing was proved."""
        proof = f"{self.proof}; of the model that it was chosen with, not of the refitted one" if self.proof else ""
        why = f"{self.why.removesuffix(f'; {self.proof}')}; {proof}" if proof else self.why
        return replace(self, chosen=replace(self.chosen, is_proved=None), why=why, proof=proof)


def choose(
    measured: list[Measured],
    primary: Measure,
    max_drop: float,
    objective: CompressionObjective,
    baseline_name: str = "float32",
    proof: Proof | None = None,
    lost_on_search_rows: Mapping[str, float] = MappingProxyType({}),
    limits: Limits = NO_LIMITS,
    class_drops: ClassDrops | None = None,
) -> Choice:
    """The best candidate within the budget.

    Args:
        measured: the candidates; the baseline is among them, with finite figures. Their order breaks ties.
        primary: the metric that may drop, or grow where less of it is better.
        max_drop: the most that it may do so by: absolute, of a metric in the target's unit as a share of the
            baseline's.
        objective: Size: the fewest bytes; Latency: the least time for one row, of those that are not significantly
            slower the fewest bytes; Balanced: the fewest bytes of those that take at most 10 times the least time.
        baseline_name: what the baseline is called: float32, or skops.
        proof: what the rows say of each candidate; None: two numbers are compared, and nothing is proved.
        lost_on_search_rows: what trained candidates lose there, of those that lose more than the budget: where two
            numbers are compared they are rejected, as the validation set is not to tell by chance what they failed.
        limits: what nothing that is published may be over.
        class_drops: what classes lose, where that has a budget.

    Raises:
        SteelyardError: the baseline is over a limit, and no candidate is within (reason GateFailed).
    """
    baseline = next(candidate for candidate in measured if candidate.name == BASELINE)
    drops = {candidate.name: _drop(candidate, baseline, primary) for candidate in measured}
    over = {candidate.name: _excess(candidate, limits) for candidate in measured}
    # What may not be published anyhow is not tested: it ends no sequence. Costs depend on no answer, so that the order
    # of the tests still does not.
    allowed_ones = [candidate for candidate in measured if not over[candidate.name]]
    tried = None if proof is None else proof.of({each.name: _costs(each, objective) for each in allowed_ones})
    rejections = _rejections(allowed_ones, drops, primary, max_drop, tried, lost_on_search_rows, class_drops)
    within = [candidate for candidate in allowed_ones if not rejections[candidate.name]]
    shown = {each.name: baseline_name if each is baseline else each.name for each in measured}
    if not within:
        kept = {shown[name]: excess for name, excess in over.items() if excess and (drops[name] or 0.0) <= max_drop}
        raise nothing_within(kept, {shown[name]: why for name, why in rejections.items()})
    rejections |= {name: f"rejected: {told_of(excess)}" for name, excess in over.items() if excess}
    proves = tried is not None and tried.is_conclusive(max_drop)
    # Of equals the baseline first: it is the plainest.
    fastest = min(within, key=lambda c: (c.latency_microseconds, c.name != BASELINE, measured.index(c)))
    best = min(within, key=lambda c: (is_slow(c, fastest, objective), c.bytes, c.name != BASELINE, measured.index(c)))
    pace = Pace(objective, fastest, best, tuple(within), shown)
    weighed = []
    for candidate in measured:
        name = candidate.name
        told = proof.tested.get(name) if proof else None
        verdict = rejections[name] or (pace.verdict(candidate) if len(measured) > 1 else "chosen: the only candidate")
        if not candidate.failure and candidate.bytes > baseline.bytes:
            verdict += f"; its file is {candidate.bytes / baseline.bytes:.1f} times as large as {baseline_name}'s"
        weighed.append(
            Weighed(
                candidate,
                drops[name],
                candidate in within,
                verdict,
                told.validation.upper if told and math.isfinite(told.validation.upper) else None,
                None if told is None else candidate in within and proves,
                worst_class=_worst_class(name, told, class_drops),
                is_over_limit=bool(over[name]),
            )
        )
    chosen = next(candidate for candidate in weighed if candidate.measured is best)
    beside = other_end(best, fastest, within, baseline_name)
    confidence = proof.confidence if proof else None
    if best is baseline:
        why = _why_baseline(baseline_name, within, allowed_ones, primary, max_drop, objective, tried)
        if len(allowed_ones) == 1 < len(measured):
            why = f"the {baseline_name} model, because no compressed candidate is within the limits"
        return Choice(chosen, why + beside, tuple(weighed), confidence)
    whose = f"whose {primary.name} {_worsens(primary)} by at most {_budget(primary, max_drop)} on the validation set"
    if proves:
        whose = f"that are proved to lose at most {allowed(primary, max_drop)} of {primary.name}"
    if class_drops is not None:
        whose += f", and {allowed(Measure('recall'), class_drops.allowed)} of any class's recall"
    why = f"{best.name}, because it has {pace.superlative} of the {len(within)} candidates {whose}"
    said = ""
    if tried is not None:
        said = f"proved{tried.of_what}: {tried.told(best.name, primary)}"
        if not proves:
            said = f"not {said}; {tried.too_few(max_drop)}"
    return Choice(chosen, "; ".join(filter(None, [why + beside, said])), tuple(weighed), confidence, said)


def _worst_class(name: str, told: Bounds | None, class_drops: ClassDrops | None) -> ClassLoss | None:
    """By the bounds, where there are some."""
    label = worst_class(told) if told else None
    if told and label is not None:
        found = told.classes[label].validation
        return ClassLoss(label, found.drop, found.upper if math.isfinite(found.upper) else None)
    worst = class_drops.worst(name) if class_drops else None
    return ClassLoss(*worst, None) if worst else None


def _costs(candidate: Measured, objective: CompressionObjective) -> tuple[float, ...]:
    """What the choice goes by."""
    return (candidate.bytes,) if objective == "Size" else (candidate.bytes, candidate.latency_microseconds)


def _excess(candidate: Measured, limits: Limits) -> list[Excess]:
    if candidate.failure or candidate.figures is None:
        return []
    memory = candidate.cost.memory_bytes if candidate.cost else None
    return limits.exceeded(candidate.bytes, candidate.latency_microseconds, memory)


def _rejections(
    measured: list[Measured],
    drops: dict[str, float | None],
    primary: Measure,
    max_drop: float,
    proof: Proof | None,
    lost_on_search_rows: Mapping[str, float],
    class_drops: ClassDrops | None,
) -> dict[str, str]:
    """Why each candidate is not within the budget; an empty text where it is."""
    proves = proof is not None and proof.is_conclusive(max_drop)
    standings, outdone = (proof.standings(max_drop), proof.outdone(max_drop)) if proof and proves else ({}, {})
    failed = next((name for name, standing in standings.items() if standing == "Failed"), "")
    rejections = {}
    for candidate in measured:
        name, drop, why = candidate.name, drops[candidate.name], ""
        if candidate.failure:
            why = candidate.failure
        elif drop is None or (name != BASELINE and proof and name not in proof.tested):
            is_of_folds = proof is not None and proof.folds and drop is not None
            why = "it could not be made on every fold" if is_of_folds else "its outputs are not finite numbers"
        elif name == BASELINE:
            pass
        elif proof and proves:
            if standings[name] == "Failed":
                why = proof.why_failed(name, primary, max_drop)
            elif standings[name] == "Untested":
                rejections[name] = f"not tested: {failed} was safer on the search rows, and could not be proved"
                if by := outdone.get(name):
                    what = f"{failed} could not be proved" if by != failed else "could not be proved"
                    rejections[name] = f"not tested: {by} is safer on the search rows and costs no more, and {what}"
                continue
        elif proof and proof.on_too_few_rows == "Baseline":
            why = f"nothing can be proved: {proof.too_few(max_drop)}"
        elif drop > max_drop + ROUNDING:
            why = _lost(primary, drop, "validation set", max_drop)
        elif name in lost_on_search_rows:
            why = _lost(primary, lost_on_search_rows[name], "search rows", max_drop)
        elif class_drops is not None:
            why = class_drops.why_too_much(name)
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
    if proof is not None and not proof.is_conclusive(max_drop) and proof.on_too_few_rows == "Baseline":
        return f"the {name} model, because nothing can be proved: {proof.too_few(max_drop)}"
    if len(measured) == 1:
        return f"the {name} model, because the manifest asks for no compression"
    if len(within) > 1:
        return f"the {name} model, because no compressed candidate within the budget has {comparative(objective)}"
    if all(candidate.failure for candidate in measured if candidate.name != BASELINE):
        return f"the {name} model, because no compressed candidate could be made"
    if proof is None or not proof.is_conclusive(max_drop):
        return f"the {name} model, because no compressed candidate keeps {primary.name} within {max_drop:g} of it"
    return (
        f"the {name} model, because no compressed candidate is proved to lose at most {allowed(primary, max_drop)} of "
        f"{primary.name} with {share_of(proof.confidence)}"
    )


def _drop(candidate: Measured, baseline: Measured, primary: Measure) -> float | None:
    if candidate.figures is None or baseline.figures is None:
        return None
    return primary.loss(candidate.figures[primary.name].value, baseline.figures[primary.name].value)


def _worsens(primary: Measure) -> str:
    return "drops" if primary.info.goal == "Maximize" else "grows"


def _budget(primary: Measure, max_drop: float) -> str:
    return f"{max_drop:g} of it" if primary.info.is_in_target_unit else f"{max_drop:g}"
