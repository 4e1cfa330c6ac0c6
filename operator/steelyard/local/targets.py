"""Whether the places that a model is published to can be. Imports the api only."""

import os
from pathlib import Path

from steelyard.api.contract import Reason
from steelyard.api.errors import ConfigurationError, Problem
from steelyard.local.job import LocalJob


def publish_problems(job: LocalJob) -> list[Problem]:
    """What keeps the model from being published, one per place at most."""
    return [
        Problem(f"spec.publish[{index}].uri", message)
        for index, folder in enumerate(job.publish_folders)
        if (message := _problem(folder)) is not None
    ]


def check_publish_targets(job: LocalJob) -> None:
    """Raises ConfigurationError where a model could not be published, so that nobody trains one in vain."""
    if problems := publish_problems(job):
        raise ConfigurationError("\n".join(str(problem) for problem in problems), reason=Reason.TARGET_OCCUPIED)


def _problem(folder: Path) -> str | None:
    if folder.exists():
        if not folder.is_dir():
            return f"{folder} is a file; the model is published as a folder"
        if any(folder.iterdir()) and not (folder / "steelyard.json").exists():
            return f"{folder} is not empty and holds no published model; name another folder, or move it away"
    parent = next(path for path in folder.parents if path.exists())
    if not parent.is_dir():
        return f"{folder} can't be made: {parent} is a file"
    if not os.access(parent, os.W_OK | os.X_OK):
        return f"{folder} can't be made: user {os.getuid()} may not write in {parent}"
    return None
