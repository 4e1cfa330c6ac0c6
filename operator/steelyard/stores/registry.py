"""Which store has the places of a scheme: one line for each. Imports the stores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steelyard.api.errors import ConfigurationError
from steelyard.api.places import CLAIM, FILE, SKLEARN, TARGET_FORMS, Place, Scheme
from steelyard.contract.stages import Reason
from steelyard.stores.base import Obstacle, SourceStore, Store
from steelyard.stores.folder import FolderStore
from steelyard.stores.sklearn_sets import SklearnSets
from steelyard.stores.surroundings import Surroundings

STORES: Mapping[Scheme, type[SourceStore]] = {
    CLAIM: FolderStore,
    SKLEARN: SklearnSets,
    FILE: FolderStore,
}
"""A claim is a folder that is mounted, or that the user names."""


def source_at(uri: str, surroundings: Surroundings) -> SourceStore:
    """The store of a place that a table is read from.

    Args:
        uri: a valid one of a manifest.
        surroundings: what this process sees.
    """
    place = Place.parse(uri)
    return STORES[place.scheme](place, surroundings)


def store_at(uri: str, surroundings: Surroundings) -> Store:
    """The store of a place that a model is published to; as `source_at`.

    Raises:
        ConfigurationError: nothing is published to such places, or this process can't see this one.
    """
    store = source_at(uri, surroundings)
    if not isinstance(store, Store):
        raise ConfigurationError(f"'{uri}' is not a place that is published to here; allowed: {TARGET_FORMS}")
    return store


@dataclass(frozen=True)
class TargetObstacle:
    """Why a model can't be published to one of several places."""

    target: int
    """Which of the places, from 0."""
    obstacle: Obstacle


def obstacles(stores: Sequence[Store]) -> list[TargetObstacle]:
    """What keeps a model from being published to these places together; at most one obstacle each."""
    found = []
    for index, store in enumerate(stores):
        others = (*stores[:index], *stores[index + 1 :])
        if outer := next((other.shown for other in others if _lies_in(store, other)), None):
            message = f"{store.shown} lies in {outer}, which is published to as well; name another folder"
            found.append(TargetObstacle(index, Obstacle(Reason.INVALID_CONFIGURATION, message)))
        elif (obstacle := store.obstacle()) is not None:
            found.append(TargetObstacle(index, obstacle))
    return found


def _lies_in(inner: Store, outer: Store) -> bool:
    depth = len(outer.location)
    return len(inner.location) > depth and inner.location[:depth] == outer.location
