"""The pods of a training program of the user's own: its image under our restrictions, and what runs before it."""

import json
from pathlib import Path
from typing import Any

import pytest
from controller_support import context_with, ended, job_with, plan_of, stage_job
from pod_templates import template

from steelyard.contract.stages import Env, Reason, Result
from steelyard.contract.workspace import Workspace
from steelyard.controller.policies.endings import Broken, Done, ending_of
from steelyard.controller.training.children import failure_rules, stage_children
from steelyard.texts.images import ways_out

PROGRAM = {"image": "own:1", "command": ["/train", "$(HOME)"], "args": ["-v"], "model": {"format": "Keras"}}


def spec(workers: int = 2, **program: Any) -> dict[str, Any]:
    """The pod's spec of the stage train; `program` is merged into the container, None takes a field out."""
    merged = {name: value for name, value in {**PROGRAM, **program}.items() if value is not None}
    made: dict[str, Any] = template("train", *overrides(merged), f"training.workers={workers}")["spec"]
    return made


def overrides(program: dict[str, Any]) -> tuple[str, ...]:
    return (f"model={json.dumps({'container': program})}",)


def variables(container: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def test_the_supervisor_stands_before_a_command_that_is_given() -> None:
    made = spec(workingDir="/app", env={"RATE": "$5"})
    folders, supervisor = made["initContainers"]
    assert (folders["image"], folders["args"]) == ("trainer:1", ["begin-program"])
    assert (supervisor["image"], supervisor["args"]) == ("trainer:1", ["install-supervisor", "/steelyard/tools"])
    (own,) = made["containers"]
    assert (own["name"], own["image"], own["workingDir"]) == ("trainer", "own:1", "/app")
    # Kubernetes would put a variable in, which no run on the user's machine does.
    assert own["command"] == ["/steelyard/tools/supervise", "--", "/train", "$$(HOME)", "-v"] and "args" not in own
    mount = {"name": "tools", "mountPath": "/steelyard/tools"}
    assert mount in own["volumeMounts"] and mount in supervisor["volumeMounts"]
    assert next(each for each in made["volumes"] if each["name"] == "tools")["emptyDir"]
    told = variables(own)
    assert told["RATE"] == "$$5" and told["STEELYARD_DATA_DIR"] == "/steelyard/workspace/prepared"
    assert told["STEELYARD_MODEL_DIR"] == "/steelyard/workspace/trained/program/model"
    assert json.loads(told[Env.RUN_POLICY])["backoffLimit"] == 3 and "RANK" not in told
    assert len(told) == len(own["env"])


def test_an_image_that_alone_knows_its_command_waits_for_its_peers_and_is_told_of_them() -> None:
    made = spec(command=None)
    assert [each["args"] for each in made["initContainers"]] == [["begin-program"], ["wait-for-peers"]]
    (own,) = made["containers"]
    assert own["args"] == ["-v"] and "command" not in own
    told = variables(own)
    assert (told["RANK"], told["WORLD_SIZE"], told["LOCAL_RANK"]) == (f"$({Env.WORKER_INDEX})", "2", "0")
    assert (told["MASTER_ADDR"], told["MASTER_PORT"]) == ("digits-train-0.digits-train.team.svc", "2222")
    alone = spec(workers=1, command=None, args=None)
    assert [each["name"] for each in alone["initContainers"]] == ["folders"]
    assert "args" not in alone["containers"][0] and variables(alone["containers"][0])["RANK"] == "0"


@pytest.mark.parametrize("command", [["/train"], None])
def test_it_has_no_more_rights_than_the_trainer(command: list[str] | None) -> None:
    made = spec(command=command)
    assert made["automountServiceAccountToken"] is False and made["securityContext"]["runAsNonRoot"] is True
    for each in (*made["initContainers"], *made["containers"]):
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize(
    ("more", "folder"), [((), ""), (("workspace={claimName: shared}",), "digits/")], ids=["own-claim", "shared-claim"]
)
def test_of_the_workspace_it_sees_its_own_folder_and_the_data(more: tuple[str, ...], folder: str) -> None:
    made = template("train", *overrides(PROGRAM), *more)["spec"]
    (own,) = made["containers"]
    given = [
        (mount["mountPath"], mount["subPath"], mount.get("readOnly", False))
        for mount in own["volumeMounts"]
        if mount["name"] == "claim-0"
    ]
    root = f"/steelyard/workspace/{folder}"
    assert given == [
        (f"{root}trained/program", f"{folder}trained/program", False),
        (f"{root}prepared", f"{folder}prepared", True),
    ]
    # What the supervisor reads and writes is in its folder.
    workspace = Workspace(Path(variables(own)[Env.WORKSPACE]))
    assert workspace.program.contained_file.is_relative_to(given[0][0])
    whole = {"name": "claim-0", "mountPath": "/steelyard/workspace"}
    assert all(whole in each["volumeMounts"] for each in made["initContainers"])


def test_what_another_job_has_prepared_is_its_claim_s() -> None:
    made = template("train", *overrides(PROGRAM), "dataset={uri: pvc://data/prepared, format: Prepared, target: y}")
    mounts = made["spec"]["containers"][0]["volumeMounts"]
    assert [mount["mountPath"] for mount in mounts if "subPath" in mount] == ["/steelyard/workspace/trained/program"]
    assert {"name": "claim-1", "mountPath": "/steelyard/claims/data", "readOnly": True} in mounts


def test_the_other_stages_run_the_trainer() -> None:
    for stage in ("prepare", "finish"):
        made = template(stage, *overrides(PROGRAM))["spec"]
        assert "initContainers" not in made and made["containers"][0]["image"] == "trainer:1"


def test_an_empty_folder_may_be_written_to() -> None:
    volumes = [{"mountPath": "/var/cache/own", "source": {"emptyDir": {"sizeLimit": "1Gi"}}}]
    made = template("train", f"template.volumes={json.dumps(volumes)}")["spec"]
    assert {"name": "volume-0", "mountPath": "/var/cache/own"} in made["containers"][0]["volumeMounts"]
    assert {"name": "volume-0", "emptyDir": {"sizeLimit": "1Gi"}} in made["volumes"]


def test_the_exit_codes_of_what_runs_before_it_count_as_well() -> None:
    context = context_with(*overrides(PROGRAM))
    (stage,) = [stage for stage in plan_of(job_with(*overrides(PROGRAM))).stages if stage.name == "train"]
    _, job = stage_children(context, stage)[-1]
    assert job["spec"]["podFailurePolicy"]["rules"] == failure_rules(of_all=True)
    assert "containerName" not in failure_rules(of_all=True)[0]["onExitCodes"]
    assert failure_rules()[0]["onExitCodes"]["containerName"] == "trainer"
    # The supervisor alone means by 10 and 70 what the trainer does.
    assert failure_rules(of_all=True)[0]["onExitCodes"]["values"] == [10, 65, 70, 78]
    alone = overrides({**{name: value for name, value in PROGRAM.items() if name != "command"}})
    _, job = stage_children(context_with(*alone), stage)[-1]
    assert job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [65, 78]


def test_an_exit_code_of_its_own_is_a_crash() -> None:
    for code in (10, 70):
        broken = ending_of(stage_job("train", "Failed"), "k", [ended("a", code)], own_program=True)
        assert isinstance(broken, Broken) and broken.reason == Reason.BACKOFF_LIMIT_EXCEEDED
    stalled = ended("a", 70, result=Result("train", "k", Reason.STALLED, "no line for 9 s"))
    broken = ending_of(stage_job("train", "Failed"), "k", [stalled], own_program=True)
    assert isinstance(broken, Broken) and (broken.reason, broken.message) == (Reason.STALLED, "no line for 9 s")


def test_its_workers_may_talk_at_any_port() -> None:
    context = context_with(*overrides(PROGRAM), network_policy=True)
    (stage,) = [stage for stage in plan_of(job_with(*overrides(PROGRAM))).stages if stage.name == "train"]
    (rule,) = dict(stage_children(context, stage))["networkpolicies"]["spec"]["ingress"]
    assert rule.keys() == {"from"}


def test_exit_code_0_is_success_without_a_document() -> None:
    job, pods = stage_job("train", "Complete"), [ended("a", 0)]
    done = ending_of(job, "k", pods, own_program=True)
    assert isinstance(done, Done) and done.result.key == "k"
    assert isinstance(ending_of(job, "k", pods), Broken)


def test_its_last_words_are_told_with_the_way_out() -> None:
    pods = [ended("a", 1, last_words="OSError: [Errno 30] Read-only file system: '/app/log'")]
    broken = ending_of(stage_job("train", "Failed"), "k", pods, own_program=True)
    assert isinstance(broken, Broken) and "its last words: OSError" in broken.message
    assert "source: {emptyDir: {}}" in broken.message


@pytest.mark.parametrize(
    ("said", "way"),
    [
        ("CreateContainerConfigError: container has runAsNonRoot and image will run as root", "runAsUser"),
        (
            'ImagePullBackOff: Back-off pulling image "own:1": denied: permission denied',
            "container.image name an image",
        ),
        ('failed to prepare subPath for volumeMount "claim-0" of container "trainer"', "chmod o+x"),
        ("bash: /data/x: Permission denied", "runAsUser"),
        ('exec: "trian": executable file not found in $PATH', "spec.model.container.command"),
        ("segmentation fault", ""),
    ],
)
def test_what_the_system_says_leads_to_a_way_out(said: str, way: str) -> None:
    assert way in ways_out(said) and bool(way) == bool(ways_out(said))
