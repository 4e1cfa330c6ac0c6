"""`spec.model.entrypoint`: a model that a function of the user's own builds, and where its code comes from. Imports the
api only."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator

from steelyard.api.base import Part, refuse
from steelyard.api.models.capabilities import Capabilities, ModelKind
from steelyard.api.models.networks import NETWORK
from steelyard.api.models.sklearn import ESTIMATOR
from steelyard.api.place_fields import check_place
from steelyard.api.pods import ObjectName

Framework = Literal["Keras", "Sklearn"]

FUNCTION_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"
PARAMETER_NAME = r"[A-Za-z_][A-Za-z0-9_]*"

JsonValue = Annotated[Any, Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True, "nullable": True})]

CODE_SOURCES = ("path", "configMap", "uri")
UNSEEN_FOLDER = (
    "is a folder of this machine, which pods don't see; `steelyard submit` packs it; else allowed on a cluster: "
    "configMap, uri"
)
"""What a cluster says of code.path: the rest of a sentence that begins with it in quotes."""


class Code(Part):
    """Where the code lies: exactly one of path, configMap and uri."""

    path: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """A folder on this machine, relative to the manifest's, for `steelyard run`; `steelyard submit` packs it into a
    ConfigMap. Files whose name begins with a dot, and what Python compiles, are left out."""
    config_map: ObjectName | None = None
    """On a cluster: a ConfigMap of the job's namespace, with the files as keys, or one zip."""
    uri: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """A folder, zip or wheel on a claim: pvc://CLAIM/PATH."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", max_length=64)] | None = None
    """64 hexadecimal digits: the digest that the code must have, as `steelyard plan` says it. Default: any."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        sources = zip(CODE_SOURCES, (self.path, self.config_map, self.uri), strict=True)
        given = [name for name, source in sources if source is not None]
        if not given:
            raise refuse(
                "path",
                "one of path, configMap, uri is needed, but none is given; where the code is in the image, "
                "leave out code",
            )
        if len(given) > 1:
            raise refuse(
                "path", "only one of path, configMap, uri is allowed, but {given} are", given=" and ".join(given)
            )
        if self.uri is not None:
            check_place("uri", self.uri)
            if not self.uri.startswith("pvc://"):
                raise refuse("uri", "'{uri}' lies on no claim; allowed: pvc://CLAIM/PATH, or path", uri=self.uri)
        return self


class Entrypoint(ModelKind):
    """A model that a function of your own builds: see docs/own-code.md."""

    capabilities = replace(NETWORK, is_searched=False)
    variants: ClassVar[Mapping[str, Capabilities]] = {"Keras": capabilities, "Sklearn": ESTIMATOR}

    function: Annotated[str, Field(pattern=FUNCTION_PATTERN, max_length=256)]
    """The function that builds the model, as package.module:name, each an identifier of Python."""
    framework: Framework
    """What the function returns. Keras: a keras.Model; Sklearn: an estimator of scikit-learn."""
    code: Code | None = None
    """Where the module comes from. Left out: it is installed, in the image or the environment."""
    parameters: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=64)], JsonValue], Field(max_length=64)
    ] = {}
    """What the function is given by keyword, each a value of JSON. A search names one as
    model.entrypoint.parameters.NAME."""

    @model_validator(mode="before")
    @classmethod
    def _values_are_json(cls, given: Any) -> Any:
        parameters = given.get("parameters") if isinstance(given, dict) else None
        for name, value in parameters.items() if isinstance(parameters, dict) else ():
            if not (isinstance(name, str) and name.isascii() and name.isidentifier()):
                raise refuse(
                    f"parameters.{name}",
                    "'{name}' is no identifier of Python, so no function has such a parameter",
                    name=name,
                )
            if name == "data":
                raise refuse("parameters.data", "the function is given the data's shape as its first argument already")
            if not _is_json(value):
                raise refuse(
                    f"parameters.{name}",
                    "{value} is no value of JSON; allowed: a number, a text, true, false, null, a list, a map",
                    value=repr(value)[:100],
                )
        return given

    @property
    def can(self) -> Capabilities:
        """See ModelKind."""
        return self.variants[self.framework]

    @property
    def module(self) -> str:
        """The module that the function is in, with dots."""
        return self.function.partition(":")[0]

    @property
    def hidden(self) -> str:
        """Why the module can't be imported from a folder; empty where nothing stands in the way."""
        top = self.module.partition(".")[0]
        if top not in sys.stdlib_module_names:
            return ""
        return (
            f"'{top}' is a module of Python's standard library, which is imported in place of yours; rename the folder "
            f"or file {top}"
        )

    @property
    def function_name(self) -> str:
        """The function's name in it."""
        return self.function.partition(":")[2]


assert tuple(Entrypoint.variants) == get_args(Framework)


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, float):
        return value == value and abs(value) != float("inf")
    return value is None or isinstance(value, str | int | bool)
