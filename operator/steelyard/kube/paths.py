"""Where kinds of objects lie on an API server. Imports nothing."""

from urllib.parse import quote

_ROOTS = {
    "trainingjobs": "/apis/steelyard.dev/v1alpha1",
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
    """
    parts = [_ROOTS.get(resource, _CORE)]
    if namespace is not None:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(resource)
    parts += [quote(part, safe="") for part in (name, subresource) if part is not None]
    return "/".join(parts)
