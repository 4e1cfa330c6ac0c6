"""The pods of a training program of the user's own (`spec.model.container`): its image, put under the same restrictions
as every pod of ours. Pure; imports the api, the contract and the controller's names.

Before it runs, containers of the trainer's image make its folders in the workspace, and bring what starts it again in
place (gang/standalone), or, where the image alone knows its command, wait for the other workers once.
"""

from pathlib import Path
from typing import Any

from steelyard.api.models.container import Container
from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.stages import Env
from steelyard.contract.workspace import Workspace
from steelyard.controller.names import BEFORE_PROGRAMS, TENSORFLOW_PORT, WORKSPACE_FOLDER
from steelyard.planning import Stage
from steelyard.stores.surroundings import Surroundings

TOOLS_FOLDER = "/steelyard/tools"
SUPERVISOR = f"{TOOLS_FOLDER}/supervise"
_FOLDERS, _SUPERVISOR, _PEERS = BEFORE_PROGRAMS
_TOOLS = "tools"
_TOOLS_LIMIT = "256Mi"


def is_own_program(spec: TrainingJobSpec, stage: str) -> bool:
    """Whether a stage's pods run a program of the user's own."""
    return spec.container is not None and stage == "train"


def with_program(
    spec: TrainingJobSpec, stage: Stage, trainer: dict[str, Any], workspace: str, claims: dict[str, str]
) -> dict[str, Any]:
    """What a pod's spec has in the place of the trainer's container.

    Args:
        spec: the job's, which has a container.
        stage: train.
        trainer: the container that the trainer would have.
        workspace: the workspace's folder in the pods.
        claims: the folder of each claim.

    Returns:
        initContainers, containers, and the volumes beside those that the trainer has.
    """
    container = spec.container
    assert container is not None
    policy = {"name": str(Env.RUN_POLICY), "value": spec.run_policy.limits}
    own = {**trainer, "env": [*trainer["env"], policy]}
    first = [_init(own, _FOLDERS, ["begin-program"])]
    if container.command is None:
        if stage.workers > 1:
            first.append(_init(own, _PEERS, ["wait-for-peers"]))
        return {"initContainers": first, "containers": [_program(spec, container, stage, own, workspace, claims)]}
    mount = {"name": _TOOLS, "mountPath": TOOLS_FOLDER}
    own = {**own, "volumeMounts": [*own["volumeMounts"], mount]}
    first.append(_init(own, _SUPERVISOR, ["install-supervisor", TOOLS_FOLDER]))
    return {
        "initContainers": first,
        "containers": [_program(spec, container, stage, own, workspace, claims)],
        "volumes": [{"name": _TOOLS, "emptyDir": {"sizeLimit": _TOOLS_LIMIT}}],
    }


def _init(own: dict[str, Any], name: str, args: list[str]) -> dict[str, Any]:
    return {**own, "name": name, "args": args}


def _program(
    spec: TrainingJobSpec,
    container: Container,
    stage: Stage,
    own: dict[str, Any],
    workspace: str,
    claims: dict[str, str],
) -> dict[str, Any]:
    """The user's own container."""
    surroundings = Surroundings(None, {claim: Path(folder) for claim, folder in claims.items()})
    given = Workspace(Path(workspace))
    own = {**own, "volumeMounts": _mounts(spec, own["volumeMounts"], given)}
    data = surroundings.path(spec.dataset.uri) if spec.dataset.is_prepared else given.prepared
    variables = {**given.program.variables(data, spec.training.seed), **_escaped(container.env)}
    if container.command is None:
        variables |= _peers(stage, own["env"])
    kept = [each for each in own["env"] if each["name"] not in variables]
    program = {
        **own,
        "image": container.image,
        "env": [*kept, *({"name": name, "value": value} for name, value in variables.items())],
        # What it says last is what a person is told, where nothing else was left.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    del program["args"]
    if spec.template.image_pull_policy is None:
        # Kubernetes' own default goes by the image's tag.
        del program["imagePullPolicy"]
    words = [_literal(word) for word in (*(container.command or ()), *container.args)]
    if container.command is not None:
        program["command"] = [SUPERVISOR, "--", *words]
    elif words:
        program["args"] = words
    if container.working_dir is not None:
        program["workingDir"] = container.working_dir
    return program


def _mounts(spec: TrainingJobSpec, mounts: list[dict[str, Any]], workspace: Workspace) -> list[dict[str, Any]]:
    """Of the workspace's volume, which may hold other jobs' too, the program's own folder, and to read the data. Both
    are there before it starts: else the kubelet would make them, and they would be root's."""
    (whole,) = [mount for mount in mounts if mount["mountPath"] == WORKSPACE_FOLDER]
    others = [mount for mount in mounts if mount is not whole]

    def part(folder: Path) -> dict[str, Any]:
        return {**whole, "mountPath": str(folder), "subPath": str(folder.relative_to(WORKSPACE_FOLDER))}

    read = [] if spec.dataset.is_prepared else [{**part(workspace.prepared), "readOnly": True}]
    return [part(workspace.program.root), *read, *others]


def _peers(stage: Stage, variables: list[dict[str, Any]]) -> dict[str, str]:
    """What torchrun would say, of a program that no supervisor starts. TF_CONFIG is among the trainer's variables."""
    workers = next((each["value"] for each in variables if each["name"] == Env.WORKERS), None)
    host = "127.0.0.1" if workers is None else workers.split(",")[0].rpartition(":")[0]
    return {
        "RANK": "0" if workers is None else f"$({Env.WORKER_INDEX})",
        "WORLD_SIZE": str(stage.workers),
        "LOCAL_RANK": "0",
        "MASTER_ADDR": host,
        "MASTER_PORT": str(TENSORFLOW_PORT),
    }


def _literal(text: str) -> str:
    """A text that Kubernetes leaves as it is: $(NAME) would be a variable, as it is not on this machine."""
    return text.replace("$", "$$")


def _escaped(variables: dict[str, str]) -> dict[str, str]:
    return {name: _literal(value) for name, value in variables.items()}
