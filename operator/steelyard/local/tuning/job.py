"""A search and where it lies on this machine. Imports the api and local."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steelyard.api.errors import ConfigurationError
from steelyard.api.loading import parse_training_job
from steelyard.api.publish import PublishTarget
from steelyard.api.training_job import TrainingJob
from steelyard.api.tuning_job import TuningJob
from steelyard.contract.stages import Reason
from steelyard.contract.version import API_VERSION
from steelyard.contract.workspace import Workspace
from steelyard.local.claims import claim_folders
from steelyard.local.job import WORKSPACES, LocalJob
from steelyard.local.own_code import pinned
from steelyard.stores.surroundings import Surroundings

SEARCH_FILE = "search.json"


@dataclass(frozen=True)
class LocalSearch:
    """A search, the folder that its relative URIs are relative to, its workspace, and its claims' folders."""

    tuning: TuningJob
    base_dir: Path
    workspace: Workspace
    """Its folders data, trials/NNNN, packs/NNNN and best are workspaces themselves."""
    claims: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        tuning: TuningJob,
        manifest: Path,
        workspace: Path | None = None,
        claims: Mapping[str, Path] | None = None,
    ) -> "LocalSearch":
        """A search that was read from a manifest; touches nothing.

        Args:
            tuning: the search.
            manifest: the manifest's file; its folder is what relative URIs are relative to.
            workspace: default: .steelyard/NAME beside the manifest.
            claims: the folders that stand for claims; default: claims/CLAIM beside the manifest.

        Raises:
            ConfigurationError: the manifest does not name one of the claims.
        """
        template = tuning.spec.template
        if template.publish is None:
            target = PublishTarget(uri=f"models/{tuning.metadata.name}")
            template = template.model_copy(update={"publish": [target]})
            tuning = tuning.model_copy(update={"spec": tuning.spec.model_copy(update={"template": template})})
        base_dir = manifest.parent.resolve()
        root = base_dir / WORKSPACES / tuning.metadata.name if workspace is None else workspace.resolve()
        folders = claim_folders(template, base_dir, claims or {})
        template = pinned(template, Surroundings(base_dir, folders))
        tuning = tuning.model_copy(update={"spec": tuning.spec.model_copy(update={"template": template})})
        return cls(tuning, base_dir, Workspace(root), folders)

    @property
    def name(self) -> str:
        """The search's name."""
        return self.tuning.metadata.name

    @property
    def search_file(self) -> Path:
        """The search and its log."""
        return self.workspace.root / SEARCH_FILE

    def kept_file(self, inputs: dict[str, Any]) -> Path:
        """Where the log of these inputs is kept while the manifest asks for others: it may have taken days."""
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
        return self.search_file.with_name(f"search.{digest[:8]}.json")

    @property
    def template(self) -> LocalJob:
        """The template as a job, for looking at its data and at where the model goes."""
        spec = self.tuning.spec.template.model_dump(mode="json", by_alias=True, exclude_unset=True)
        manifest = {"apiVersion": API_VERSION, "kind": "TrainingJob", "metadata": {"name": self.name}, "spec": spec}
        return self.local(parse_training_job(manifest, source="spec.template"), self.workspace.root)

    def local(self, job: TrainingJob, root: Path) -> LocalJob:
        """One of the search's jobs, in a workspace of its own."""
        return LocalJob(job, self.base_dir, Workspace(root), self.claims, self.workspace.code)

    @property
    def data_root(self) -> Path:
        """The workspace of the job that prepares the data."""
        return self.workspace.root / "data"

    @property
    def best_root(self) -> Path:
        """The workspace of the job that publishes the best trial's model."""
        return self.workspace.root / "best"

    def trial_root(self, number: int) -> Path:
        """The workspace of a trial."""
        return self.workspace.root / "trials" / f"{number:04}"

    def pack_root(self, number: int) -> Path:
        """The workspace of a pack, which is named by its first trial."""
        return self.workspace.root / "packs" / f"{number:04}"

    @property
    def dataset_uri(self) -> str:
        """The prepared data that all trials share: what the manifest names, where that is prepared already."""
        dataset = self.tuning.spec.template.dataset
        return dataset.uri if dataset.is_prepared else self.uri(Workspace(self.data_root).prepared)

    @property
    def prepared(self) -> Path:
        """The folder of that data."""
        return self.template.resolve(self.dataset_uri)

    def uri(self, path: Path) -> str:
        """A path as a manifest would name it: relative to the manifest's folder if it lies below."""
        return str(path.relative_to(self.base_dir) if path.is_relative_to(self.base_dir) else path)

    def check_workspace(self) -> None:
        """Raises ConfigurationError where the folder is another job's workspace, or something else altogether."""
        root = self.workspace.root
        if not root.exists():
            return
        if not root.is_dir():
            raise ConfigurationError(f"the workspace {root} is a file; a folder is needed")
        if self.search_file.exists():
            return
        own = {self.workspace.lock_file.name, self.workspace.input_file.name}
        if foreign := sorted(path.name for path in root.iterdir() if path.name not in own and path.name[0] != "."):
            whose = (
                "is that of a TrainingJob"
                if self.workspace.state_file.exists()
                else f"is none of Steelyard's and not empty (it holds {foreign[0]})"
            )
            raise ConfigurationError(
                f"the folder {root} {whose}; name an empty one, or one that does not exist yet, with --workspace, or "
                "remove it if it was one",
                reason=Reason.WORKSPACE_OF_ANOTHER_JOB,
            )
