"""The pod template of a stage: pure functions, spec in, dictionary out. Imports planning, the api and the controller's
names and settings.

Every pod keeps the restricted Pod Security level: no root, no privileges, a read-only root file system, no API token.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from steelyard.api.places import mounted_claim
from steelyard.api.pods import OWN_VARIABLE, MountedVolume, PodSecurity, PodTemplate, ResourceRequirements
from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import Env, StageName
from steelyard.controller.names import (
    CLAIMS_FOLDER,
    CODE_FOLDER,
    CONTAINER,
    JOB_LABEL,
    PACK_STAGE,
    RESULT_FILE,
    SEARCH_FILE,
    SEARCH_FOLDER,
    SPEC_FILE,
    SPEC_FOLDER,
    STAGE_LABEL,
    SUPERVISOR_PORT,
    TENSORFLOW_PORT,
    TUNING_LABEL,
    WORKSPACE_FOLDER,
    labels_of,
    spec_config_map_name,
    stage_job_name,
    worker_host,
    workspace_claim_name,
)
from steelyard.controller.settings import Settings
from steelyard.controller.training.program_pods import is_own_program, with_program
from steelyard.planning import Stage, stages_of, worker_environment
from steelyard.planning.clusters import claims_of

LARGEST_INLINE_SPEC_BYTES = 64 * 1024
"""Above it the spec goes into a ConfigMap: the kernel bounds one variable at 128 KiB."""
SCRATCH_LIMIT = "2Gi"
_HOSTNAME_TOPOLOGY = "kubernetes.io/hostname"


@dataclass(frozen=True)
class JobContext:
    """What the children of one job have in common."""

    job: TrainingJob
    namespace: str
    uid: str
    image: str
    """The trainer's image, for all stages."""
    settings: Settings
    tuning_job: str = ""
    """The TuningJob whose child this job is."""
    search_config_map: str = ""
    """The ConfigMap with the search that is published with the model."""

    @property
    def name(self) -> str:
        """The job's name."""
        return self.job.metadata.name

    @cached_property
    def spec_json(self) -> str:
        """The manifest as the stages read it: without what only concerns pods, or the time after the end. The trainer
        of a job that an older operator has begun would refuse fields that it does not know."""
        given = self.job.spec
        policy = given.run_policy.model_copy(update={"ttl_seconds_after_finished": None})
        spec = given.model_copy(
            update={"template": PodTemplate(), "workspace": type(given.workspace)(), "run_policy": policy}
        )
        manifest = self.job.model_copy(update={"spec": spec}).model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude_defaults=True
        )
        manifest |= {"apiVersion": self.job.api_version, "kind": self.job.kind, "metadata": {"name": self.name}}
        return json.dumps(manifest, separators=(",", ":"))

    @property
    def has_large_spec(self) -> bool:
        """Whether the spec goes into a ConfigMap."""
        return len(self.spec_json.encode()) > LARGEST_INLINE_SPEC_BYTES


def pod_template(context: JobContext, stage: Stage) -> dict[str, Any]:
    """The template of a stage's Job."""
    template = context.job.spec.template
    mounts = _Mounts.of(context, stage)
    labels = {**(template.labels or {}), **labels_of(context.name, stage.name), STAGE_LABEL: stage.name}
    if context.tuning_job:
        labels[TUNING_LABEL] = context.tuning_job
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": template.termination_grace_period_seconds,
        "securityContext": _pod_security(context),
        "containers": [_container(context, stage, mounts)],
        "volumes": mounts.volumes,
        "tolerations": [
            *(toleration.model_dump(by_alias=True, exclude_none=True) for toleration in template.tolerations),
            *_lost_node_tolerations(context.settings.node_lost_toleration_seconds),
        ],
        **_placement(context),
    }
    if is_own_program(context.job.spec, stage.name):
        own = with_program(context.job.spec, stage, spec["containers"][0], mounts.workspace, mounts.claims)
        spec |= {**own, "volumes": [*mounts.volumes, *own.get("volumes", [])]}
    if stage.workers > 1:
        # With the Job's completion index this gives each worker its DNS name.
        spec["subdomain"] = stage_job_name(context.name, stage.name)
    optional = {
        "serviceAccountName": template.service_account_name,
        "nodeSelector": template.node_selector,
        "priorityClassName": template.priority_class_name,
        "runtimeClassName": template.runtime_class_name,
        "imagePullSecrets": [{"name": secret.name} for secret in template.image_pull_secrets],
    }
    spec |= {field: value for field, value in optional.items() if value}
    metadata: dict[str, Any] = {"labels": labels}
    if template.annotations:
        metadata["annotations"] = dict(template.annotations)
    return {"metadata": metadata, "spec": spec}


