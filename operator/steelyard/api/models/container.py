"""`spec.model.container`: a program of the user's own that trains the model, in any language. What goes with it is read
from its capabilities, which are those of the model that it leaves. Imports the api only.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from steelyard.api.base import Part, refuse
from steelyard.api.models.capabilities import ModelKind
from steelyard.api.models.elsewhere import KerasFromElsewhere, ModelFromElsewhere, SkopsFromElsewhere
from steelyard.api.models.networks import KERAS
from steelyard.api.models.sklearn import SKLEARN
from steelyard.api.pods import OWN_VARIABLE, OWN_VARIABLES
from steelyard.api.trial import ModelFormat

NOUN, PLURAL = "model of a container", "models of containers"
_NETWORK = replace(KerasFromElsewhere.capabilities, family=replace(KERAS, noun=NOUN, plural=PLURAL), has_workers=True)

DEFAULT_PATHS: Mapping[ModelFormat, str] = {"Keras": "model.keras", "SavedModel": "model", "Skops": "model.skops"}
"""What the program's model is called, where the manifest does not say."""
GIVEN_VARIABLES = (OWN_VARIABLE, "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK")
"""What the program is told of its peers, beside the variables of the contract."""

NO_IMAGE = "a cluster runs the command in an image, and none is named; say which image it is in"


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul", "it has a NUL character, which no program can be given; allowed: any others")
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
Word = Annotated[Text, Field(max_length=4096)]
Variable = Annotated[str, Field(min_length=1, max_length=128)]
VARIABLE_PATTERN = "^[A-Za-z_][A-Za-z0-9_]*$"


class LeftModel(Part):
    """What the program leaves in the folder that STEELYARD_MODEL_DIR names."""

    format: ModelFormat
    """Keras: a .keras file of Keras 3. SavedModel: a folder of TensorFlow. Skops: a skops file of one of scikit-learn's
    models that Steelyard has."""
    path: Annotated[Text, Field(min_length=1, max_length=1024)] | None = None
    """Its name in that folder. Default: model.keras, model, model.skops."""

    @property
    def name(self) -> str:
        """The file's name in the folder for models."""
        return self.path or DEFAULT_PATHS[self.format]

    @model_validator(mode="after")
    def _stays_in_its_folder(self) -> Self:
        if self.path is not None and (self.path.startswith("/") or ".." in self.path.split("/")):
            raise refuse(
                "path",
                "'{path}' leaves the folder that STEELYARD_MODEL_DIR names; allowed: a path in it, such as model.keras",
                path=self.path,
            )
        return self


class Container(ModelKind):
    """A program of one's own, in any language, in each of training.workers (docs/container-contract.md)."""

    capabilities = _NETWORK
    """Those of the commonest; see `TrainingJobSpec.kind`."""

    image: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """The image that it is in, on a cluster. A run on this machine takes its command alone."""
    command: Annotated[list[Word], Field(min_length=1, max_length=64)] | None = None
    """The program and its first arguments, in the place of the image's ENTRYPOINT. A worker that is lost is started
    again in place only where it is given; a run on this machine needs it."""
    args: Annotated[list[Word], Field(max_length=256)] = []
    """Further arguments."""
    env: Annotated[dict[Variable, Word], Field(max_length=64)] = {}
    """Variables for it alone, by name; those of Secrets belong in template.env."""
    working_dir: Annotated[Text, Field(min_length=1, max_length=1024)] | None = None
    """The folder in which it starts. Default: the image's; of a run on this machine the manifest's folder."""
    model: LeftModel
    """What it leaves."""

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        if self.image is None and self.command is None:
            raise refuse(
                "command",
                "nothing says what is run: give command, with which a run on this machine starts it, and image, which "
                "a cluster needs",
            )
        return self

    @model_validator(mode="after")
    def _leaves_the_contract_s_variables(self) -> Self:
        if unknown := [name for name in self.env if not re.fullmatch(VARIABLE_PATTERN, name)]:
            raise refuse("env", "'{name}' is no variable's name; allowed: letters, digits and '_'", name=unknown[0])
        own = [name for name in self.env if name.startswith(OWN_VARIABLES) or name in GIVEN_VARIABLES]
        if own:
            raise refuse(
                "env",
                "{name} is set by Steelyard (docs/container-contract.md); allowed: any but STEELYARD_..., {own}",
                name=own[0],
                own=", ".join(GIVEN_VARIABLES),
            )
        return self


class NetworkOfContainer(ModelFromElsewhere):
    """A .keras file, or a SavedModel, that a program left."""

    noun = f"a {NOUN}"
    capabilities = _NETWORK


class EstimatorOfContainer(ModelFromElsewhere):
    """A skops file that a program left."""

    noun = f"a {NOUN}"
    capabilities = replace(
        SkopsFromElsewhere.capabilities, family=replace(SKLEARN, noun=NOUN, plural=PLURAL), has_workers=True
    )


OF_LEFT_FORMAT: Mapping[ModelFormat, ModelKind] = {
    "Keras": NetworkOfContainer(),
    "SavedModel": NetworkOfContainer(),
    "Skops": EstimatorOfContainer(),
}
"""What kind of model a program leaves, by its format."""
