"""From a URI to a path, for the runners and the trainer alike. Imports the api and the contract only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from steelyard.api.errors import ConfigurationError
from steelyard.api.places import CLUSTER_FILE_FORMS, FILE, FILE_FORMS, Place, scheme_of
from steelyard.contract.stages import Env


@dataclass(frozen=True)
class Surroundings:
    """What a process sees of the places that a manifest may name."""

    base_dir: Path | None
    """What relative paths are relative to; None on a cluster, which has none of the user's files."""
    claims: Mapping[str, Path] = field(default_factory=dict)
    """The folder that each claim is here, by its name: mounted in a pod, named by the user on this machine."""

    def reaches(self, uri: str) -> bool:
        """Whether this process can see a place at all; on a cluster a stage sees what it needs.

        Args:
            uri: a valid one of a manifest.
        """
        place = Place.parse(uri)
        if place.scheme.needs == "Claim":
            return place.authority in self.claims
        return self.base_dir is not None or "Cluster" in place.scheme.where

    def path(self, uri: str) -> Path:
        """Where a place lies here; absolute as far as the folders that it lies in are.

        Args:
            uri: a valid one of a manifest, of a scheme whose places are files.

        Raises:
            ConfigurationError: this process can't see the place, or it is no path at all.
        """
        place = Place.parse(uri)
        if place.scheme.needs == "Claim":
            if place.authority not in self.claims:
                raise ConfigurationError(f"{uri}: the claim '{place.authority}' is not mounted here ({Env.CLAIMS})")
            return self.claims[place.authority] / place.path
        if place.scheme is not FILE:
            raise ConfigurationError(f"'{uri}' is no file or folder; allowed: {FILE_FORMS}")
        if self.base_dir is None:
            raise ConfigurationError(
                f"'{uri}' lies on no claim; a pod sees nothing else; allowed: {CLUSTER_FILE_FORMS}"
            )
        return self.base_dir / place.path

    def shown(self, uri: str) -> str:
        """What to call a place: on a cluster as the manifest does, on the user's machine by its path."""
        is_path = scheme_of(uri) is FILE or scheme_of(uri).needs == "Claim"
        return str(self.path(uri).resolve()) if is_path and self.base_dir is not None else uri
