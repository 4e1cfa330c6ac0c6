"""Long lists, a page at a time: so that neither side ever holds all of it in memory. Imports kube only."""

from collections.abc import AsyncIterator, Mapping

from steelyard.kube.errors import ApiError, Object, Requester

PAGE_SIZE = 250
"""How many objects a page holds: some 3 MB as JSON, ten times that as Python's objects."""
_GONE = 410


async def pages(api: Requester, path: str, query: Mapping[str, str] | None = None) -> AsyncIterator[list[Object]]:
    """The objects of a collection in the order of their keys, at most PAGE_SIZE at a time.

    For what grows with the number of jobs. A short list, such as the pods of one job, is better asked for at once: the
    API server answers that from its memory, but reads a page from etcd where it is older than Kubernetes 1.34.

    All pages are of the moment of the first one. The server keeps that for five minutes; who takes longer gets the rest
    as it is by then: each object once, but for those that were made or removed meanwhile.

    Args:
        api: the connection.
        path: of the collection, from `path_of`.
        query: further parameters, such as labelSelector.

    Raises:
        ApiError, ConnectionFailedError: as `Requester.request` does, at any page.
    """
    query = {**(query or {}), "limit": str(PAGE_SIZE)}
    while True:
        try:
            page = await api.request("GET", path, query=query)
        except ApiError as error:
            if error.status != _GONE or not error.continue_token:
                raise
            query["continue"] = error.continue_token
            continue
        yield page["items"]
        if not (token := page["metadata"].get("continue")):
            return
        query["continue"] = token
        del page  # None is to be held while the next one comes.
