"""Where kinds of objects lie on an API server. Imports the api only."""

from urllib.parse import quote

from steelyard.api.errors import ConfigurationError

_ROOTS = {
    "trainingjobs": "/apis/steelyard.dev/v1alpha1",
    "tuningjobs": "/apis/steelyard.dev/v1alpha1",
    "jobs": "/apis/batch/v1",
    "leases": "/apis/coordination.k8s.io/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "customresourcedefinitions": "/apis/apiextensions.k8s.io/v1",
    "storageclasses": "/apis/storage.k8s.io/v1",
}
_CORE = "/api/v1"


def path_of(
    resource: str, namespace: str | None = None, name: str | None = None, subresource: str | None = None
) -> str:
    """The path of a collection, an object or its subresource.

    Args:
        resource: the plural, such as jobs or pods.
        namespace: None for what has none, and for all namespaces together.
        name: None for the collection.
        subresource: such as status or log.

    Raises:
        ConfigurationError: a name is none. An empty one, or a dot, would lead to the collection, and a DELETE there
            removes all of it.
    """
    parts = [_ROOTS.get(resource, _CORE)]
    if namespace is not None:
        parts += ["namespaces", _segment(namespace, "a namespace's name")]
    parts.append(resource)
    if name is not None:
        parts.append(_segment(name, "a name"))
    if subresource is not None:
        parts.append(subresource)
    return "/".join(parts)


def _segment(name: str, what: str) -> str:
    if name in ("", ".", "..") or "/" in name or "%" in name:
        raise ConfigurationError(f"'{name}' is not {what}; allowed: lower-case letters, digits, '-' and '.'")
    return quote(name, safe="")
