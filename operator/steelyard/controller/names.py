"""What a job's children are called, how they are labelled and where pods find things. Imports the api only.

Names are deterministic: a second attempt to make a child meets the first one's.
"""

from typing import Any

from steelyard.api.contract import StageName
from steelyard.api.training_job import API_VERSION

MANAGED_BY = "app.kubernetes.io/managed-by=steelyard"
"""Selects every object of ours."""
JOB_LABEL = "steelyard.dev/job"
STAGE_LABEL = "steelyard.dev/stage"
STAGE_KEY_ANNOTATION = "steelyard.dev/stage-key"
CONTAINER = "trainer"

TENSORFLOW_PORT = 2222
SUPERVISOR_PORT = 2223

WORKSPACE_FOLDER = "/steelyard/workspace"
CLAIMS_FOLDER = "/steelyard/claims"
SPEC_FOLDER = "/steelyard/spec"
SPEC_FILE = "job.json"
RESULT_FILE = "/dev/termination-log"


def stage_job_name(job: str, stage: StageName) -> str:
    """The Job of a stage; also the headless Service of its workers."""
    return f"{job}-{stage}"


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
