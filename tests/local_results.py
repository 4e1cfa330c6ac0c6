"""What a run on this machine came to, kept in pytest's cache for tests that compare a cluster's with it.

Only what the very same program made of the very same input counts.
"""

import hashlib
import json
import sys
from functools import cache
from typing import Any

import pytest
from repository_support import ROOT


def keep(name: str, given: Any, result: Any, kept: pytest.Cache) -> None:
    """Keeps a result.

    Args:
        name: what it is of, as a file's name may be.
        given: what was run, JSON values.
        result: JSON values.
        kept: pytest's cache.
    """
    kept.set(_place_of(name, given), result)


def recall(name: str, given: Any, kept: pytest.Cache) -> Any:
    """What was kept of the same; None where nothing was."""
    return kept.get(_place_of(name, given), None)


def _place_of(name: str, given: Any) -> str:
    digest = hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()
    return f"steelyard/local-results/{name}-{digest[:16]}-{_program()}"


@cache
def _program() -> str:
    """A digest of all that a local run depends on."""
    digest = hashlib.sha256(sys.version.encode())
    sources = [path for folder in ("operator", "images/trainer") for path in (ROOT / folder).rglob("*.py")]
    for path in sorted([*sources, ROOT / "requirements-dev.lock"]):
        digest.update(f"{path.relative_to(ROOT)} ".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
