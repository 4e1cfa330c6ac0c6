"""Whether the places that a model is published to can be. Imports the api only."""

from steelyard.api.errors import ConfigurationError, Problem
from steelyard.api.published import obstacles
from steelyard.local.job import LocalJob


def publish_problems(job: LocalJob) -> list[Problem]:
    """What keeps the model from being published, one per place at most."""
    return [Problem(f"spec.publish[{found.target}].uri", found.message) for found in obstacles(job.publish_folders)]


def check_publish_targets(job: LocalJob) -> None:
    """Raises ConfigurationError where a model could not be published, so that nobody trains one in vain."""
    if found := obstacles(job.publish_folders):
        raise ConfigurationError("\n".join(map(str, publish_problems(job))), reason=found[0].reason)
