"""What a pod that does not run waits for. Pure. Imports kube only."""

from steelyard.kube.errors import Object

# Kubernetes may try these again, but nothing will change.
_HOPELESS = ("CreateContainerConfigError", "CreateContainerError", "ErrImageNeverPull", "InvalidImageName")


def waits_for(pod: Object) -> tuple[str, bool]:
    """What a pod that does not run waits for, in the words of scheduler or kubelet; whether that is hopeless."""
    status = pod["status"]
    for container in status.get("containerStatuses", []):
        state = container.get("state", {})
        if (ended := state.get("terminated")) is not None:
            return f"it ended with exit code {ended.get('exitCode')} {ended.get('message', '')}".strip(), True
        waiting = state.get("waiting", {})
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"{waiting['reason']}: {waiting.get('message', '')}", waiting["reason"] in _HOPELESS
    if status.get("phase") == "Failed":
        return f"{status.get('reason', 'it failed')}: {status.get('message', '')}", True
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason', '')}: {condition.get('message', '')}", False
    return "its node mounts its volumes and starts it" if pod["spec"].get("nodeName") else "a node is looked for", False
