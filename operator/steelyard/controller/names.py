"""What a job's children are called, how they are labelled and where pods find things. Imports kube and the api only.

Names are deterministic: a second attempt to make a child meets the first one's.
"""

from typing import Any

from steelyard.api.training_job import API_VERSION
from steelyard.kube.names import CONTAINER as CONTAINER
from steelyard.kube.names import JOB_LABEL as JOB_LABEL
from steelyard.kube.names import STAGE_LABEL as STAGE_LABEL
from steelyard.kube.names import stage_job_name as stage_job_name

MANAGED_BY = "app.kubernetes.io/managed-by=steelyard"
"""Selects every object of ours."""
STAGE_KEY_ANNOTATION = "steelyard.dev/stage-key"

TENSORFLOW_PORT = 2222
SUPERVISOR_PORT = 2223

WORKSPACE_FOLDER = "/steelyard/workspace"
CLAIMS_FOLDER = "/steelyard/claims"
SPEC_FOLDER = "/steelyard/spec"
SPEC_FILE = "job.json"
RESULT_FILE = "/dev/termination-log"


def workspace_claim_name(job: str) -> str:
    """The claim that is made for a job."""
    return f"{job}-workspace"


def spec_config_map_name(job: str) -> str:
    """The ConfigMap with a spec that is too large for an environment variable."""
    return f"{job}-spec"


def worker_host(job: str, namespace: str, index: int) -> str:
    """The DNS name of a worker: its pod's hostname in its Service's domain."""
    name = stage_job_name(job, "train")
    return f"{name}-{index}.{name}.{namespace}.svc"


def labels_of(job: str, component: str) -> dict[str, str]:
    """The recommended labels, and ours."""
    return {
        "app.kubernetes.io/name": "steelyard",
        "app.kubernetes.io/managed-by": "steelyard",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/instance": job,
        JOB_LABEL: job,
    }


def owner_reference(job: str, uid: str) -> dict[str, Any]:
    """Makes the garbage collector remove a child with its job."""
    return {
        "apiVersion": API_VERSION,
        "kind": "TrainingJob",
        "name": job,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
