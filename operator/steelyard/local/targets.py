"""Whether the places that a model is published to can be. Imports stores and the api only."""

from collections.abc import Iterator

from steelyard.api.errors import ConfigurationError, Problem
from steelyard.contract.report import PublishedReport
from steelyard.contract.stages import Reason
from steelyard.local.job import LocalJob
from steelyard.stores.registry import obstacles


def publish_problems(job: LocalJob) -> list[Problem]:
    """What keeps the model from being published, one per place at most."""
    problems = [
        Problem(f"spec.publish[{found.target}].uri", found.obstacle.message) for found in obstacles(job.publish_stores)
    ]
    workspace = job.workspace.root.resolve()
    for index, folder in enumerate(folder.resolve() for folder in job.publish_folders):
        if folder == workspace or folder in workspace.parents or workspace in folder.parents:
            message = f"{folder} and the workspace {workspace} lie in one another; name another folder"
            problems.append(Problem(f"spec.publish[{index}].uri", message))
    return problems


def check_publish_targets(job: LocalJob) -> None:
    """Raises ConfigurationError where a model could not be published, so that nobody trains one in vain."""
    if problems := publish_problems(job):
        found = obstacles(job.publish_stores)
        reason = found[0].obstacle.reason if found else Reason.TARGET_OCCUPIED
        raise ConfigurationError("\n".join(map(str, problems)), reason=reason)


def replaced_models(job: LocalJob) -> Iterator[str]:
    """What is told of each place where a model of another target lies, which publishing replaces."""
    target = job.job.spec.dataset.target
    for folder in job.publish_folders:
        try:
            other = PublishedReport.read(folder).target
        except (OSError, ValueError):
            continue
        if other != target:
            yield f"{folder} holds a model of {other!r}, which this one of {target!r} replaces"
