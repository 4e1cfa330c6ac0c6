"""Whether a TrainingJob can be run: what slipped in under an older CRD, what no cluster can do, what is not allowed."""

import copy
import json
from typing import Any

import pytest
from controller_support import MANIFEST, NAMESPACE, UID
from hypothesis import given
from hypothesis import strategies as st

from steelyard.api.loading import apply_overrides
from steelyard.controller.policies.endings import Broken
from steelyard.controller.settings import Settings
from steelyard.controller.training.admission import Admitted, admit


def body_with(*overrides: str, **status: Any) -> dict[str, Any]:
    """A TrainingJob as the API server sends it."""
    body = copy.deepcopy(apply_overrides(MANIFEST, overrides))
    body["metadata"] |= {"namespace": NAMESPACE, "uid": UID, "resourceVersion": "7", "generation": 1}
    return {**body, "status": status}


def admitted(body: dict[str, Any], **settings: Any) -> Admitted:
    found = admit(body, Settings(trainer_image="trainer:1", **settings))
    assert isinstance(found, Admitted), found
    return found


def refusal(body: dict[str, Any], **settings: Any) -> tuple[str, str]:
    found = admit(body, Settings(trainer_image="trainer:1", **settings))
    assert isinstance(found, Broken)
    return found.reason, found.message


def test_a_good_job_has_its_plan_and_what_its_children_share() -> None:
    found = admitted(body_with())
    assert [stage.name for stage in found.plan.stages] == ["prepare", "train", "finish"]
    context = found.context
    assert (context.name, context.namespace, context.uid, context.image) == ("digits", NAMESPACE, UID, "trainer:1")


def test_keys_are_the_jobs_own_and_stay() -> None:
    """A newer operator goes on with the stages of the older one."""
    keys = [stage.key for stage in admitted(body_with()).plan.stages]
    assert keys == [stage.key for stage in admitted(body_with(), progress_seconds=1).plan.stages]
    successor = body_with()
    successor["metadata"]["uid"] = "another"
    assert not {*keys} & {stage.key for stage in admitted(successor).plan.stages}


@pytest.mark.parametrize(
    ("overrides", "status", "expected"),
    [
        ([], {}, "trainer:1"),
        (["template.image=mine:2"], {}, "mine:2"),
        ([], {"trainerImage": "trainer:0"}, "trainer:0"),
        (["template.image=mine:2"], {"trainerImage": "trainer:0"}, "trainer:0"),
    ],
)
def test_the_image_is_that_with_which_the_job_began(
    overrides: list[str], status: dict[str, str], expected: str
) -> None:
    assert admitted(body_with(*overrides, **status)).context.image == expected


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model={}"], "spec.model: exactly one of"),
        (["training.workers=0"], "spec.training.workers"),
        (["unknown=1"], "spec.unknown"),
        (["metadata.name=" + "a" * 41], "metadata.name"),
        (["metadata.name=1a"], "metadata.name"),
        (["dataset.uri=digits.csv"], "spec.dataset.uri: 'digits.csv' lies on no claim"),
        (["publish=null"], "spec.publish: a cluster has no folder of its own"),
        (["publish=[{uri: 'file:models'}]"], "spec.publish[0].uri"),
    ],
)
def test_what_can_not_be_run_is_refused_with_its_field(overrides: list[str], said: str) -> None:
    reason, message = refusal(body_with(*overrides))
    assert reason == "InvalidManifest" and message.startswith(said)


def test_all_mistakes_are_named_at_once() -> None:
    _, message = refusal(body_with("training.workers=0", "training.epochs=0"))
    assert len(message.splitlines()) == 2


@pytest.mark.parametrize("spec", [None, [], "text", 7, {}, {"dataset": []}, {"publish": {}}])
def test_a_spec_of_another_kind_is_refused(spec: object) -> None:
    assert refusal({**body_with(), "spec": spec})[0] == "InvalidManifest"


@given(
    st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda one: st.dictionaries(st.text(max_size=5), one))
)
def test_no_spec_at_all_makes_admission_fail(spec: object) -> None:
    body = {**body_with(), "spec": spec}
    del body["kind"]
    assert isinstance(admit(body, Settings(trainer_image="trainer:1")), Broken)


# --- the administrator's lists ----------------------------------------------------------------------------------------

SECRETS = {
    "imagePullSecrets": [{"name": "pull"}],
    "env": [
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "token", "key": "k"}}},
        {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "map", "key": "k"}}},
        {"name": "C", "value": "c"},
    ],
    "volumes": [
        {"mountPath": "/var/a", "source": {"secret": "files"}},
        {"mountPath": "/var/b", "source": {"claim": "extra"}},
        {"mountPath": "/var/c", "source": {"configMap": "map"}},
    ],
}
TEMPLATE = f"template={json.dumps(SECRETS)}"


@pytest.mark.parametrize(
    ("overrides", "settings", "said"),
    [
        (
            [],
            {"allowed_service_accounts": ("trainer", "other")},
            ["template.serviceAccountName: the service account 'default' may not be used here; allowed: trainer, oth"],
        ),
        (["template.serviceAccountName=admin"], {"allowed_service_accounts": ("default",)}, ["account 'admin'"]),
        ([], {"allowed_claims": ("data",)}, ["the claim 'models'"]),
        ([], {"allowed_claims": ("models",)}, ["the claim 'data'"]),
        (
            ["workspace.claimName=w"],
            {"allowed_claims": ("data", "models")},
            ["spec.workspace.claimName: the claim 'w'"],
        ),
        ([TEMPLATE], {"allowed_claims": ("data", "models")}, ["spec.template.volumes[1]: the claim 'extra'"]),
        (
            [TEMPLATE],
            {"allowed_secrets": ("other",)},
            [
                "spec.template.imagePullSecrets[0]: the Secret 'pull'",
                "spec.template.env[0]: the Secret 'token'",
                "spec.template.volumes[0]: the Secret 'files'",
            ],
        ),
    ],
)
def test_what_is_not_on_a_list_is_refused(overrides: list[str], settings: dict[str, Any], said: list[str]) -> None:
    reason, message = refusal(body_with(*overrides), **settings)
    assert reason == "NotAllowed"
    lines = message.splitlines()
    assert len(lines) == len(said) and all(text in line for text, line in zip(said, lines, strict=True))


def test_an_empty_list_allows_all_and_a_full_one_what_it_holds() -> None:
    admitted(body_with(TEMPLATE))
    admitted(
        body_with(TEMPLATE, "workspace.claimName=w", "template.serviceAccountName=trainer"),
        allowed_service_accounts=("trainer",),
        allowed_claims=("data", "models", "extra", "w"),
        allowed_secrets=("pull", "token", "files"),
    )
