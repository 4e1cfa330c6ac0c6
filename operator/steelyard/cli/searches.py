"""Where a search's log is found: a workspace, a published model, a manifest, or a TuningJob on a cluster.

Imports local, the search, the api and the client."""

import json
import re
from pathlib import Path

from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.api.tuning_job import TuningJob
from steelyard.cli.cluster import connected
from steelyard.contract.stages import Reason
from steelyard.local.job import WORKSPACES
from steelyard.local.tuning.job import SEARCH_FILE, LocalSearch
from steelyard.search.log import SearchDocument
from steelyard.search.manifest import load_manifest

_LOG = re.compile(r"search(\.[0-9a-f]{8})?\.json")
"""A search's log, and those that are kept of it where it was begun anew."""


def find_search(name: str, context: str | None, namespace: str | None) -> SearchDocument:
    """A search and its log.

    Args:
        name: a folder with a search.json (the workspace of a search, a published model), that file or a kept
            search.DIGEST.json, a manifest that ran on this machine, or the name of a TuningJob on a cluster.
        context: of the kubeconfig, for a TuningJob.
        namespace: of the TuningJob.

    Raises:
        SteelyardError: there is none.
    """
    path = Path(name)
    if path.is_dir():
        return read_search(_file_in(path))
    if _LOG.fullmatch(path.name):
        return read_search(path)
    if path.exists() or path.suffix in (".yaml", ".yml", ".json") or "/" in name:
        manifest = load_manifest(path)
        if not isinstance(manifest, TuningJob):
            raise ConfigurationError(f"{path} holds a TrainingJob, which has no trials; name a TuningJob")
        return read_search(LocalSearch.of(manifest, path).search_file)
    try:
        with connected(context, namespace) as client:
            found = client.get(name, "TuningJob")
    except SteelyardError as error:
        if error.reason == Reason.NO_CONNECTION and context is None and namespace is None:
            message = (
                f"there is no file or folder {name} here, so a TuningJob on a cluster is meant; but {error.message}"
            )
            raise SteelyardError(message, reason=error.reason, exit_code=error.exit_code) from None
        raise
    try:
        return found.search
    except ValueError as error:
        raise ConfigurationError(f"the log of {name} was written by another version of Steelyard: {error}") from None


def _file_in(folder: Path) -> Path:
    """The search.json of a folder; or of the one search that ran in it, where it is a manifest's."""
    if not (folder / SEARCH_FILE).exists():
        found = sorted(folder.glob(f"{WORKSPACES}/*/{SEARCH_FILE}"))
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(file.parent.name for file in found)
            raise ConfigurationError(f"several searches ran in {folder}: {names}; name the folder {WORKSPACES}/NAME")
        raise ConfigurationError(
            f"there is no search in the folder {folder}: neither {folder / SEARCH_FILE} nor a {SEARCH_FILE} in "
            f"{folder / WORKSPACES}/NAME exists; `steelyard run` of a TuningJob makes it",
            reason=Reason.SOURCE_NOT_FOUND,
        )
    return folder / SEARCH_FILE


def read_search(file: Path) -> SearchDocument:
    """A search.json. Raises ConfigurationError."""
    try:
        return SearchDocument.from_json(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ConfigurationError(
            f"there is no search: {file} does not exist; `steelyard run` of a TuningJob makes it",
            reason=Reason.SOURCE_NOT_FOUND,
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{file} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{file} can't be understood: {type(error).__name__}: {error}") from None
