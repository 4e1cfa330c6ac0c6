"""What every part of the manifest shares: strictness, camelCase names, exactly-one-of. Imports pydantic only."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

# A share of a whole, strictly between 0 and 1.
Fraction = Annotated[float, Field(gt=0, lt=1)]
# A share of a whole, 0 and 1 included.
Share = Annotated[float, Field(ge=0, le=1)]
# The name of a table's column, exactly as its header has it.
ColumnName = Annotated[str, Field(min_length=1, max_length=256)]


class Part(BaseModel):
    """A part of the manifest: unknown fields are refused, types are not coerced, names are camelCase."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class ExactlyOneOf(Part):
    """A union as a structural schema can say it: one optional field per member, of which exactly one is given."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        members = {info.alias or name: getattr(self, name) for name, info in type(self).model_fields.items()}
        given = [alias for alias, value in members.items() if value is not None]
        if len(given) != 1:
            raise PydanticCustomError(
                "exactly_one_of",
                "exactly one of {allowed} is allowed, but {given} given",
                {
                    "allowed": ", ".join(members),
                    "given": "none is" if not given else " and ".join(given) + (" are" if len(given) > 1 else " is"),
                },
            )
        return self

    @property
    def kind(self) -> str:
        """The name of the member that is given, as the manifest spells it."""
        return next(
            info.alias or name for name, info in type(self).model_fields.items() if getattr(self, name) is not None
        )


def refuse(field: str, message: str, **context: object) -> PydanticCustomError:
    """An error of a validator that looks at several fields.

    Args:
        field: the field at fault, as the manifest spells it, relative to the part whose validator raises.
        message: what is wrong and what is allowed; may name keys of `context` in braces.
    """
    return PydanticCustomError("cross_field", message, {"field": field, **context})
