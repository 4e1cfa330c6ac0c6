"""The pod templates of a job's stages."""

from typing import Any

from controller_support import context_with, stage_of

from steelyard.contract.stages import StageName
from steelyard.controller.training.pods import pod_template

PREPARED = "dataset.format=Prepared"


def template(stage: StageName, *overrides: str, **settings: Any) -> dict[str, Any]:
    return pod_template(context_with(*overrides, **settings), stage_of(stage, *overrides))


def container(stage: StageName, *overrides: str, **settings: Any) -> dict[str, Any]:
    (found,) = template(stage, *overrides, **settings)["spec"]["containers"]
    return found


def environment(stage: StageName, *overrides: str, **settings: Any) -> dict[str, Any]:
    """Values and sources by name; a name that is given twice is no environment."""
    variables = container(stage, *overrides, **settings)["env"]
    found = {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in variables}
    assert len(found) == len(variables)
    return found