def _resources(context: JobContext, stage: Stage) -> ResourceRequirements:
    given = context.job.spec.template.resources
    kind: StageName = "train" if stage.name == PACK_STAGE else stage.name
    own: ResourceRequirements | None = getattr(given, kind) if given else None
    return own or context.settings.resources_of(kind)


def threads_of(context: JobContext, stage: Stage) -> int | None:
    """Whole CPUs that a container may use; None where it may use all of its node.

    Said and not left to be found out: the number of threads is part of what makes a training repeatable, and inside a
    container the node's CPUs are seen, not the limit.
    """
    cpu = (_resources(context, stage).limits or {}).get("cpu", "")
    try:
        cpus = float(cpu.removesuffix("m")) / (1000 if cpu.endswith("m") else 1)
    except ValueError:
        # None is given, or it is in thousands, which no node has.
        return None
    return max(1, int(cpus))


def _container(context: JobContext, stage: Stage, mounts: "_Mounts") -> dict[str, Any]:
    template, settings = context.job.spec.template, context.settings
    resources = _resources(context, stage).model_dump(by_alias=True, exclude_none=True)
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": context.image,
        "imagePullPolicy": template.image_pull_policy or settings.trainer_image_pull_policy,
        "args": [stage.name],
        "env": _environment(context, stage, mounts),
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts.mounts,
        "terminationMessagePath": RESULT_FILE,
    }
    if stage.workers > 1:
        container["ports"] = [
            {"name": "tensorflow", "containerPort": TENSORFLOW_PORT},
            {"name": "supervisor", "containerPort": SUPERVISOR_PORT},
        ]
    return container


def _environment(context: JobContext, stage: Stage, mounts: "_Mounts") -> list[dict[str, Any]]:
    """The contract's variables. The worker's index is the Job controller's; Kubernetes puts it in where it is named."""
    values: dict[str, str] = {
        Env.WORKSPACE: mounts.workspace,
        Env.STAGE_KEY: stage.key,
        Env.RESULT_FILE: RESULT_FILE,
        Env.CLAIMS: json.dumps(mounts.claims, separators=(",", ":")),
        "HOME": "/tmp/home",
        "KERAS_HOME": "/tmp/keras",
        "TMPDIR": "/tmp",
    }
    if (threads := threads_of(context, stage)) is not None:
        values[Env.THREADS] = str(threads)
    if context.has_large_spec:
        values[Env.SPEC_FILE] = f"{SPEC_FOLDER}/{SPEC_FILE}"
    else:
        # Kubernetes takes $(NAME) for a variable, and $$ for one dollar.
        values[Env.SPEC] = context.spec_json.replace("$", "$$")
    if _takes_search(context, stage):
        values[Env.SEARCH_FILE] = f"{SEARCH_FOLDER}/{SEARCH_FILE}"
    if _code_config_map(context) is not None:
        values[Env.CODE] = CODE_FOLDER
    variables: list[dict[str, Any]] = [
        variable.model_dump(by_alias=True, exclude_none=True) for variable in context.job.spec.template.env
    ]
    variables += [{"name": str(name), "value": value} for name, value in values.items()]
    if stage.workers > 1:
        index = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
        variables.append({"name": str(Env.WORKER_INDEX), "valueFrom": index})
        hosts = [worker_host(context.name, context.namespace, index) for index in range(stage.workers)]
        own = worker_environment(
            stage,
            f"$({Env.WORKER_INDEX})",
            workers=[f"{host}:{TENSORFLOW_PORT}" for host in hosts],
            supervisors=[f"{host}:{SUPERVISOR_PORT}" for host in hosts],
        )
        variables += [{"name": name, "value": own[name]} for name in (Env.WORKERS, Env.SUPERVISORS)]
        variables.append({"name": OWN_VARIABLE, "value": _tf_config(own[Env.WORKERS].split(","))})
    return variables


