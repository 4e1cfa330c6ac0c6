"""A search spends no more than it may, and goes on where an attempt before it was: told by a plan whose candidates are
text files."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import append_technique
import numpy as np
import pytest

from steelyard.api.metrics import Measure
from steelyard_trainer.compression.answers import Answers
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.auto import BY_THE_CLOCK, Judge, Search
from steelyard_trainer.compression.choice import Measured
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.plan import Limits, Plan, Questions, Searched, Seen, Wanted
from steelyard_trainer.compression.recipe import Recipe, Step

ROWS = 4_000
BUDGET = 0.01
ACCURACY = Measure("accuracy")


def outputs(right: float, rows: int = ROWS) -> np.ndarray:
    """Of two classes, to rows of class 0: the first are right."""
    said = (np.arange(rows) >= right * rows).astype(int)
    return np.eye(2)[said]


def judge(rows: int = ROWS, confidence: float | None = 0.95) -> Judge:
    targets, same = np.zeros(rows, np.int32), outputs(1.0, rows)
    return Judge(ACCURACY, ("a", "b"), Answers(targets, targets), Answers(same, same), BUDGET, confidence)


def words(*given: str) -> Recipe:
    return Recipe(tuple(Step("Append", append_technique.Append(word=word)) for word in given))


def wanted(name: str, student: str = "", work: int = 0) -> Wanted:
    return Wanted(name, words(student, name), {1: work}) if student else Wanted(name, words(name))


FREE = [wanted("Int8"), wanted("Int4")]
STUDENTS = [wanted(f"{student}-{form}", student, 50) for student in ("half", "quarter", "eighth") for form in "ab"]


@dataclass
class Stage:
    """Candidates that are made in a folder; what was made and told in one attempt."""

    folder: Path
    limits: Limits
    asked: list[Wanted] = field(default_factory=lambda: [*FREE, *STUDENTS])
    seconds: float = 0.0
    """That each candidate takes."""
    work: int = 40
    """That each training takes, of 50 at most."""
    killed_at: str = ""
    seen: list[Seen] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    reports: list[tuple[int, int]] = field(default_factory=list)
    now: float = 0.0

    def plan(self) -> Plan:
        def ask(baseline: Seen) -> Questions:
            assert baseline.bytes == 1_000
            for each in self.asked:
                self.seen.append((yield each))
            return "the plan is at its end"

        return Plan(ask, own_work=100)

    def run(self, judged: Judge | None = None) -> Searched:
        kept = KeptCandidates(self.folder / "finished", "k" * 64)
        kept.clean_up()
        search = Search(self.plan(), self.limits, self.told.append, lambda: self.now)
        search.run(
            judged or judge(),
            Measured("Baseline", 1_000, 0.0, None),
            kept,
            self._maker(kept),
            lambda done, most: self.reports.append((done, most)),
        )
        assert search.outcome is not None
        return search.outcome

    def _maker(self, kept: KeptCandidates) -> Callable[[Wanted], tuple[Measured, Answers | None]]:
        def put(recipe: Recipe, work: int) -> None:
            def make(into: Path) -> Artifact:
                artifact = Artifact(into, "Skops", work)
                artifact.file.write_text("model")
                return artifact

            if kept.find(recipe) is None:
                self.made.append(recipe.steps[-1].settings.word)  # type: ignore[attr-defined]
                kept.put(recipe, make)

        def make(each: Wanted) -> tuple[Measured, Answers | None]:
            if each.name == self.killed_at:
                raise KeyboardInterrupt
            self.now += self.seconds
            if each.trainings:
                put(Recipe(each.recipe.steps[:1]), self.work)
            put(each.recipe, 0)
            return Measured(each.name, 100, 0.0, None), Answers(outputs(1.0), outputs(1.0))

        return make


def test_a_search_ends_where_its_plan_does_and_says_what_it_took(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Limits(8, 3.0))
    outcome = stage.run()
    assert (outcome.trainings, outcome.work, outcome.ended) == (3, 1.2, "the plan is at its end")
    assert outcome.told == (
        "3 trainings of at most 8, 1.2 times the work of the model's own training of at most 3; ended: the plan is at "
        "its end"
    )
    assert stage.told[0] == "training 1 of at most 8, for half-a"
    assert stage.reports == [(1, 8), (2, 8), (3, 8)]
    assert all(seen.passes and seen.bytes == 100 for seen in stage.seen)


def test_no_more_trainings_are_begun_than_may_be(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Limits(2, 3.0))
    outcome = stage.run()
    assert (outcome.trainings, outcome.ended) == (2, "maxTrainings 2 were made")
    # The formats of what is trained need no training.
    assert "quarter-b" in stage.made and "eighth" not in stage.made


def test_what_may_not_fit_is_not_begun_and_what_was_spent_counts_as_it_was(tmp_path: Path) -> None:
    # 40 are spent of the 50 that a training may take: 3 times 40 would fit into 130, and the third may take 50.
    stage = Stage(tmp_path, Limits(8, 1.29))
    outcome = stage.run()
    assert (outcome.trainings, outcome.work) == (2, 0.8)
    assert outcome.ended == "the plan is at its end; maxWork 1.29 has no room for eighth-a, eighth-b"
    assert [seen.was_begun for seen in stage.seen[-2:]] == [False, False]
    assert Stage(tmp_path / "more", Limits(8, 1.3)).run().trainings == 3


def test_formats_are_made_where_not_even_one_training_fits(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Limits(8, 0.1))
    outcome = stage.run()
    assert stage.made == ["Int8", "Int4"]
    assert outcome.trainings == 0 and "has no room for half-a" in outcome.ended


def test_the_clock_ends_a_search_before_a_training_and_says_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Limits(8, 3.0, minutes=1.0), seconds=16.0)
    outcome = stage.run()
    assert outcome.ended == BY_THE_CLOCK == "ended by the clock: another run may differ"
    assert stage.made == ["Int8", "Int4", "half", "half-a", "half-b"]
    # What is started again does not begin to count anew.
    again = Stage(tmp_path, Limits(8, 3.0, minutes=1.0))
    assert again.run() == outcome and again.made == []


@pytest.mark.parametrize("killed_at", [each.name for each in [*FREE, *STUDENTS]])
def test_a_search_that_is_killed_makes_nothing_twice_and_comes_to_the_same_end(tmp_path: Path, killed_at: str) -> None:
    whole = Stage(tmp_path / "whole", Limits(8, 1.29))
    outcome = whole.run()
    first, second = (Stage(tmp_path / "killed", Limits(8, 1.29), killed_at=at) for at in (killed_at, ""))
    if killed_at.startswith("eighth"):
        assert first.run() == outcome
    else:
        with pytest.raises(KeyboardInterrupt):
            first.run()
    assert second.run() == outcome
    assert [*first.made, *second.made] == whole.made
    assert second.seen == whole.seen


def test_a_training_that_fails_counts_with_all_that_it_may_have_taken(tmp_path: Path) -> None:
    stage = Stage(tmp_path, Limits(8, 3.0), asked=[STUDENTS[0]])
    kept = KeptCandidates(tmp_path / "finished", "k" * 64)
    kept.clean_up()
    search = Search(stage.plan(), stage.limits)
    failed = Measured.failed("half-a", "its training diverged")
    search.run(judge(), Measured("Baseline", 1_000, 0.0, None), kept, lambda _: (failed, None), lambda *_: None)
    assert search.outcome is not None and search.outcome.work == 0.5
    assert stage.seen == [Seen(passes=False, bytes=0)]


def test_a_candidate_passes_whose_bound_would_with_as_many_rows_as_prove() -> None:
    few, many = 1_000, 4_000
    rows = Answers(np.zeros(few, np.int32), np.zeros(many, np.int32))
    same = Answers(outputs(1.0, few), outputs(1.0, many))
    judged = Judge(ACCURACY, ("a", "b"), rows, same, BUDGET, 0.95)
    assert judged.proves

    def passes(right: float, *, by_bound: bool = True) -> bool:
        return judged.passes(Answers(outputs(right, few), same.validation), by_bound=by_bound)

    # Of 1,000 rows 5 more are wrong: at most 1.1 points; of 4,000 the bound would be about 0.8.
    assert passes(0.995) and not passes(0.992)
    assert passes(0.99, by_bound=False) and not passes(0.989, by_bound=False)
    broken = outputs(1.0, few) * np.nan
    assert not judged.passes(Answers(broken, same.validation), by_bound=False)


def test_a_candidate_passes_where_every_class_would_keep_its_budget() -> None:
    rows = 4_000
    targets = (np.arange(rows) % 10 == 0).astype(np.int32)
    same = np.eye(2)[targets]
    # A tenth of the tenth is lost: 1 point of accuracy, 10 of the rare class's recall.
    said = np.eye(2)[np.where(np.arange(rows) % 100 == 0, 0, targets)]
    answers = Answers(targets, targets), Answers(same, same)

    def passes(class_budget: float | None, *, by_bound: bool = False) -> bool:
        judged = Judge(ACCURACY, ("a", "b"), *answers, 0.02, 0.95, class_budget)
        assert judged.proves
        return judged.passes(Answers(said, same), by_bound=by_bound)

    assert passes(None) and passes(0.11) and not passes(0.09)
    assert passes(0.15, by_bound=True) and not passes(0.11, by_bound=True)
    assert not Judge(ACCURACY, ("a", "b"), *answers, 0.02, 0.95, 0.001).proves


def test_numbers_are_compared_where_nothing_is_to_be_proved_or_too_few_rows_are_there() -> None:
    assert judge().proves
    assert not judge(rows=200).proves
    assert not judge(confidence=None).proves
