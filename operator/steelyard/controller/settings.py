"""The operator's settings: environment variables, checked all at once. Imports pydantic and the api only."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from steelyard.api.errors import ConfigurationError, problems_of
from steelyard.api.pods import NumericId, ResourceRequirements, StageResources
from steelyard.contract.stages import StageName

PREFIX = "STEELYARD_"

# Kubernetes sets these for every Service whose name begins with "steelyard", unless enableServiceLinks is false; one
# named just so gives STEELYARD_PORT=tcp://10.96.0.7:8080.
_SERVICE_LINK = re.compile(r"_SERVICE_HOST=|_SERVICE_PORT(_\w+)?=|_PORT=(tcp|udp|sctp)://|_PORT_\d+_(TCP|UDP|SCTP)")

_DEFAULT_RESOURCES: Mapping[StageName, ResourceRequirements] = {
    "prepare": ResourceRequirements(requests={"cpu": "250m", "memory": "512Mi"}, limits={"cpu": "2", "memory": "2Gi"}),
    "train": ResourceRequirements(requests={"cpu": "500m", "memory": "1Gi"}, limits={"cpu": "4", "memory": "4Gi"}),
    "finish": ResourceRequirements(requests={"cpu": "250m", "memory": "1Gi"}, limits={"cpu": "2", "memory": "4Gi"}),
}


def _split(value: object) -> object:
    """The names between the commas, each once, in the order given."""
    if not isinstance(value, str):
        return value
    names = tuple(dict.fromkeys(name for part in value.split(",") if (name := part.strip())))
    if not names:  # An empty list would allow everything.
        raise ValueError("no name between the commas")
    return names


def _parse_json(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


_NAMESPACE_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_OBJECT_PATTERN = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
_Namespace = Annotated[
    str,
    Field(
        pattern=_NAMESPACE_PATTERN,
        description="a namespace's name: at most 63 lower-case letters, digits and '-'",
    ),
]
_ObjectName = Annotated[
    str,
    Field(
        pattern=_OBJECT_PATTERN,
        description="an object's name: at most 253 lower-case letters, digits, '-' and '.'",
    ),
]
_Namespaces = Annotated[tuple[_Namespace, ...], BeforeValidator(_split)]
_ObjectNames = Annotated[tuple[_ObjectName, ...], BeforeValidator(_split)]
_OptionalId = Annotated[NumericId | None, BeforeValidator(_none_if_empty)]
# The restricted Pod Security level refuses root.
_OptionalUser = Annotated[Annotated[int, Field(ge=1, le=2**31 - 1)] | None, BeforeValidator(_none_if_empty)]
_Seconds = Annotated[int, Field(ge=1, le=86400)]


class Settings(BaseModel):
    """What an administrator sets. Each field is the variable of its name in capitals behind STEELYARD_; a variable
    that is empty counts as not set, unless its field says what empty means."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        alias_generator=lambda name: PREFIX + name.upper(),
        validate_by_name=True,
        validate_by_alias=True,
    )

    trainer_image: Annotated[str, Field(min_length=1, max_length=512)]
    """The image of the pods that prepare, train and finish, where a job's template names none."""
    trainer_image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When nodes fetch that image."""
    namespaces: _Namespaces = ()
    """The namespaces whose jobs are run, with commas between. Empty: those of the whole cluster."""
    leader_election: bool = True
    """Whether one of several replicas is elected by a Lease. With false there must be one replica only, also while it
    is replaced."""
    lease_namespace: _Namespace | None = None
    """The namespace of that Lease. Default: the pod's own; outside of a pod, that of the kubeconfig's context."""
    lease_name: Annotated[str, Field(pattern=_OBJECT_PATTERN)] = "steelyard-operator"
    """The Lease's name: at most 253 lower-case letters, digits, '-' and '.'. Operators that share a namespace, each for
    other jobs, need a name each."""
    pod_name: Annotated[str, Field(pattern=_OBJECT_PATTERN)] = "steelyard-operator"
    """The pod's own name, in the Lease for people to read; a random part is added for each process."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    """The port of /healthz, /readyz and /metrics, on all addresses."""
    reconcilers: Annotated[int, Field(ge=1, le=256)] = 8
    """How many jobs are reconciled at once."""
    log_format: Literal["json", "text"] = "json"
    """json: an object a line, for programs. text: for people."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that is logged."""
    node_lost_toleration_seconds: _Seconds = 30
    """Seconds for which a job's pods stay on a node that is not ready or not reachable, before they are replaced.
    Kubernetes' own default is 300."""
    dead_pod_seconds: _Seconds = 60
    """Seconds after its deletion for which a pod may hang on a lost node, before the operator declares it failed, so
    that Kubernetes makes another."""
    progress_seconds: _Seconds = 5
    """The least seconds between two looks into one job's log for its progress; with many running jobs they are more."""
    run_as_user: _OptionalUser = 65532
    """The numeric user of the jobs' processes, where a job's template names none. Empty: left unset, for clusters that
    assign one, such as OpenShift."""
    run_as_group: _OptionalId = 65532
    """The numeric group of the jobs' processes. Empty: left unset."""
    fs_group: _OptionalId = 65532
    """The group that the jobs' volumes belong to. Empty: left unset."""
    stage_resources: Annotated[StageResources, BeforeValidator(_parse_json)] = StageResources()
    """Requests and limits of the jobs' pods by stage, as JSON, where a job's template names none:
    {"train": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "8Gi"}}}. A stage that is left out has
    the built-in ones."""
    allowed_service_accounts: _ObjectNames = ()
    """The service accounts that jobs may name, with commas between. Empty: all."""
    allowed_claims: _ObjectNames = ()
    """The claims that jobs may name, with commas between. Empty: all."""
    allowed_secrets: _ObjectNames = ()
    """The Secrets that jobs may name, with commas between. Empty: all."""

    network_policy: bool = False
    """Whether each job with several workers gets a NetworkPolicy: their ports are reached from the job's own workers
    only."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """The settings that an environment holds. Variables without the prefix are passed over.

        Raises:
            ConfigurationError: names every variable at fault, its value and what is allowed; also one that begins with
                STEELYARD_ and is no setting, since a misspelt allow-list would allow everything.
        """
        given = {
            name: value
            for name, value in environ.items()
            if name.startswith(PREFIX) and not _SERVICE_LINK.search(f"{name}={value}")
        }
        emptiable = {PREFIX + name.upper() for name in ("run_as_user", "run_as_group", "fs_group")}
        try:
            return cls.model_validate(
                {name: value for name, value in given.items() if value.strip() or name in emptiable}
            )
        except ValidationError as error:
            lines = [f"  {problem}" for problem in problems_of(error, cls)]
            raise ConfigurationError("\n".join(["the operator's settings are not valid:", *lines])) from None

    def resources_of(self, stage: StageName) -> ResourceRequirements:
        """What the pods of a stage ask for and may use, where their job says nothing."""
        given: ResourceRequirements | None = getattr(self.stage_resources, stage)
        return given or _DEFAULT_RESOURCES[stage]
