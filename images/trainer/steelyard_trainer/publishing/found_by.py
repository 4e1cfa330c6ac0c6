"""What is published of the search that a model is the best of. Imports steelyard.api and the page."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.api.errors import ConfigurationError
from steelyard.contract.package import SEARCH_FILE, SEARCH_PAGE_FILE
from steelyard.contract.stages import Env
from steelyard.search.best import best_of
from steelyard.search.log import SearchDocument


@dataclass(frozen=True)
class FoundBy:
    """The search, and the trial whose model is published."""

    search: SearchDocument
    trial: int | None
    """Its number; None: the best by its value."""

    @classmethod
    def from_environment(cls, trial: int | None) -> "FoundBy | None":
        """None where the environment names no search (STEELYARD_SEARCH_FILE).

        Raises:
            ConfigurationError: the file holds no search.
            OSError: it can't be read.
        """
        if not (path := os.environ.get(Env.SEARCH_FILE)):
            return None
        try:
            return cls(SearchDocument.from_json(json.loads(Path(path).read_bytes())), trial)
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{Env.SEARCH_FILE}: {path} holds no search: {type(error).__name__}: {error}"
            ) from None

    @property
    def files(self) -> dict[str, bytes]:
        """search.json and search.html, by name."""
        # Brings scikit-learn and the charts, which only such a job needs.
        from steelyard_trainer.publishing.search_page import search_page

        text = json.dumps(self.search.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
        return {SEARCH_FILE: f"{text}\n".encode(), SEARCH_PAGE_FILE: search_page(self.search, self.trial).encode()}

    def to_json(self) -> dict[str, Any]:
        """What the report says of it: who searched how, and what was found."""
        spec, entries = self.search.spec, self.search.entries
        numbered = {entry.number: entry for entry in entries}
        best = best_of(entries, spec.objective.direction) if self.trial is None else numbered.get(self.trial)
        return {
            "name": self.search.name,
            "algorithm": spec.algorithm.name,
            "trials": len(entries),
            "ended": self.search.ended,
            "metric": spec.objective.name,
            "measuredOn": self.search.measured_on,
            "trial": best.number if best else None,
            "value": best.value if best else None,
            "parameters": best.values if best else {},
            "dataset": spec.template.dataset.uri,
        }
