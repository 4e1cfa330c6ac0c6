"""A candidate as a manifest lists it: by a technique's name, or as a recipe with a name of its own. Imports the api
only."""

from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from steelyard.api.base import Part, refuse
from steelyard.api.compression.techniques import TECHNIQUES, Int2, QuantizationAware, TechniqueSettings
from steelyard.api.forms import TechniqueName

BASELINE: Literal["Baseline"] = "Baseline"
"""The model as it was trained, float32 in LiteRT or scikit-learn's in skops: always weighed, and what the others are
compared with."""

AUTO: Literal["Auto"] = "Auto"
"""A search in place of a list: what is made next depends on what was seen of those before."""

CandidateName = Literal["Baseline", "Auto", TechniqueName]
"""What may be listed by its name alone: each but the first two is the technique's recipe, with its defaults."""

TAKEN_NAMES = (*get_args(CandidateName), "None", "float32", "skops")
"""Names that say something else already where people read."""

_NAME = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"

Step: TypeAlias = Annotated[TechniqueSettings, Field(discriminator="technique")]


class CandidateRecipe(Part):
    """A candidate of several steps, or of one that is told more than its name."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=_NAME)]
    """A text of 1 to 63 letters, digits, dots, dashes and underscores, which begins and ends with a letter or a digit
    and is no technique's name: what the candidate is called wherever it is shown."""
    steps: Annotated[list[Step], Field(min_length=1, max_length=8)]
    """The techniques, applied one after the other to the trained model, each with its settings."""

    @model_validator(mode="after")
    def _has_a_name_of_its_own(self) -> "CandidateRecipe":
        if self.name in TAKEN_NAMES:
            raise refuse("name", "{name} has a meaning of its own; take another name", name=self.name)
        return self


def _kind(value: Any) -> str:
    """Which of a candidate's two forms a value is to be."""
    return CandidateRecipe.__name__ if isinstance(value, dict | CandidateRecipe) else "name"


# Each of its two forms is what kubectl can be told of it: a name that there is, a map with what it needs.
_IN_CRDS = {
    "x-kubernetes-preserve-unknown-fields": True,
    "pattern": f"^({'|'.join(get_args(CandidateName))})$",
    "required": ["name", "steps"],
}

Candidate: TypeAlias = Annotated[
    Annotated[CandidateName, Tag("name")] | Annotated[CandidateRecipe, Tag(CandidateRecipe.__name__)],
    Discriminator(_kind),
    Field(json_schema_extra=_IN_CRDS),
]


def learns(candidate: Candidate) -> bool:
    """Whether something is trained to make it."""
    if isinstance(candidate, CandidateRecipe):
        return any(step.learns for step in candidate.steps)
    return candidate == AUTO or (candidate in TECHNIQUES and TECHNIQUES[candidate].learns)


def lacks_learning(candidate: Candidate) -> bool:
    """Whether it writes weights of 2 bits that were not learned as such."""
    if not isinstance(candidate, CandidateRecipe):
        return candidate == Int2.technique_name()
    before = [None, *candidate.steps]
    return any(
        isinstance(step, Int2) and not (isinstance(earlier, QuantizationAware) and earlier.bits == 2)
        for earlier, step in zip(before, candidate.steps, strict=False)
    )


def name_of(candidate: Candidate) -> str:
    """What a candidate is called."""
    return candidate if isinstance(candidate, str) else candidate.name