def _tf_config(workers: list[str]) -> str:
    """What TensorFlow itself goes by, and with it a container that is not ours, and the trainer of a job that an older
    operator has begun. Ours makes its own."""
    cluster = json.dumps({"worker": workers})
    return f'{{"cluster": {cluster}, "task": {{"type": "worker", "index": $({Env.WORKER_INDEX})}}}}'


def _pod_security(context: JobContext) -> dict[str, Any]:
    given, settings = context.job.spec.template.security_context or PodSecurity(), context.settings

    def pick(own: int | None, default: int | None) -> int | None:
        return default if own is None else own

    values = {
        "runAsUser": pick(given.run_as_user, settings.run_as_user),
        "runAsGroup": pick(given.run_as_group, settings.run_as_group),
        "fsGroup": pick(given.fs_group, settings.fs_group),
        "supplementalGroups": given.supplemental_groups,
    }
    security: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    if "fsGroup" in security:
        # Else every file of a large volume is touched at each start of a pod.
        security["fsGroupChangePolicy"] = "OnRootMismatch"
    return {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, **security}


def _lost_node_tolerations(seconds: int) -> list[dict[str, Any]]:
    return [
        {
            "key": f"node.kubernetes.io/{state}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": seconds,
        }
        for state in ("not-ready", "unreachable")
    ]


def _placement(context: JobContext) -> dict[str, Any]:
    """A workspace that one node can mount holds all pods of the job on that node, and those of all jobs that share the
    workspace of a TuningJob; else they spread where they can."""
    selector = {"matchLabels": {TUNING_LABEL: context.tuning_job} if context.tuning_job else {JOB_LABEL: context.name}}
    affinity = dict(context.job.spec.template.affinity or {})
    if context.job.spec.workspace.access_mode == "ReadWriteMany":
        spread = {
            "maxSkew": 1,
            "topologyKey": _HOSTNAME_TOPOLOGY,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": selector,
        }
        return {"topologySpreadConstraints": [spread], **({"affinity": affinity} if affinity else {})}
    together = {"labelSelector": selector, "topologyKey": _HOSTNAME_TOPOLOGY}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    pods = affinity.get("podAffinity") or {}
    # What is no affinity at all is left to Kubernetes to refuse.
    if isinstance(pods, dict) and isinstance(own := pods.get(required) or [], list):
        affinity["podAffinity"] = {**pods, required: [*own, together]}
    return {"affinity": affinity}


