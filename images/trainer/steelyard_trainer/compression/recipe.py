"""A candidate as a recipe: which techniques, with which settings, are applied to a trained model one after the other.
Imports pydantic, the api's errors and the techniques.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from steelyard.api.compression import Candidate, CandidateRecipe
from steelyard.api.compression.techniques import Settings
from steelyard.api.errors import ConfigurationError
from steelyard_trainer.compression.artifact import Runtime
from steelyard_trainer.compression.techniques import technique_named


@dataclass(frozen=True)
class Step:
    """A technique and what it is told."""

    technique: str
    settings: Settings

    @classmethod
    def of(cls, technique: str, settings: Mapping[str, Any] | None = None) -> "Step":
        """A step of a known technique.

        Args:
            technique: its name.
            settings: by the names of manifests; what is left out is as the technique's settings say.

        Raises:
            ConfigurationError: the technique is not known, or can't be told this.
        """
        try:
            return cls(technique, technique_named(technique).settings.model_validate(dict(settings or {})))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join([technique, *map(str, first["loc"])])
            raise ConfigurationError(f"{where}: {first['msg']}; {first['input']!r} was given") from None

    def to_json(self) -> dict[str, Any]:
        """The technique and all its settings, those with their defaults too."""
        settings = self.settings.model_dump(mode="json", by_alias=True)
        return {"technique": settings.pop("technique"), "settings": settings}


@dataclass(frozen=True)
class Recipe:
    """Steps in their order. Without any: the trained model as it is."""

    steps: tuple[Step, ...] = ()

    @classmethod
    def of(cls, *techniques: str) -> "Recipe":
        """These techniques, as they are where nothing is said. Raises ConfigurationError where one is not known."""
        return cls(tuple(Step.of(name) for name in techniques))

    @classmethod
    def asked(cls, candidate: Candidate) -> "Recipe":
        """How a listed candidate is made, the baseline aside. What goes on as a network is published in LiteRT."""
        if isinstance(candidate, CandidateRecipe):
            steps = tuple(Step(step.technique, step) for step in candidate.steps)
        else:
            steps = (Step.of(candidate),)
        return cls(steps if steps[-1].settings.gives != "Keras" else (*steps, Step.of("LiteRT")))

    @classmethod
    def told(cls, steps: Sequence[Mapping[str, Any]]) -> "Recipe":
        """What `to_json` gave. Raises ConfigurationError where a technique is not known, or can't be told this."""
        return cls(tuple(Step.of(step["technique"], step["settings"]) for step in steps))

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the steps: equal for equal techniques with equal settings."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def to_json(self) -> list[dict[str, Any]]:
        """The steps."""
        return [step.to_json() for step in self.steps]

    def prefixes(self) -> Iterator["Recipe"]:
        """What is made on the way, the shortest first and this recipe last; not the trained model."""
        for length in range(1, len(self.steps) + 1):
            yield Recipe(self.steps[:length])

    @property
    def shown_steps(self) -> tuple[Step, ...]:
        """What its file must show: the last step that began anew, and those after it."""
        began = max((place for place, step in enumerate(self.steps) if step.settings.begins_anew), default=0)
        return self.steps[began:]

    def check_takes(self, runtime: Runtime) -> None:
        """Raises ConfigurationError where a step can't be applied to what it is given.

        Args:
            runtime: that of the trained model.
        """
        given, by = runtime, "the trained model is"
        for number, step in enumerate(self.steps, 1):
            if given not in step.settings.takes:
                raise ConfigurationError(
                    f"step {number} of the recipe: {step.technique} takes {' or '.join(step.settings.takes)}, "
                    f"but {by} {given}"
                )
            given, by = step.settings.gives, f"{step.technique} gives"
