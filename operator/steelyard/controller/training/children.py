"""The children of a job as manifests: pure functions, spec in, dictionary out. Imports planning, the api and the
controller's pods and names."""

from typing import Any

from steelyard.api.pods import WorkspaceSpec
from steelyard.contract.stages import EndKind, ExitCode
from steelyard.controller.names import (
    CONTAINER,
    JOB_LABEL,
    SPEC_FILE,
    STAGE_KEY_ANNOTATION,
    STAGE_LABEL,
    SUPERVISOR_PORT,
    TENSORFLOW_PORT,
    labels_of,
    owner_reference,
    spec_config_map_name,
    stage_job_name,
    workspace_claim_name,
)
from steelyard.controller.training.pods import JobContext, pod_template
from steelyard.controller.training.program_pods import is_own_program
from steelyard.planning import Stage

DEFAULT_STORAGE = "10Gi"


def stage_children(context: JobContext, stage: Stage) -> list[tuple[str, dict[str, Any]]]:
    """All that must be there before a stage can run, and last its Job: (resource, manifest) each."""
    children: list[tuple[str, dict[str, Any]]] = []
    if context.job.spec.workspace.claim_name is None:
        children.append(("persistentvolumeclaims", workspace_claim(context)))
    if context.has_large_spec:
        children.append(("configmaps", spec_config_map(context)))
    if stage.workers > 1:
        children.append(("services", workers_service(context, stage)))
        if context.settings.network_policy:
            children.append(("networkpolicies", workers_network_policy(context, stage)))
    children.append(("jobs", stage_job(context, stage)))
    return children


def workspace_claim(context: JobContext) -> dict[str, Any]:
    """The claim that is made for a job and goes with it."""
    metadata = _metadata(context, workspace_claim_name(context.name), "workspace")
    return claim_for(context.job.spec.workspace, metadata)


def claim_for(workspace: WorkspaceSpec, metadata: dict[str, Any]) -> dict[str, Any]:
    """A claim of the size, class and access that a workspace asks for."""
    spec: dict[str, Any] = {
        "accessModes": [workspace.access_mode],
        "resources": {"requests": {"storage": workspace.storage or DEFAULT_STORAGE}},
    }
    if workspace.storage_class_name is not None:
        spec["storageClassName"] = workspace.storage_class_name
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def spec_config_map(context: JobContext) -> dict[str, Any]:
    """A spec that is too large for an environment variable."""
    metadata = _metadata(context, spec_config_map_name(context.name), "spec")
    data = {SPEC_FILE: context.spec_json}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "immutable": True, "data": data}


def workers_service(context: JobContext, stage: Stage) -> dict[str, Any]:
    """Gives each worker a DNS name, also before it is ready: workers wait for each other."""
    ports = [("tensorflow", TENSORFLOW_PORT), ("supervisor", SUPERVISOR_PORT)]
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {JOB_LABEL: context.name, STAGE_LABEL: stage.name},
        "ports": [{"name": name, "port": port} for name, port in ports],
    }
    metadata = _metadata(context, stage_job_name(context.name, stage.name), stage.name)
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def workers_network_policy(context: JobContext, stage: Stage) -> dict[str, Any]:
    """Lets nobody but the job's own workers reach its workers' ports: TensorFlow's server asks nobody who they are."""
    workers = {"matchLabels": {JOB_LABEL: context.name, STAGE_LABEL: stage.name}}
    rule: dict[str, Any] = {"from": [{"podSelector": workers}]}
    if not is_own_program(context.job.spec, stage.name):
        # At which ports a user's own programs talk to each other is their business.
        rule["ports"] = [{"protocol": "TCP", "port": port} for port in (TENSORFLOW_PORT, SUPERVISOR_PORT)]
    spec = {"podSelector": workers, "policyTypes": ["Ingress"], "ingress": [rule]}
    metadata = _metadata(context, stage_job_name(context.name, stage.name), stage.name)
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def stage_job(context: JobContext, stage: Stage) -> dict[str, Any]:
    """The Job of a stage."""
    policy, container = context.job.spec.run_policy, context.job.spec.container
    is_own = is_own_program(context.job.spec, stage.name)
    is_alone = is_own and container is not None and container.command is None
    spec: dict[str, Any] = {
        "completions": stage.workers,
        "parallelism": stage.workers,
        "completionMode": "Indexed" if stage.workers > 1 else "NonIndexed",
        "backoffLimit": policy.backoff_limit,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": failure_rules(of_all=is_own, is_ours=not is_alone)},
        "template": pod_template(context, stage),
    }
    metadata = _metadata(context, stage_job_name(context.name, stage.name), stage.name)
    metadata["labels"][STAGE_LABEL] = stage.name
    metadata["annotations"] = {STAGE_KEY_ANNOTATION: stage.key}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def failure_rules(*, of_all: bool = False, is_ours: bool = True) -> list[dict[str, Any]]:
    """The contract's exit codes in the Job controller's words; what matches no rule counts against backoffLimit.

    Args:
        of_all: whether those of any container count, as where others of ours run before a program of the user's.
        is_ours: whether the last to end is a program of ours, as a supervisor before the user's is.
    """
    permanent = [int(code) for code in ExitCode if EndKind.of(code, is_ours=is_ours) is EndKind.PERMANENT]

    def exits_with(codes: list[int]) -> dict[str, Any]:
        return {**({} if of_all else {"containerName": CONTAINER}), "operator": "In", "values": codes}

    return [
        {"action": "FailJob", "onExitCodes": exits_with(sorted(permanent))},
        {"action": "Ignore", "onExitCodes": exits_with([int(ExitCode.TRY_AGAIN)])},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]


def _metadata(context: JobContext, name: str, component: str) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": context.namespace,
        "labels": labels_of(context.name, component),
        "ownerReferences": [owner_reference(context.name, context.uid)],
    }
