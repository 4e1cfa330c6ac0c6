"""What the local runner remembers between two runs of a job: `state.json` in its workspace. Imports the api only."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from steelyard.api.errors import ConfigurationError
from steelyard.contract.stages import Result, StageName
from steelyard.contract.workspace import Workspace
from steelyard.local.files import write_json
from steelyard.planning.conditions import Condition, Conditions
from steelyard.stores.base import SourceRecord


@dataclass(frozen=True)
class StageRecord:
    """A stage that was started at least once."""

    key: str
    inputs: dict[str, Any]
    """What the key was made from, for saying what changed."""
    result: Result | None = None
    """Its result if it succeeded."""


@dataclass
class State:
    """Everything that is remembered of one job."""

    job: str
    stages: dict[StageName, StageRecord] = field(default_factory=dict)
    conditions: Conditions = ()
    source: SourceRecord | None = None

    @classmethod
    def load(cls, workspace: Workspace) -> "State | None":
        """What is remembered in a workspace; None where nothing is.

        Raises:
            ConfigurationError: the file can't be understood.
        """
        try:
            document = json.loads(workspace.state_file.read_text(encoding="utf-8"))
            return cls(
                job=document["job"],
                stages={
                    name: StageRecord(
                        record["key"],
                        record["inputs"],
                        Result.from_json(record["result"]) if record["result"] else None,
                    )
                    for name, record in document["stages"].items()
                },
                conditions=tuple(Condition.from_json(condition) for condition in document["conditions"]),
                source=SourceRecord.from_json(document["source"]),
            )
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"{workspace.state_file} can't be understood ({type(error).__name__}: {error}); remove the folder "
                f"{workspace.root} to begin anew, or use another --workspace"
            ) from None

    def save(self, workspace: Workspace) -> None:
        """Writes state.json. Raises OSError."""
        write_json(
            workspace.state_file,
            {
                "job": self.job,
                "stages": {name: asdict(record) for name, record in self.stages.items()},
                "conditions": [condition.to_json() for condition in self.conditions],
                "source": asdict(self.source) if self.source else None,
            },
        )
