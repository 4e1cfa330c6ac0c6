"""The operator's settings: what an environment may hold, and what is said of every mistake in it."""

import re

import pytest
from repository_support import ROOT

from steelyard.api.errors import ConfigurationError
from steelyard.api.fields import one_line, schema_of
from steelyard.controller.settings import Settings

NEEDED = {"STEELYARD_TRAINER_IMAGE": "trainer:1"}
DOCUMENT = ROOT / "docs" / "operator.md"


def settings(**given: str) -> Settings:
    return Settings.from_environment(NEEDED | {f"STEELYARD_{name}": value for name, value in given.items()})


def problems(environ: dict[str, str]) -> dict[str, str]:
    """What is said of each variable at fault."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment(environ)
    assert caught.value.exit_code == 78
    heading, *lines = caught.value.message.splitlines()
    assert heading == "the operator's settings are not valid:"
    return dict(line.strip().split(": ", 1) for line in lines)


def test_one_variable_is_enough() -> None:
    assert settings() == Settings(trainer_image="trainer:1")
    assert settings().namespaces == () and settings().run_as_user == 65532


def test_every_variable_sets_its_field() -> None:
    given = settings(
        TRAINER_IMAGE_PULL_POLICY="Always",
        NAMESPACES=" team-a, team-b,,team-a ",
        LEADER_ELECTION="false",
        LEASE_NAMESPACE="steelyard",
        LEASE_NAME="other",
        POD_NAME="steelyard-0",
        PORT="9090",
        RECONCILERS="2",
        LOG_FORMAT="text",
        LOG_LEVEL="debug",
        NODE_LOST_TOLERATION_SECONDS="10",
        DEAD_POD_SECONDS="20",
        PROGRESS_SECONDS="1",
        RUN_AS_USER="1000",
        RUN_AS_GROUP="0",
        FS_GROUP="2000",
        STAGE_RESOURCES='{"train": {"requests": {"cpu": "3", "nvidia.com/gpu": "1"}}}',
        ALLOWED_SERVICE_ACCOUNTS="default,trainer",
        ALLOWED_CLAIMS="models",
        ALLOWED_SECRETS="pull",
        NETWORK_POLICY="true",
    )
    assert given.model_dump() == {
        "trainer_image": "trainer:1",
        "trainer_image_pull_policy": "Always",
        "namespaces": ("team-a", "team-b"),
        "leader_election": False,
        "lease_namespace": "steelyard",
        "lease_name": "other",
        "pod_name": "steelyard-0",
        "port": 9090,
        "reconcilers": 2,
        "log_format": "text",
        "log_level": "debug",
        "node_lost_toleration_seconds": 10,
        "dead_pod_seconds": 20,
        "progress_seconds": 1,
        "run_as_user": 1000,
        "run_as_group": 0,
        "fs_group": 2000,
        "stage_resources": {
            "prepare": None,
            "train": {"requests": {"cpu": "3", "nvidia.com/gpu": "1"}, "limits": None},
            "finish": None,
        },
        "allowed_service_accounts": ("default", "trainer"),
        "allowed_claims": ("models",),
        "allowed_secrets": ("pull",),
        "network_policy": True,
    }


def test_an_empty_variable_is_as_none_but_for_the_users_numbers() -> None:
    given = settings(PORT="", NAMESPACES="", LOG_LEVEL=" ", RUN_AS_USER="", RUN_AS_GROUP="", FS_GROUP="")
    assert given == settings().model_copy(update={"run_as_user": None, "run_as_group": None, "fs_group": None})


def test_a_stage_without_resources_of_its_own_has_requests_and_limits_as_quotas_want_them() -> None:
    given = settings(STAGE_RESOURCES='{"train": {"limits": {"memory": "8Gi"}}}')
    assert given.resources_of("train").model_dump() == {"requests": None, "limits": {"memory": "8Gi"}}
    for stage in ("prepare", "finish"):
        resources = given.resources_of(stage)
        assert resources.requests and resources.limits
        assert {*resources.requests} == {*resources.limits} == {"cpu", "memory"}


@pytest.mark.parametrize("name", ["ALLOWED_CLAIMS", "ALLOWED_SECRETS", "ALLOWED_SERVICE_ACCOUNTS", "NAMESPACES"])
def test_a_list_of_commas_does_not_allow_everything(name: str) -> None:
    (said,) = problems(NEEDED | {f"STEELYARD_{name}": " , "}).values()
    assert said.startswith('" , " is not allowed; allowed: a list, each ')


def test_all_mistakes_are_named_at_once() -> None:
    said = problems(
        {
            "STEELYARD_PORT": "65536",
            "STEELYARD_RECONCILERS": "many",
            "STEELYARD_RUN_AS_USER": "0",
            "STEELYARD_LEADER_ELECTION": "perhaps",
            "STEELYARD_LOG_LEVEL": "INFO",
            "STEELYARD_NAMESPACES": "team-a,Team_B",
            "STEELYARD_STAGE_RESOURCES": '{"train": {"requests": {"cpu": "1 core"}}, "training": {}}',
            "STEELYARD_ALLOWED_SECRET": "pull",
        }
    )
    assert said["STEELYARD_TRAINER_IMAGE"].startswith("this field is needed, but it is missing")
    assert said["STEELYARD_PORT"] == '"65536" is not allowed; allowed: a whole number from 1 to 65535'
    assert said["STEELYARD_RECONCILERS"] == '"many" is not allowed; allowed: a whole number from 1 to 256'
    assert said["STEELYARD_RUN_AS_USER"] == '"0" is not allowed; allowed: a whole number from 1 to 2147483647'
    assert said["STEELYARD_LEADER_ELECTION"] == '"perhaps" is not allowed; allowed: true or false'
    assert said["STEELYARD_LOG_LEVEL"] == '"INFO" is not allowed; allowed: debug, info, warning, error'
    assert said["STEELYARD_NAMESPACES[1]"].startswith('"Team_B" is not allowed; allowed: a namespace\'s name')
    assert said["STEELYARD_STAGE_RESOURCES.train.requests.cpu"].startswith('"1 core" is not allowed')
    assert said["STEELYARD_STAGE_RESOURCES.training"].startswith("there is no such field")
    assert "did you mean STEELYARD_ALLOWED_SECRETS?" in said["STEELYARD_ALLOWED_SECRET"]
    assert len(said) == 10


def test_resources_that_are_no_json_are_refused() -> None:
    said = problems(NEEDED | {"STEELYARD_STAGE_RESOURCES": "{train: 1"})
    assert said == {
        "STEELYARD_STAGE_RESOURCES": '"{train: 1" is not allowed; allowed: a map with the fields prepare, train, finish'
    }


def test_what_kubernetes_sets_for_services_of_our_name_is_passed_over() -> None:
    links = {
        "STEELYARD_PORT": "tcp://10.96.0.7:8080",
        "STEELYARD_SERVICE_HOST": "10.96.0.7",
        "STEELYARD_SERVICE_PORT": "8080",
        "STEELYARD_SERVICE_PORT_HTTP": "8080",
        "STEELYARD_PORT_8080_TCP": "tcp://10.96.0.7:8080",
        "STEELYARD_PORT_8080_TCP_ADDR": "10.96.0.7",
        "STEELYARD_OPERATOR_PORT": "tcp://10.96.0.8:8080",
        "PATH": "/bin",
    }
    assert Settings.from_environment(NEEDED | links) == settings()


def test_the_document_has_a_row_for_every_setting_with_its_default_and_its_words() -> None:
    schema = schema_of(Settings)
    rows = []
    for name, field in schema.fields(schema.root).items():
        default = field.get("default")
        if isinstance(default, bool):
            default = str(default).lower()
        shown = f"`{default}`" if default and not isinstance(default, list | dict) else "-"
        rows.append(f"| `{name}` | {shown} | {one_line(field['description'])} |")
    table = "\n".join(["| variable | default | what it is |\n|---|---|---|", *rows])
    assert table in DOCUMENT.read_text(encoding="utf-8"), f"docs/operator.md should have:\n{table}"


def test_the_document_has_the_built_in_resources() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for stage in ("prepare", "train", "finish"):
        resources = settings().resources_of(stage)
        assert resources.requests and resources.limits
        cells = [f"{kind['cpu']} / {kind['memory']}" for kind in (resources.requests, resources.limits)]
        assert re.search(rf"\| {stage} \| {re.escape(cells[0])} \| {re.escape(cells[1])} \|", text)
