"""`spec.workspace` and `spec.template`: where a job's pods keep their files and how they look. Imports the api only.

A local run reads neither: it has a folder and this machine.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from steelyard.api.base import ExactlyOneOf, Part, refuse
from steelyard.api.places import CLAIM_NAME_PATTERN

Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$", max_length=32)]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$", max_length=253)]
ClaimName = Annotated[str, Field(pattern=CLAIM_NAME_PATTERN, max_length=63)]
LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelValue = Annotated[str, Field(max_length=63)]
NumericId = Annotated[int, Field(ge=0, le=2**31 - 1)]

# A mounted file must not hide what the trainer needs.
HIDING_FOLDERS = ("/etc", "/var", "/var/run")
"""Under these, but not over them."""
OWN_FOLDERS = ("/steelyard", "/tmp", "/dev", "/proc", "/sys", "/usr", "/opt", "/etc/passwd", "/bin", "/lib", "/lib64")
OWN_LABELS = ("app.kubernetes.io/", "steelyard.dev/", "batch.kubernetes.io/")
OWN_LABEL_NAMES = ("job-name", "controller-uid")
# The prefix of the variables of the contract, and the one by which TensorFlow's processes find each other.
OWN_VARIABLES = "STEELYARD_"
OWN_VARIABLE = "TF_CONFIG"


class WorkspaceSpec(Part):
    """The scratch volume that all stages and workers of a job share, on a cluster. What Steelyard makes goes with the
    job; a claim that `claimName` names is the user's and stays."""

    claim_name: ClaimName | None = None
    """A claim (PersistentVolumeClaim) of the job's namespace to use, in a folder with the job's name. Left out, a claim
    is made for the job and removed with it."""
    storage: Quantity | None = None
    """How much room the claim that is made asks for, such as 10Gi. Default: 10Gi."""
    storage_class_name: ObjectName | None = None
    """The storage class of the claim that is made. Default: the cluster's own default."""
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany"] = "ReadWriteOnce"
    """ReadWriteOnce: all pods of the job run on one node. ReadWriteMany: they may spread over nodes; the storage class
    must offer it."""
    retain: Literal["Always", "OnFailure", "Never"] | None = None
    """Whether the claim that was made for the job stays after its end. Always: as long as the job does. OnFailure: it
    stays where the job has failed, and is removed where it is Complete. Never: it is removed. With it go the Jobs and
    pods of the stages, and so their logs. A claim that a pod of another job mounts stays until that is gone. Default:
    OnFailure where a model is published; else Always, as the result lies there. May be set and changed at any time,
    after the end too, as long as the claim is there."""
    retain_seconds: Annotated[int, Field(ge=0, le=2**31 - 1)] = 3600
    """Seconds after the job's end after which what is not retained is removed. May be changed at any time, too."""

    @model_validator(mode="after")
    def _a_named_claim_has_its_own_size(self) -> Self:
        for field, value in (("storage", self.storage), ("storageClassName", self.storage_class_name)):
            if self.claim_name is not None and value is not None:
                raise refuse(field, "the claim '{claim}' has its own; leave this out", claim=self.claim_name)
        if self.claim_name is not None and self.retain is not None:
            raise refuse("retain", "the claim '{claim}' is never removed; leave this out", claim=self.claim_name)
        return self


class ResourceRequirements(Part):
    """What a pod of a stage asks for and may use, as Kubernetes has it."""

    requests: Annotated[dict[LabelKey, Quantity], Field(max_length=16)] | None = None
    """What the scheduler reserves, such as {cpu: "1", memory: 2Gi}."""
    limits: Annotated[dict[LabelKey, Quantity], Field(max_length=16)] | None = None
    """What a pod may use at most, such as {memory: 4Gi, nvidia.com/gpu: "1"}."""


class StageResources(Part):
    """Resources by stage. A stage that is left out has the operator's defaults."""

    prepare: ResourceRequirements | None = None
    """Of the pod that reads and splits the data."""
    train: ResourceRequirements | None = None
    """Of each worker."""
    finish: ResourceRequirements | None = None
    """Of the pod that weighs and publishes."""


class ImagePullSecret(Part):
    """A Secret with a registry's credentials."""

    name: ObjectName
    """The Secret's name."""


class Toleration(Part):
    """A taint of nodes that the pods accept, as Kubernetes has it."""

    key: Annotated[str, Field(max_length=317)] | None = None
    """The taint's key; left out with operator Exists, every taint."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Equal: key and value must match; Exists: the key."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """The taint's value, with Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Which effect is accepted; left out, all."""
    toleration_seconds: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """With NoExecute: seconds for which the pod stays."""


class KeyOf(Part):
    """One key of a Secret or ConfigMap."""

    name: ObjectName
    """The object's name, in the job's namespace."""
    key: Annotated[str, Field(min_length=1, max_length=253)]
    """The key in it."""


class EnvSource(ExactlyOneOf):
    """Where a variable's value comes from: exactly one kind."""

    secret_key_ref: KeyOf | None = None
    """A key of a Secret."""
    config_map_key_ref: KeyOf | None = None
    """A key of a ConfigMap."""


