"""What a search can ask to be done, and what follows from an observation. Imports the controller's pure parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from steelyard.controller.runtime.decision import JobDecision
from steelyard.controller.tuning.draft import TuningDraft
from steelyard.controller.tuning.facts import Child, Pack
from steelyard.search.log import Entry


@dataclass(frozen=True)
class MakeChild:
    """Makes an object that belongs to the search. What is there already stays."""

    resource: str
    body: dict[str, Any]
    number: int | None = None
    """The trial's number, where it is a trial's TrainingJob."""


@dataclass(frozen=True)
class MakePack:
    """Makes a pack: its ConfigMap, and its Job. Where the ConfigMap is there already, the Job is for what that says."""

    config_map: dict[str, Any]
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class DeleteChild:
    """Removes a TrainingJob with all that it has made."""

    child: Child


@dataclass(frozen=True)
class PauseChild:
    """Has a TrainingJob pause, or go on."""

    child: Child
    is_suspended: bool


@dataclass(frozen=True)
class DeletePack:
    """Removes a pack's Job with its pods."""

    pack: Pack


@dataclass(frozen=True)
class PausePack:
    """Has a pack's Job end its pods, or make them again."""

    pack: Pack
    is_suspended: bool


Action: TypeAlias = MakeChild | MakePack | DeleteChild | PauseChild | DeletePack | PausePack


@dataclass
class TuningDecision(JobDecision[TuningDraft, Action]):
    """What follows from the observation of a search."""

    entries: Mapping[int, Entry] = field(default_factory=dict)
    """The log with the answers that came just now."""
    new: list[Entry] = field(default_factory=list)
    """Those answers."""
    ask: tuple[int, ...] = ()
    """The numbers of trials whose values must be found before anything can be decided."""
    needs_prior: bool = False
    """Whether the log of an earlier search must be read before anything can be decided."""
    needs_pods: tuple[Pack, ...] = ()
    """Packs whose pods must be looked at before anything can be decided."""
