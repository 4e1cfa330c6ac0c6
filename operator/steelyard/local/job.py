"""A job and where it lies on this machine. Imports stores and the api only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from steelyard.api.errors import ConfigurationError
from steelyard.api.loading import load_training_job
from steelyard.api.publish import PublishTarget
from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import Reason
from steelyard.contract.workspace import Workspace
from steelyard.local.claims import claim_folders
from steelyard.local.own_code import pinned
from steelyard.local.state import State
from steelyard.stores.base import Store
from steelyard.stores.registry import store_at
from steelyard.stores.surroundings import Surroundings

WORKSPACES = ".steelyard"
"""The folder beside a manifest that holds the workspaces of its jobs, by name."""


@dataclass(frozen=True)
class LocalJob:
    """A job, the folder that its relative URIs are relative to, its workspace, and the folders that are its claims."""

    job: TrainingJob
    base_dir: Path
    workspace: Workspace
    claims: Mapping[str, Path] = field(default_factory=dict)
    """The folder of each claim that the manifest names."""
    search_code: Path | None = None
    """Of a search's job: the folder with the user's own code that all of them read."""

    @classmethod
    def load(
        cls,
        manifest: Path,
        overrides: Sequence[str] = (),
        workspace: Path | None = None,
        claims: Mapping[str, Path] | None = None,
    ) -> "LocalJob":
        """Reads a manifest; touches nothing.

        Args:
            manifest: the manifest's file; its folder is what relative URIs are relative to.
            overrides: `path=value` each.
            workspace: default: .steelyard/NAME beside the manifest.
            claims: the folders that stand for claims; default: claims/CLAIM beside the manifest.

        Raises:
            ConfigurationError: the manifest can't be read or is not valid, or does not name one of the claims.
        """
        return cls.of(load_training_job(manifest, overrides), manifest, workspace, claims)

    @classmethod
    def of(
        cls,
        job: TrainingJob,
        manifest: Path,
        workspace: Path | None = None,
        claims: Mapping[str, Path] | None = None,
    ) -> "LocalJob":
        """A job that was read from a manifest; as `load`. Raises ConfigurationError."""
        name = job.metadata.name
        if job.spec.publish is None and not job.spec.only_prepare:
            # Put in here, so that the trainer and the stages' keys see it.
            spec = job.spec.model_copy(update={"publish": [PublishTarget(uri=f"models/{name}")]})
            job = job.model_copy(update={"spec": spec})
        base_dir = manifest.parent.resolve()
        root = base_dir / WORKSPACES / name if workspace is None else workspace.resolve()
        folders = claim_folders(job.spec, base_dir, claims or {})
        spec = pinned(job.spec, Surroundings(base_dir, folders))
        return cls(job.model_copy(update={"spec": spec}), base_dir, Workspace(root), folders)

    @property
    def code(self) -> Path | None:
        """The folder that the stages import the user's own code from; None where there is none, or it is installed."""
        return None if self.job.spec.code is None else self.search_code or self.workspace.code

    def resolve(self, uri: str) -> Path:
        """Where a place lies here; see `Surroundings.path`."""
        return self.surroundings.path(uri)

    @property
    def surroundings(self) -> Surroundings:
        """What this machine sees of the places that the manifest names."""
        return Surroundings(self.base_dir, self.claims)

    @property
    def publish_stores(self) -> list[Store]:
        """What the model is published to."""
        return [store_at(target.uri, self.surroundings) for target in self.job.spec.publish or []]

    @property
    def publish_folders(self) -> list[Path]:
        """Where the model goes."""
        return [self.resolve(target.uri) for target in self.job.spec.publish or []]

    def load_state(self) -> State | None:
        """What the workspace remembers; None where the job never ran in it.

        Raises:
            ConfigurationError: the folder is another job's workspace, or no workspace, or can't be understood.
        """
        root = self.workspace.root
        if root.exists() and not root.is_dir():
            raise ConfigurationError(f"the workspace {root} is a file; a folder is needed")
        state = State.load(self.workspace)
        if state is None and root.exists():
            own = {self.workspace.lock_file.name, self.workspace.input_file.name}
            if foreign := sorted(path.name for path in root.iterdir() if path.name not in own and path.name[0] != "."):
                raise ConfigurationError(
                    f"the folder {root} is no workspace of Steelyard and not empty (it holds {foreign[0]}); name an "
                    "empty one, or one that does not exist yet, with --workspace, or remove it if it was one",
                    reason=Reason.WORKSPACE_OF_ANOTHER_JOB,
                )
        if state is not None and state.job != self.job.metadata.name:
            raise ConfigurationError(
                f"the workspace {root} belongs to the job '{state.job}', but this one is '{self.job.metadata.name}'; "
                "use another --workspace",
                reason=Reason.WORKSPACE_OF_ANOTHER_JOB,
            )
        return state
