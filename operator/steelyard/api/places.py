"""Places: `pvc://CLAIM/PATH`, a path on a claim (PersistentVolumeClaim), as a source and as what is published to.
Imports the api only.

On a cluster the claim is mounted; a local run maps it to a folder.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from steelyard.api.base import Part, refuse

CLAIM_SCHEME = "pvc://"
CLAIM_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


@dataclass(frozen=True)
class ClaimUri:
    """A place on a claim."""

    claim: str
    """The name of a PersistentVolumeClaim in the job's namespace."""
    path: str
    """Relative to the claim's root; never empty, without empty, `.` and `..` segments."""

    @classmethod
    def parse(cls, uri: str) -> "ClaimUri":
        """Raises ValueError, which says what is allowed, where `uri` is no place on a claim."""
        claim, _, path = uri.removeprefix(CLAIM_SCHEME).partition("/")
        path = path.removesuffix("/")
        if not re.fullmatch(CLAIM_NAME_PATTERN, claim):
            raise ValueError(
                f"'{uri}' names no claim; allowed: pvc://CLAIM/PATH, where CLAIM is 1 to 63 lower-case letters, digits "
                "and '-', and neither begins nor ends with '-'"
            )
        if not path or not path.isprintable() or any(part in ("", ".", "..") for part in path.split("/")):
            raise ValueError(
                f"'{uri}' names no path on the claim; allowed: pvc://CLAIM/PATH, where PATH is not empty and has no "
                "empty, '.' or '..' parts"
            )
        return cls(claim, path)


def is_claim_uri(uri: str) -> bool:
    """Whether the URI is meant as a place on a claim, well-formed or not."""
    return uri.startswith(CLAIM_SCHEME)


class PublishTarget(Part):
    """A place that the model is published to."""

    uri: Annotated[str, Field(min_length=1, max_length=2048)]
    """pvc://CLAIM/PATH, a folder on a claim (PersistentVolumeClaim) of the job's namespace, which a local run maps to a
    folder; or, locally only, file:PATH or a path, relative to the manifest's folder. The folder is complete or absent;
    a model of before is replaced."""

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if not self.uri.isprintable():
            raise refuse("uri", "{uri} is not a place: it holds characters that can't be printed", uri=repr(self.uri))
        if is_claim_uri(self.uri):
            try:
                ClaimUri.parse(self.uri)
            except ValueError as error:
                raise refuse("uri", "{problem}", problem=str(error)) from None
            return self
        scheme, colon, _ = self.uri.partition(":")
        if colon and "/" not in scheme and scheme != "file":
            raise refuse(
                "uri",
                "'{uri}' is not a place that is published to here; allowed: pvc://CLAIM/PATH, file:PATH or a path",
                uri=self.uri,
            )
        return self
