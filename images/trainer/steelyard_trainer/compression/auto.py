"""A search in place of a list of candidates (compression.candidates: [Auto]): asks a plan what to make, sees by the
search rows what came of it, and ends where nothing more may be spent. Imports numpy, the api, the plan, the bounds and
what was kept.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from steelyard.api.compression import DEFAULT_CONFIDENCE
from steelyard.api.metrics import Measure
from steelyard.api.training_job import TrainingJobSpec
from steelyard_trainer.compression.answers import Answers
from steelyard_trainer.compression.choice import Measured
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.limits import ROUNDING
from steelyard_trainer.compression.paired import Bound, bound
from steelyard_trainer.compression.plan import Limits, Plan, Searched, Seen, Wanted
from steelyard_trainer.compression.techniques.base import Tell

BY_THE_CLOCK = "ended by the clock: another run may differ"

Make = Callable[[Wanted], tuple[Measured, Answers | None]]
"""Makes and measures a candidate, or finds it."""


@dataclass(frozen=True)
class Judge:
    """Says of a candidate, by the search rows, whether it will probably be accepted."""

    primary: Measure
    classes: tuple[str, ...] | None
    targets: Answers
    """The right answers."""
    baseline: Answers
    budget: float
    confidence: float | None
    """That of the proof; None where two numbers are compared."""
    class_budget: float | None = None
    """What each class may lose of its recall; None: any."""

    @property
    def _budgets(self) -> list[tuple[Measure, float]]:
        labels = () if self.class_budget is None else self.classes or ()
        return [
            (self.primary, self.budget),
            *((Measure("recall", label), self.class_budget or 0.0) for label in labels),
        ]

    @property
    def proves(self) -> bool:
        """Whether candidates are accepted by bounds: where even an equal model's is too large, numbers are compared."""
        if self.confidence is None:
            return False
        same = self.targets.validation, self.baseline.validation, self.baseline.validation
        return all(self._bound(measure, *same).upper <= budget + ROUNDING for measure, budget in self._budgets)

    def passes(self, answers: Answers, *, by_bound: bool) -> bool:
        """Whether what it loses on the search rows lets expect that it passes on the validation set.

        Args:
            answers: the candidate's; those to the validation set are not looked at.
            by_bound: whether its bound must pass there. A bound comes nearer to the loss with the root of the rows.
        """
        if not np.isfinite(answers.search).all():
            return False
        nearer = math.sqrt(len(self.targets.search) / len(self.targets.validation)) if by_bound else 0.0
        for measure, budget in self._budgets:
            found = self._bound(measure, self.targets.search, self.baseline.search, answers.search)
            more = found.upper - found.drop
            # Of a class with few search rows there is no bound: what it lost there has to do.
            if not by_bound or (measure != self.primary and math.isinf(more)):
                more = 0.0
            if found.drop + nearer * more > budget + ROUNDING:
                return False
        return True

    def _bound(self, measure: Measure, targets: npt.NDArray[np.float64], before: object, after: object) -> Bound:
        confidence = self.confidence or DEFAULT_CONFIDENCE
        return bound(measure, targets, np.asarray(before), np.asarray(after), confidence, self.classes)


@dataclass
class Search:
    """Which candidates a model has, found while they are made."""

    plan: Plan
    limits: Limits
    tell: Tell = lambda _: None
    clock: Callable[[], float] = time.monotonic
    """Seconds."""
    outcome: Searched | None = None
    """How it went, once it has."""
    _spent: dict[str, int] = field(default_factory=dict)
    """The work of each training, by the digest of the recipe's part that ends with it."""

    @classmethod
    def of(cls, spec: TrainingJobSpec, plan: Callable[[float], Plan], tell: Tell) -> "Search | None":
        """The search that a manifest asks for; None where it lists candidates.

        Args:
            spec: the job's.
            plan: makes the plan, of what may be spent in times the job's own training; called where one is asked for.
            tell: is told which training begins.
        """
        asked = spec.compression
        if asked is None or not asked.is_auto:
            return None
        return cls(plan(asked.most_work), Limits(asked.most_trainings, asked.most_work, asked.max_minutes), tell)

    def run(
        self,
        judge: Judge,
        baseline: Measured,
        kept: KeptCandidates,
        make: Make,
        report: Callable[[int, int], None],
    ) -> None:
        """Makes what the plan asks for, until it ends or nothing more may be spent; `outcome` says how it went.

        Args:
            judge: says what passes.
            baseline: what the others are compared with.
            kept: knows what earlier attempts finished, and how long they took.
            make: makes a candidate, or finds it.
            report: called with how many trainings are finished, and how many there may be.
        """
        by_bound, began, before = judge.proves, self.clock(), kept.seconds()
        questions, no_room = self.plan.ask(Seen(True, baseline.bytes)), list[str]()

        def seconds() -> float:
            return before + self.clock() - began

        try:
            wanted = next(questions)
            while True:
                new = self._new(wanted)
                is_begun = bool(new) and _is_to_be_trained(wanted, new, kept)
                if new and (ended := self._over(len(new), seconds() if is_begun else 0.0)):
                    break
                if sum(new.values()) + self._work > self.limits.work * self.plan.own_work:
                    no_room.append(wanted.name)
                    seen = Seen(passes=False, was_begun=False)
                else:
                    if is_begun:
                        number = len(self._spent) + len(new)
                        self.tell(f"training {number} of at most {self.limits.trainings}, for {wanted.name}")
                    measured, answers = make(wanted)
                    self._count(wanted, new, kept)
                    passes = answers is not None and judge.passes(answers, by_bound=by_bound)
                    seen = Seen(passes, measured.bytes)
                    if self.limits.minutes is not None:
                        kept.keep_seconds(seconds())
                    if new:
                        report(len(self._spent), self.limits.trainings)
                wanted = questions.send(seen)
        except StopIteration as end:
            ended = str(end.value)
        if no_room:
            ended += f"; maxWork {self.limits.work:g} has no room for {', '.join(dict.fromkeys(no_room))}"
        self.outcome = Searched(len(self._spent), self._work / self.plan.own_work, self.limits, ended)

    @property
    def _work(self) -> int:
        return sum(self._spent.values())

    def _new(self, wanted: Wanted) -> dict[str, int]:
        """The trainings on the way that no candidate before it had, with the most that they take."""
        parts = {number: part.digest for number, part in enumerate(wanted.recipe.prefixes(), 1)}
        found = {parts[number]: work for number, work in wanted.trainings.items()}
        return {digest: work for digest, work in found.items() if digest not in self._spent}

    def _over(self, trainings: int, seconds: float) -> str:
        """Why no further training is begun; empty where one may be."""
        if len(self._spent) + trainings > self.limits.trainings:
            return f"maxTrainings {self.limits.trainings} were made"
        if self.limits.minutes is not None and seconds >= 60 * self.limits.minutes:
            return BY_THE_CLOCK
        return ""

    def _count(self, wanted: Wanted, new: dict[str, int], kept: KeptCandidates) -> None:
        parts = {part.digest: part for part in wanted.recipe.prefixes()}
        for digest, most in new.items():
            made = kept.find(parts[digest])
            # What diverged may have taken all of it.
            self._spent[digest] = most if made is None else made.work


def _is_to_be_trained(wanted: Wanted, new: dict[str, int], kept: KeptCandidates) -> bool:
    """Whether no earlier attempt has finished a candidate, or its trainings."""
    if kept.measured(wanted.name, wanted.recipe, ()) is not None:
        return False
    return any(kept.find(part) is None for part in wanted.recipe.prefixes() if part.digest in new)
