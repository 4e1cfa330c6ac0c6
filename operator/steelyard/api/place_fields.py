"""The check that every field of the manifest that names a place shares. Imports the api only."""

from steelyard.api.base import refuse
from steelyard.api.places import Place


def check_place(field: str, uri: str) -> None:
    """Refuses a URI of a known scheme that names no place of it.

    Args:
        field: the field at fault, as the manifest spells it.
        uri: what it says.

    Raises:
        PydanticCustomError: a `cross_field` error that names the field.
    """
    try:
        Place.parse(uri)
    except ValueError as error:
        raise refuse(field, "{problem}", problem=str(error)) from None
