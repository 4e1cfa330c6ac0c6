"""`pvc://CLAIM/PATH`: a place on a claim (PersistentVolumeClaim), as a source and as a publish target. Imports nothing.

On a cluster the claim is mounted; a local run maps it to a folder.
"""

import re
from dataclasses import dataclass

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
