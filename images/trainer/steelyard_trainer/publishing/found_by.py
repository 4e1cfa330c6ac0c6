"""What is published of the search that a model is the best of. Imports steelyard."""

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from steelyard.api.errors import ConfigurationError
from steelyard.contract.package import SEARCH_FILE, SEARCH_PAGE_FILE
from steelyard.contract.report import SearchReport
from steelyard.contract.stages import Env
from steelyard.report.search import Found, search_page
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

    @cached_property
    def found(self) -> Found:
        """The search as the pages tell it."""
        # Brings scikit-learn, which only such a job needs.
        from steelyard_trainer.publishing.importance import importance_of

        answers = [entry for entry in self.search.entries if entry.is_answer]
        return Found(self.search, importance_of(self.search.spec.parameters, answers), self.trial)

    @property
    def files(self) -> dict[str, bytes]:
        """search.json and search.html, by name."""
        text = json.dumps(self.search.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
        return {SEARCH_FILE: f"{text}\n".encode(), SEARCH_PAGE_FILE: search_page(self.found).encode()}

    @property
    def report(self) -> SearchReport:
        """What steelyard.json says of it: who searched how, and what was found."""
        spec, entries = self.search.spec, self.search.entries
        numbered = {entry.number: entry for entry in entries}
        best = best_of(entries, spec.objective.direction) if self.trial is None else numbered.get(self.trial)
        return SearchReport(
            name=self.search.name,
            algorithm=spec.algorithm.name,
            trials=len(entries),
            ended=self.search.ended,
            metric=spec.objective.name,
            measured_on=self.search.measured_on,
            trial=best.number if best else None,
            value=best.value if best else None,
            parameters=best.values if best else {},
            dataset=spec.template.dataset.uri,
        )
