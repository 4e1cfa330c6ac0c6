"""What a job's children are called, how they are labeled and where pods find things. Imports kube and the api only.

Names are deterministic: a second attempt to make a child meets the first one's.
"""

from typing import Any

from steelyard.contract.version import API_VERSION
from steelyard.kube.names import CONTAINER as CONTAINER
from steelyard.kube.names import JOB_LABEL as JOB_LABEL
from steelyard.kube.names import STAGE_LABEL as STAGE_LABEL
from steelyard.kube.names import TUNING_LABEL as TUNING_LABEL
from steelyard.kube.names import stage_job_name as stage_job_name

MANAGED_BY = "app.kubernetes.io/managed-by=steelyard"
"""Selects every object of ours."""
STAGE_KEY_ANNOTATION = "steelyard.dev/stage-key"
SEARCH_ANNOTATION = "steelyard.dev/search"
"""The ConfigMap with the search whose best model a TrainingJob publishes."""
TRIALS_ANNOTATION = "steelyard.dev/trials"
"""What a trial or a pack answers, as JSON: [[number, values, the answers it was created with or null], ...]."""

TENSORFLOW_PORT = 2222
SUPERVISOR_PORT = 2223

BEFORE_PROGRAMS = ("folders", "supervisor", "peers")
"""Containers of the trainer's image that run before a program of the user's own."""

WORKSPACE_FOLDER = "/steelyard/workspace"
CLAIMS_FOLDER = "/steelyard/claims"
SPEC_FOLDER = "/steelyard/spec"
SPEC_FILE = "job.json"
SEARCH_FOLDER = "/steelyard/search"
SEARCH_FILE = "search.json"
CODE_FOLDER = "/steelyard/code"
"""Where the ConfigMap with the user's own code is mounted."""
PACK_FOLDER = "/steelyard/pack"
PACK_FILE = "pack.json"
PACK_STAGE = "pack"
"""What stands in the stage's place in a pack's Job, pods and result."""
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


def search_config_map_name(tuning_job: str, answers: int) -> str:
    """The ConfigMap with a search as it was when it had so many answers."""
    return f"{tuning_job}-search-{answers}"


def pack_name(tuning_job: str, first: int) -> str:
    """The Job of a pack, and its ConfigMap; named by its first trial."""
    return f"{tuning_job}-pack-{first}"


def owner_reference(job: str, uid: str, kind: str = "TrainingJob") -> dict[str, Any]:
    """Makes the garbage collector remove a child with its job."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "name": job,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