class EnvVar(Part):
    """An environment variable of the pods."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$", max_length=128)]
    """Its name: letters, digits and '_'. Names that begin with STEELYARD_, and TF_CONFIG, are the operator's."""
    value: Annotated[str, Field(max_length=4096)] | None = None
    """Its value; this or valueFrom."""
    value_from: EnvSource | None = None
    """Where its value comes from; this or value."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if self.name.startswith(OWN_VARIABLES) or self.name == OWN_VARIABLE:
            raise refuse("name", "{name} is set by the operator; name another variable", name=self.name)
        if self.value is not None and self.value_from is not None:
            raise refuse("valueFrom", "{name} has a value already; give one of the two", name=self.name)
        return self


class EmptyDir(Part):
    """An empty folder that goes with its pod."""

    size_limit: Quantity | None = None
    """How much it may hold, such as 1Gi. Default: no limit but the node's."""


class VolumeSource(ExactlyOneOf):
    """What is mounted: exactly one kind."""

    secret: ObjectName | None = None
    """The name of a Secret; each key becomes a file."""
    config_map: ObjectName | None = None
    """The name of a ConfigMap; each key becomes a file."""
    claim: ClaimName | None = None
    """The name of a claim, mounted read-only."""
    empty_dir: EmptyDir | None = None
    """An empty folder that the pod may write to: for a program that writes beside its own files."""


class MountedVolume(Part):
    """Files that are mounted into the pods, read-only; or an empty folder to write to."""

    # RE2 looks neither ahead nor back: a part is anything but empty, '.' and '..'.
    mount_path: Annotated[str, Field(pattern=r"^(/([^:/.][^:/]*|\.[^:/.][^:/]*|\.\.[^:/]+))+/?$", max_length=1024)]
    """An absolute path in the container, such as /var/secrets/NAME; no ':', no empty, '.' or '..' parts."""
    source: VolumeSource
    """What is mounted there."""

    @model_validator(mode="after")
    def _hides_nothing(self) -> Self:
        path = self.mount_path.rstrip("/")
        if path in HIDING_FOLDERS or any(path == own or path.startswith(own + "/") for own in OWN_FOLDERS):
            raise refuse(
                "mountPath",
                "{path} is the container's own; allowed is any other absolute path, such as /var/secrets/NAME",
                path=self.mount_path,
            )
        return self


class PodSecurity(Part):
    """Who the pods' processes are. A field that is left out has the operator's setting."""

    run_as_user: NumericId | None = None
    """The numeric user; 0 (root) is refused by the restricted Pod Security level."""
    run_as_group: NumericId | None = None
    """The numeric group."""
    fs_group: NumericId | None = None
    """The group that volumes belong to."""
    supplemental_groups: Annotated[list[NumericId], Field(max_length=32)] | None = None
    """Further groups, such as that of a network share."""


class PodTemplate(Part):
    """How the job's pods look. The operator adds what keeps them restricted: no API token, no root, a read-only root
    file system."""

    image: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """The trainer's image. Default: the operator's setting."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When the image is fetched. Default: the operator's setting."""
    image_pull_secrets: Annotated[list[ImagePullSecret], Field(max_length=16)] = []
    """Secrets with the registry's credentials."""
    service_account_name: ObjectName | None = None
    """The pods' service account; its token is not mounted. Default: the namespace's `default`."""
    resources: StageResources | None = None
    """What the pods ask for and may use, by stage."""
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] | None = None
    """Labels that a node must have."""
    tolerations: Annotated[list[Toleration], Field(max_length=32)] = []
    """Taints of nodes that the pods accept. Those of lost nodes are the operator's."""
    affinity: Annotated[dict[str, Any], Field(max_length=3)] | None = None
    """Kubernetes' own affinity, as `kubectl explain pod.spec.affinity` has it; Kubernetes checks it."""
    priority_class_name: ObjectName | None = None
    """The pods' priority class."""
    runtime_class_name: ObjectName | None = None
    """The pods' runtime class, such as nvidia."""
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] | None = None
    """Further labels of the pods."""
    annotations: Annotated[dict[LabelKey, Annotated[str, Field(max_length=4096)]], Field(max_length=32)] | None = None
    """Further annotations of the pods."""
    env: Annotated[list[EnvVar], Field(max_length=64)] = []
    """Further environment variables."""
    volumes: Annotated[list[MountedVolume], Field(max_length=16)] = []
    """Files of Secrets, ConfigMaps and claims, and empty folders."""
    security_context: PodSecurity | None = None
    """Who the processes are."""
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    """Seconds that a pod which is asked to end has for writing a checkpoint."""

    @model_validator(mode="after")
    def _leaves_the_operators_labels(self) -> Self:
        for key in self.labels or {}:
            if key.startswith(OWN_LABELS) or key in OWN_LABEL_NAMES:
                raise refuse("labels", "'{key}' is the operator's; name another label", key=key)
        names = [variable.name for variable in self.env]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise refuse(f"env[{index}].name", "{name} is given twice", name=name)
        paths = [volume.mount_path.rstrip("/") for volume in self.volumes]
        for index, path in enumerate(paths):
            if path in paths[:index]:
                raise refuse(f"volumes[{index}].mountPath", "{path} is given twice", path=path)
        return self
