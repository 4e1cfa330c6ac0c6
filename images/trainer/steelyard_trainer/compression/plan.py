"""What a search of candidates is: a plan, which says one after the other what is to be made, and is told what came of
it. Pure; imports the recipe.

A plan is a generator: the same answers bring the same questions, so that a stage that is started again tells it what is
finished and goes on where it was.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from steelyard.texts.figures import counted
from steelyard_trainer.compression.recipe import Recipe


@dataclass(frozen=True)
class Wanted:
    """A candidate that is to be made."""

    name: str
    """Of letters, digits, dots, dashes and underscores, as a listed candidate's."""
    recipe: Recipe
    trainings: Mapping[int, int] = field(default_factory=dict)
    """What is trained on the way: how many steps the recipe has up to there, and how much work that is at most, in the
    unit of `Plan.own_work`. What an earlier candidate began with is not trained again, and costs nothing more."""


@dataclass(frozen=True)
class Seen:
    """What came of a candidate, as the search rows have it."""

    passes: bool
    """Whether it probably loses no more than the budget."""
    bytes: int = 0
    """Of its file; 0 where there is none."""
    was_begun: bool = True
    """False where its trainings do not fit into what may be spent: it says nothing of what is cheaper."""


Questions: TypeAlias = Generator[Wanted, Seen, str]
"""Returns why nothing more is wanted."""


@dataclass(frozen=True)
class Plan:
    """How a model is searched."""

    ask: Callable[[Seen], Questions]
    """Begins; is given what the baseline is."""
    own_work: int
    """What the model's own training is: of a network rows x epochs x weights."""


@dataclass(frozen=True)
class Limits:
    """What a search may spend."""

    trainings: int
    work: float
    """In times the model's own training."""
    minutes: float | None = None


@dataclass(frozen=True)
class Searched:
    """How a search went."""

    trainings: int
    """That were made."""
    work: float
    """That they took, in times the model's own training."""
    limits: Limits
    ended: str
    """Why it ended."""

    @property
    def told(self) -> str:
        """All of it, for people."""
        return (
            f"{counted(self.trainings, 'training')} of at most {self.limits.trainings}, {self.work:.2g} times the work "
            f"of the model's own training of at most {self.limits.work:g}; ended: {self.ended}"
        )
