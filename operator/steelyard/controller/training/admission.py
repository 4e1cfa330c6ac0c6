"""Whether a TrainingJob can be run at all, and as what: from its body to a job and a plan, or to the reason why not.

Pure; imports planning, the api and the controller's pods and settings.

The CRD refuses most mistakes at `kubectl apply`. What an older CRD let in, or no schema can say, ends here.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from steelyard.api.errors import ManifestError
from steelyard.api.loading import parse_training_job
from steelyard.api.training_job import TrainingJob, TrainingJobSpec
from steelyard.contract.stages import Reason
from steelyard.controller.names import SEARCH_ANNOTATION, TUNING_LABEL
from steelyard.controller.policies.endings import Broken
from steelyard.controller.settings import Settings
from steelyard.controller.training.pods import JobContext
from steelyard.planning import Plan, plan
from steelyard.planning.clusters import claims_of, cluster_problems


@dataclass(frozen=True)
class Admitted:
    """A job that can be run."""

    context: JobContext
    plan: Plan


def admit(body: dict[str, Any], settings: Settings, own_claims: Collection[str] = ()) -> Admitted | Broken:
    """The job of a body, its plan, and what its children have in common; or why there is none.

    Args:
        body: the job's.
        settings: the operator's.
        own_claims: claims that were made for the TuningJob whose child this is: no list need allow them.
    """
    metadata = body["metadata"]
    try:
        job = parse_training_job(manifest_of(body), source="the job")
    except ManifestError as error:
        return Broken(Reason.INVALID_MANIFEST, "\n".join(map(str, error.problems)))
    if problems := cluster_problems(job.spec):
        return Broken(Reason.INVALID_MANIFEST, "\n".join(map(str, problems)))
    if forbidden := not_allowed(job.spec, settings, own_claims=own_claims):
        return Broken(Reason.NOT_ALLOWED, "\n".join(forbidden))
    image = (body.get("status") or {}).get("trainerImage") or image_of(job, settings)
    context = JobContext(
        job,
        metadata["namespace"],
        metadata["uid"],
        image,
        settings,
        tuning_job=(metadata.get("labels") or {}).get(TUNING_LABEL, ""),
        search_config_map=(metadata.get("annotations") or {}).get(SEARCH_ANNOTATION, ""),
    )
    # A job's workspace is its own, and its spec stays once it has begun: its uid stands for the source's content and
    # for the trainer, so that its keys stay the same whatever becomes of the operator.
    return Admitted(context, plan(job, source_digest=metadata["uid"], trainer_version=""))


def manifest_of(body: dict[str, Any]) -> dict[str, Any]:
    """What a user wrote of an object: without status, and of its metadata the name."""
    return {
        "apiVersion": body.get("apiVersion"),
        "kind": body.get("kind"),
        "metadata": {"name": body["metadata"]["name"]},
        "spec": body.get("spec"),
    }


def image_of(job: TrainingJob, settings: Settings) -> str:
    """The trainer's image of a job that begins now."""
    return job.spec.template.image or settings.trainer_image


def not_allowed(
    spec: TrainingJobSpec, settings: Settings, where: str = "spec", own_claims: Collection[str] = ()
) -> list[str]:
    """What a job names that the administrator's lists do not hold; an empty list allows everything."""
    template = spec.template
    accounts = [("template.serviceAccountName", template.service_account_name or "default")]
    claims = [("dataset.uri, publish", claim) for claim in claims_of(spec) if claim not in own_claims]
    if spec.workspace.claim_name is not None and spec.workspace.claim_name not in own_claims:
        claims.append(("workspace.claimName", spec.workspace.claim_name))
    secrets = [(f"template.imagePullSecrets[{i}]", secret.name) for i, secret in enumerate(template.image_pull_secrets)]
    for index, variable in enumerate(template.env):
        if variable.value_from is not None and variable.value_from.secret_key_ref is not None:
            secrets.append((f"template.env[{index}]", variable.value_from.secret_key_ref.name))
    for index, volume in enumerate(template.volumes):
        if volume.source.secret is not None:
            secrets.append((f"template.volumes[{index}]", volume.source.secret))
        if volume.source.claim is not None:
            claims.append((f"template.volumes[{index}]", volume.source.claim))
    lists = [
        ("service account", accounts, settings.allowed_service_accounts),
        ("claim", claims, settings.allowed_claims),
        ("Secret", secrets, settings.allowed_secrets),
    ]
    return [
        f"{where}.{field}: the {kind} '{name}' may not be used here; allowed: {', '.join(allowed)}"
        for kind, used, allowed in lists
        if allowed
        for field, name in used
        if name not in allowed
    ]
