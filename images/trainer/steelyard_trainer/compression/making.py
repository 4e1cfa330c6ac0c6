"""Makes what recipes say of a trained model; what several recipes begin with is made once. Imports the recipe, the
techniques and what was kept.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from steelyard.api.compression.techniques import Settings
from steelyard.serving.interface import TargetUnit
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.recipe import Recipe
from steelyard_trainer.compression.techniques import technique_named
from steelyard_trainer.compression.techniques.base import (
    ALONE,
    CannotBeMadeError,
    HowTrained,
    Progress,
    StepData,
    Tell,
    Together,
)
from steelyard_trainer.data.labelled import Labelled


@dataclass(frozen=True)
class Trained:
    """A trained model, and what techniques may know of it."""

    artifact: Artifact
    width: int
    """How many features it takes."""
    classes: int | None
    """How many the task has; None for regression."""
    unit: TargetUnit | None
    """Regression: what models that compute in float32 give the standardized target of."""
    read_training: Callable[[], Labelled]
    """Reads the training set as the model takes it."""
    how_trained: HowTrained | None = None
    """What techniques that train go by; None where it is not known."""
    read_search: Callable[[], Labelled] | None = None
    """Reads the search rows so; None where none were set aside before it was trained."""
    together: Together = ALONE
    """Who trains where a technique trains."""


def no_progress(_done: int, _total: int, _unit: str, _figures: Mapping[str, float]) -> None:
    """Tells nobody how far a step is."""


@dataclass(frozen=True)
class Maker:
    """Makes artifacts of one trained model."""

    trained: Trained
    kept: KeptCandidates
    scratch: Path
    tell: Tell
    progress: Progress = no_progress
    _made: dict[str, Artifact] = field(default_factory=dict)
    _refused: dict[str, str] = field(default_factory=dict)
    """Why something can't be made, by its recipe's digest: what begins with it is not tried again."""

    @classmethod
    @contextmanager
    def of(
        cls, trained: Trained, kept: KeptCandidates, tell: Tell = lambda _: None, progress: Progress = no_progress
    ) -> Iterator["Maker"]:
        """A maker that leaves nothing but what is kept.

        Args:
            trained: the model.
            kept: where artifacts lie; its folder is there.
            tell: is told what a person should know of a step that is under way.
            progress: is told how far a long step is.
        """
        scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=kept.folder))
        try:
            yield cls(trained, kept, scratch, tell, progress)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def make(self, recipe: Recipe) -> Artifact:
        """What the recipe makes: found, or made from the longest part of it that is.

        Raises:
            ConfigurationError: a step can't be applied to what it is given.
            CannotBeMadeError: a technique can't be applied to this model.
            SteelyardError: another process was started in this one's place (AttemptSuperseded).
        """
        recipe.check_takes(self.trained.artifact.runtime)
        prefixes = list(recipe.prefixes())
        artifact, done = self.trained.artifact, 0
        for length in range(len(prefixes), 0, -1):
            if found := self._find(prefixes[length - 1]):
                artifact, done = found, length
                break
        for prefix in prefixes[done:]:
            artifact = self._apply(prefix, artifact)
        return artifact

    def given(self, recipe: Recipe) -> Artifact:
        """What a recipe's last step is applied to. Raises as `make` does."""
        return self.make(Recipe(recipe.steps[:-1]))

    def _find(self, recipe: Recipe) -> Artifact | None:
        if recipe.digest not in self._made and (found := self.kept.find(recipe)):
            self._made[recipe.digest] = found
        return self._made.get(recipe.digest)

    def _apply(self, recipe: Recipe, artifact: Artifact) -> Artifact:
        """The last step of a recipe, applied to what those before it made."""
        if why := self._refused.get(recipe.digest):
            raise CannotBeMadeError(why)
        step = recipe.steps[-1]
        technique = technique_named(step.technique)

        def make(into: Path) -> Artifact:
            data = self._data(step.settings, into, self.kept.unfinished(recipe))
            lesson = self.trained.together.lesson
            with lesson(recipe.to_json()) if step.settings.learns else nullcontext():
                made: Artifact = technique.apply(artifact, step.settings, data, self.tell)
            if (made.folder, made.runtime) != (into, step.settings.gives):
                raise TypeError(
                    f"{technique.name} made {made.runtime} in {made.folder}: it gives {step.settings.gives}"
                )
            return made

        try:
            made = self._made[recipe.digest] = self.kept.put(recipe, make)
        except CannotBeMadeError as error:
            self._refused[recipe.digest] = str(error)
            shutil.rmtree(self.kept.unfinished(recipe), ignore_errors=True)
            raise
        return made

    def attend(self, recipe: Recipe, into: Path) -> None:
        """Applies a recipe's last step beside worker 0, which has made what comes before it and keeps the result.

        Args:
            recipe: its last step trains.
            into: an empty folder, for what is made here: the same, and not needed.
        """
        step, before = recipe.steps[-1], Recipe(recipe.steps[:-1])
        artifact = self.kept.find(before) if before.steps else self.trained.artifact
        if artifact is None:
            raise FileNotFoundError(f"what worker 0 has made before is not in {self.kept.folder}, or not whole")
        data = self._data(step.settings, into, self.kept.unfinished(recipe))
        technique_named(step.technique).apply(artifact, step.settings, data, self.tell)

    def _data(self, settings: Settings, into: Path, unfinished: Path) -> StepData:
        trained = self.trained
        read = trained.read_training if settings.needs_training else _no_rows
        return StepData(
            into,
            self.scratch,
            trained.width,
            trained.classes,
            trained.unit,
            read,
            trained.artifact,
            trained.how_trained,
            unfinished,
            self.kept.check_attempt,
            self.progress,
            trained.read_search,
            trained.together,
        )


def _no_rows() -> Labelled:
    raise TypeError("a technique reads the training set only where it says that it needs it")
