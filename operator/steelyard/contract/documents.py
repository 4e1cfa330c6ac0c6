"""What the documents share that pass between programs and versions. Imports pydantic only."""

from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Document(BaseModel):
    """A part of a document that a program writes and others read, maybe of another version: names are camelCase, and
    fields that are not known are passed over."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    def to_json(self) -> dict[str, Any]:
        """The document as JSON values, in the order of its fields."""
        return self.model_dump(mode="json")


def absent() -> Any:
    """A field that is left out of the document where there is nothing to say; None here."""
    return Field(default=None, exclude_if=lambda value: value is None)


def absent_once(name: str, before: str) -> Any:
    """The same of a field that had another name before, by which it is read, too.

    Args:
        name: as documents have it.
        before: as older ones have it.
    """
    return Field(
        default=None,
        exclude_if=lambda value: value is None,
        validation_alias=AliasChoices(name, before),
        serialization_alias=name,
    )
