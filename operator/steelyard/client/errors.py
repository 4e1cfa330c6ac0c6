"""What the API server refuses, in a user's words: what is missing, what there is, what to do. Imports kube, api."""

import difflib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from steelyard.api.errors import ConfigurationError, ManifestError, Problem, SteelyardError
from steelyard.contract.stages import ExitCode, Reason
from steelyard.kube import ApiError

RESOURCE = "trainingjobs.steelyard.dev"
NOT_INSTALLED = "NotInstalled"
INSTALL = "helm install steelyard charts/steelyard --namespace steelyard-system --create-namespace"
GRANT = "an admin can grant it, such as by the role `edit`, which holds all that Steelyard's commands need"


class RefusedError(SteelyardError):
    """The API server refused, for a reason that is none of those below."""

    def __init__(self, error: ApiError) -> None:
        code = ExitCode.TRY_AGAIN if error.is_passing else ExitCode.CONFIGURATION
        advice = "; try again" if error.is_passing else ""
        super().__init__(f"the API server refuses: {error.message}{advice}", reason=error.reason, exit_code=code)
        self.is_passing = error.is_passing
        """Whether the same may succeed later."""


class NotAllowedError(ConfigurationError):
    """The user has not the permission that it takes."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason=Reason.NOT_ALLOWED)


class JobNotFoundError(ConfigurationError):
    """There is no such TrainingJob, or TuningJob."""

    def __init__(
        self,
        name: str,
        namespace: str,
        existing: Sequence[str] | None = None,
        kind: str = "TrainingJob",
        removal: str | None = None,
    ) -> None:
        """`existing` are the names of those that are there, and `removal` says how it went, if that is known."""
        if removal is not None:
            hint = f": {removal}; leave that field out, or raise it, to keep the next one"
        elif existing is None:
            hint = ""
        elif near := difflib.get_close_matches(name, existing, n=3, cutoff=0.5):
            hint = f"; did you mean {' or '.join(near)}?"
        elif existing:
            more = f" and {len(existing) - 5} more" if len(existing) > 5 else ""
            hint = f"; there are: {', '.join(sorted(existing)[:5])}{more}"
        else:
            hint = "; there is none in this namespace (`steelyard list --all-namespaces` looks in all)"
        super().__init__(f"there is no {kind} {name} in the namespace {namespace}{hint}", reason="JobNotFound")


class JobExistsError(ConfigurationError):
    """A TrainingJob of this name, but with another content, is there already."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="JobExists")


class JobFailedError(SteelyardError):
    """The job that was waited for has failed."""


@contextmanager
def explained(namespace: str) -> Iterator[None]:
    """Turns what the API server refuses meanwhile into an error that a user can act on."""
    try:
        yield
    except ApiError as error:
        raise explain(error, namespace) from None


def explain(error: ApiError, namespace: str) -> SteelyardError:
    """The refusal of a request in `namespace` in a user's words."""
    match error.status:
        case 400 if problems := _unknown_fields(error.message):
            return ManifestError(problems, source="the manifest, for the CRD of this cluster,")
        case 401:
            return NotAllowedError("the API server does not accept the kubeconfig's credentials; log in again")
        case 403:
            return NotAllowedError(_forbidden(error.message))
        case 404 if error.message.startswith("namespaces "):
            return ConfigurationError(
                f"there is no namespace {namespace}; name another one with --namespace, or make it: "
                f"kubectl create namespace {namespace}",
                reason="NamespaceNotFound",
            )
        case 404 if "requested resource" in error.message or "page not found" in error.message:
            return ConfigurationError(
                f"this cluster knows no TrainingJobs: its CRD {RESOURCE} is not installed; an admin installs "
                f"Steelyard with: {INSTALL}",
                reason=NOT_INSTALLED,
            )
        case 422 if problems := _problems(error):
            return ManifestError(problems, source="the manifest, says the API server,")
    return RefusedError(error)


_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)"| at the cluster scope)'
)


def _forbidden(message: str) -> str:
    """The permission that is missing; where admission refused, such as a quota, its own words."""
    if (found := _FORBIDDEN.search(message)) is None:
        return message
    resource = f"{found['resource']}.{found['group']}" if found["group"] else found["resource"]
    where = f"in the namespace {found['namespace']}" if found["namespace"] else "in all namespaces"
    return f"the user {found['user']} may not {found['verb']} {resource} {where}: this permission is missing; {GRANT}"


def _unknown_fields(message: str) -> list[Problem]:
    """What strict validation found: fields that the CRD of an older or newer Steelyard does not have."""
    paths = re.findall(r'unknown field "([^"]+)"', message)
    return [Problem(path, "there is no such field; is another version of Steelyard installed?") for path in paths]


def _problems(error: ApiError) -> list[Problem]:
    """What the schema and the rules found; a cause without a field only says that there may be more."""
    return [
        # A rule's message follows on what the server calls the value.
        Problem(str(cause["field"]), str(cause["message"]).removeprefix('Invalid value: "object": '))
        for cause in error.causes
        if cause.get("field") not in (None, "<nil>")
    ]
