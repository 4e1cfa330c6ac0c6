"""Which family a model is of. Imports the families, each when a model of it comes."""

from importlib import import_module

from steelyard.api.models.capabilities import ModelKind
from steelyard_trainer.families.base import Family


def family_of(kind: ModelKind) -> Family:
    """The family whose folder has the name that the kind's capabilities say."""
    return family_named(kind.can.family.name)


def family_named(name: str) -> Family:
    """The family of the folder `families/NAME`. Raises ModuleNotFoundError where there is none."""
    family: Family = import_module(f"steelyard_trainer.families.{name}.family").FAMILY
    return family
