"""What is remembered of a search between two runs: `search.json` in its workspace. Imports the search, the api and
local.

The file is a SearchDocument with what the runner needs beside it, so that whoever reads a search's log can read it.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from steelyard.api.errors import ConfigurationError
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.stages import Reason
from steelyard.contract.version import package_version
from steelyard.local.files import write_json
from steelyard.local.tuning.job import LocalSearch
from steelyard.planning import changed_inputs
from steelyard.search.log import Entry, SearchDocument
from steelyard.stores.base import SourceRecord
from steelyard.tuning.search import INDEPENDENT
from steelyard.tuning.warm_start import answer_inputs

# What neither a trial's values nor its result depend on. It may change while a search goes on.
_FREE = (
    "best",
    "maxFailedTrials",
    "maxMinutes",
    "maxTrials",
    "maxTrialsWithoutImprovement",
    "placement",
    "runPolicy",
    "trialDeadlineSeconds",
)


@dataclass
class SearchState:
    """Everything that is remembered of one search."""

    name: str
    spec: TuningJobSpec
    inputs: dict[str, Any]
    """What the log depends on: with other inputs it is that of another search."""
    entries: dict[int, Entry] = field(default_factory=dict)
    """The finished trials, by number."""
    seconds: float = 0.0
    """For how long the search has run, in all runs together."""
    source: SourceRecord | None = None
    ended: str = ""
    """Why no further trial was created."""

    @property
    def document(self) -> SearchDocument:
        """The search and its log."""
        entries = tuple(self.entries[number] for number in sorted(self.entries))
        return SearchDocument(self.name, self.spec, entries, self.ended)

    @classmethod
    def load(cls, search: LocalSearch, kept: dict[str, Any] | None = None) -> "SearchState | None":
        """What is remembered in a workspace; None where nothing is.

        Args:
            search: whose workspace it is.
            kept: look for what was kept of these inputs; default: what the workspace is at.

        Raises:
            ConfigurationError: the file can't be understood, or is another search's.
        """
        file = search.search_file if kept is None else search.kept_file(kept)
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
            known = SearchDocument.from_json(document)
            state = cls(
                name=known.name,
                spec=known.spec,
                inputs=dict(document["inputs"]),
                entries={entry.number: entry for entry in known.entries},
                seconds=float(document["seconds"]),
                source=SourceRecord.from_json(document["source"]),
                ended=known.ended,
            )
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{file} can't be understood ({type(error).__name__}: {error}); remove the folder "
                f"{search.workspace.root} to begin anew, or use another --workspace"
            ) from None
        if state.name != search.name:
            raise ConfigurationError(
                f"the workspace {search.workspace.root} belongs to the search '{state.name}', but this one is "
                f"'{search.name}'; use another --workspace",
                reason=Reason.WORKSPACE_OF_ANOTHER_JOB,
            )
        return state

    def save(self, search: LocalSearch) -> None:
        """Writes search.json, complete or not at all. Raises OSError."""
        self._write(search.search_file)

    def keep(self, search: LocalSearch) -> None:
        """Writes it where it is found when the manifest asks for the same again, if less is kept there. Raises OSError
        or ConfigurationError."""
        kept = SearchState.load(search, self.inputs)
        if self.entries and (kept is None or len(kept.entries) <= len(self.entries)):
            self._write(search.kept_file(self.inputs))

    def _write(self, file: Path) -> None:
        own = {
            "inputs": self.inputs,
            "seconds": round(self.seconds, 3),
            "source": asdict(self.source) if self.source else None,
        }
        write_json(file, self.document.to_json() | own)


def inputs_of(spec: TuningJobSpec, source_digest: str, prior_digest: str | None) -> dict[str, Any]:
    """All that the values and results of a search depend on.

    Args:
        spec: the search.
        source_digest: stands for the content of the data.
        prior_digest: stands for the log of the search that spec.warmStart names.
    """
    inputs: dict[str, Any] = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    for name in _FREE:
        inputs.pop(name, None)
    if spec.algorithm.name in INDEPENDENT and spec.pruning is None:
        inputs.pop("parallelTrials")  # How many run at once changes no values, and no result.
    inputs["objective"].pop("target", None)
    own = {"source": source_digest, "prior": prior_digest, "trainer": package_version()}
    return inputs | {"template": answer_inputs(spec)} | own


def why_anew(state: SearchState, inputs: dict[str, Any]) -> str | None:
    """Why a log is of no use any more; None where it is."""
    changed = changed_inputs(state.inputs, inputs)
    return f"changed: {', '.join(changed)}" if changed else None