@dataclass(frozen=True)
class _Mounts:
    """What is mounted where in the pods of a stage."""

    volumes: list[dict[str, Any]]
    mounts: list[dict[str, Any]]
    workspace: str
    claims: dict[str, str]
    """The folder of each claim that the manifest's URIs name and this stage needs."""

    @classmethod
    def of(cls, context: JobContext, stage: Stage) -> "_Mounts":
        spec = context.job.spec
        own = spec.workspace.claim_name
        # One volume per claim: two volumes of the same claim keep some storage drivers waiting for ever.
        claims = [own or workspace_claim_name(context.name)]
        mounts: list[dict[str, Any]] = [
            _mount("claim-0", WORKSPACE_FOLDER),
            _mount("scratch", "/tmp"),
        ]

        def mount_claim(claim: str, path: str, *, read_only: bool) -> None:
            if claim not in claims:
                claims.append(claim)
            mounts.append(_mount(f"claim-{claims.index(claim)}", path, read_only=read_only))

        folders = {}
        for claim, is_written in _claims_of_stage(context.job, stage).items():
            folders[claim] = f"{CLAIMS_FOLDER}/{claim}"
            mount_claim(claim, folders[claim], read_only=not is_written)
        volumes: list[dict[str, Any]] = [{"name": "scratch", "emptyDir": {"sizeLimit": SCRATCH_LIMIT}}]
        if context.has_large_spec:
            volumes.append({"name": "spec", "configMap": {"name": spec_config_map_name(context.name)}})
            mounts.append(_mount("spec", SPEC_FOLDER, read_only=True))
        if _takes_search(context, stage):
            volumes.append({"name": "search", "configMap": {"name": context.search_config_map}})
            mounts.append(_mount("search", SEARCH_FOLDER, read_only=True))
        if (code := _code_config_map(context)) is not None:
            volumes.append({"name": "code", "configMap": {"name": code}})
            mounts.append(_mount("code", CODE_FOLDER, read_only=True))
        for index, volume in enumerate(spec.template.volumes):
            if volume.source.claim is not None:
                mount_claim(volume.source.claim, volume.mount_path, read_only=True)
            else:
                volumes.append({"name": f"volume-{index}", **_volume_source(volume)})
                is_written = volume.source.empty_dir is not None
                mounts.append(_mount(f"volume-{index}", volume.mount_path, read_only=not is_written))
        volumes += [
            {"name": f"claim-{index}", "persistentVolumeClaim": {"claimName": claim}}
            for index, claim in enumerate(claims)
        ]
        # A claim of the user's may hold more than this job: its files lie in a folder of its own.
        workspace = WORKSPACE_FOLDER if own is None else f"{WORKSPACE_FOLDER}/{context.name}"
        return cls(volumes, mounts, workspace, folders)


def _claims_of_stage(job: TrainingJob, stage: Stage) -> dict[str, bool]:
    """The claims that a stage is given, and whether it writes to them.

    The first stage gets all of them. prepare looks whether the model can be published at all, so that nobody trains in
    vain; and a workspace that is made for its pod comes to lie where the other volumes can be reached. Workers that
    are spread over nodes are not bound to one for that.
    """
    spec = job.spec
    is_first = stage.name == stages_of(spec)[0]
    is_spread = stage.name == "train" and spec.workspace.access_mode == "ReadWriteMany"
    # What another job has prepared, and the user's own code, is read by every stage; what it has trained, by finish.
    reads = [*spec.dataset.uris] if is_first or spec.dataset.is_prepared else []
    if stage.name == "finish" and spec.trained is not None and spec.trained.uri is not None:
        reads.append(spec.trained.uri)
    if spec.code is not None and spec.code.uri is not None:
        reads.append(spec.code.uri)
    sources = {mounted_claim(uri) for uri in reads}
    return {
        claim: is_written and stage.name != "train"
        for claim, is_written in claims_of(spec).items()
        if claim in sources or (is_first and not is_spread) or (is_written and stage.name == "finish")
    }


def _code_config_map(context: JobContext) -> str | None:
    """The ConfigMap with the user's own code, which every stage is given: so one that is missing, or code that is not
    taken, is found before anything is prepared."""
    code = context.job.spec.code
    return None if code is None else code.config_map


def _takes_search(context: JobContext, stage: Stage) -> bool:
    """Whether a stage publishes a search with the model."""
    return bool(context.search_config_map) and stage.name == "finish"


def _mount(volume: str, path: str, *, read_only: bool = False) -> dict[str, Any]:
    return {"name": volume, "mountPath": path, **({"readOnly": True} if read_only else {})}


def _volume_source(volume: MountedVolume) -> dict[str, Any]:
    if volume.source.empty_dir is not None:
        limit = volume.source.empty_dir.size_limit
        return {"emptyDir": {} if limit is None else {"sizeLimit": limit}}
    if volume.source.secret is not None:
        return {"secret": {"secretName": volume.source.secret}}
    return {"configMap": {"name": volume.source.config_map}}
