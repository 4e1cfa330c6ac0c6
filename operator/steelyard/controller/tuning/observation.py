"""A search, its children, and what was found out about them. Imports tuning, the search, the api, the controller's pure
parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from steelyard.api.places import claim_uri
from steelyard.api.tuning_job import TuningJob, TuningJobSpec
from steelyard.contract.trial_report import TrialReport
from steelyard.controller.names import workspace_claim_name
from steelyard.controller.policies.endings import Broken
from steelyard.controller.settings import Settings
from steelyard.controller.tuning.facts import Child, Pack
from steelyard.search.log import Entry, Values
from steelyard.tuning.trials import best_job_name, data_job_name


@dataclass(frozen=True)
class SearchContext:
    """What the children of one search have in common."""

    tuning: TuningJob
    namespace: str
    uid: str
    image: str
    """The trainer's image of all trials."""
    settings: Settings

    @property
    def name(self) -> str:
        """The search's name."""
        return self.tuning.metadata.name

    @property
    def spec(self) -> TuningJobSpec:
        """The search."""
        return self.tuning.spec

    @cached_property
    def spec_json(self) -> str:
        """The search, as JSON."""
        return self.spec.model_dump_json(by_alias=True, exclude_unset=True)

    @property
    def claim(self) -> str:
        """The claim on which all jobs of the search have their workspace, each in a folder of its name."""
        return self.spec.template.workspace.claim_name or workspace_claim_name(self.name)

    @property
    def workspace(self) -> dict[str, Any]:
        """spec.workspace of those jobs."""
        return {"claimName": self.claim, "accessMode": self.spec.template.workspace.access_mode}

    @property
    def dataset(self) -> str:
        """The URI of the prepared data that all trials share."""
        return claim_uri(self.claim, f"{data_job_name(self.name)}/prepared")


@dataclass(frozen=True)
class PackEnding:
    """How a pack ended."""

    reports: Mapping[int, TrialReport]
    """What it has answered, by number."""
    defect: Broken | None = None
    """Why it broke."""
    is_lost: bool = False
    """Whether it is done, but nobody can tell any more what it has answered."""


@dataclass(frozen=True)
class SearchObservation:
    """What is seen of a search that is not over, or whose spec has changed since."""

    context: SearchContext
    generation: int
    status: Mapping[str, Any]
    entries: Mapping[int, Entry]
    """The log, by number."""
    prior: Sequence[Entry]
    """What the search that spec.warmStart names has found out, as the status has it."""
    children: Sequence[Child]
    """Of this search's uid."""
    packs: Sequence[Pack]
    """Of this search's uid."""
    pack_endings: Mapping[str, PackEnding] = field(default_factory=dict)
    """How packs ended, by the Job's uid, as far as their pods were looked at."""
    prior_lines: Sequence[str] | None = None
    """The same as `prior`, just read from the earlier search; None where nobody looked."""
    asked: Mapping[int, Values | None] = field(default_factory=dict)
    """The values that were found just now, by the trial's number; None where no combination is left."""
    refused: Mapping[int, Broken] = field(default_factory=dict)
    """The trials that the API server refused just now."""
    defect: Broken | None = None
    """What makes the search impossible."""

    @property
    def spec(self) -> TuningJobSpec:
        """The search."""
        return self.context.spec

    @cached_property
    def data(self) -> Child | None:
        """The TrainingJob that prepares the data."""
        return self._named(data_job_name(self.context.name))

    @cached_property
    def best(self) -> Child | None:
        """The TrainingJob that publishes the best model."""
        return self._named(best_job_name(self.context.name))

    @cached_property
    def trials(self) -> list[Child]:
        """The TrainingJobs of trials."""
        return [child for child in self.children if child not in (self.data, self.best)]

    def _named(self, name: str) -> Child | None:
        return next((child for child in self.children if child.name == name), None)
