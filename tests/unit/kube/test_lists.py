"""Long lists: a page at a time, and to the end also where the server no longer knows the state of the beginning."""

import asyncio
from typing import Any

import pytest

from steelyard.kube import PAGE_SIZE, ApiError, pages
from steelyard.kube.api import _error_of

PATH = "/apis/batch/v1/jobs"
EXPIRED = b'{"kind":"Status","metadata":{"continue":"rest"},"reason":"Expired","message":"too old","code":410}'
Answer = dict[str, Any] | ApiError


class Server:
    """Answers one after the other, and remembers what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[dict[str, str] | None] = []

    async def request(
        self, method: str, path: str, body: Any = None, *, query: dict[str, str] | None = None, **_: Any
    ) -> dict[str, Any]:
        assert (method, path, body) == ("GET", PATH, None)
        self.asked.append(dict(query or {}))
        answer = self._answers.pop(0)
        if isinstance(answer, ApiError):
            raise answer
        return answer


def page(*names: str, then: str = "") -> dict[str, Any]:
    return {"metadata": {"continue": then} if then else {}, "items": [{"name": name} for name in names]}


def listed(server: Server, **query: str) -> list[list[str]]:
    async def take() -> list[list[str]]:
        return [[item["name"] for item in items] async for items in pages(server, PATH, query)]

    return asyncio.run(take())


def test_a_list_comes_page_by_page_with_its_selector() -> None:
    server = Server(page("a", "b", then="two"), page("c", then="three"), page())
    assert listed(server, labelSelector="x=y") == [["a", "b"], ["c"], []]
    size = {"labelSelector": "x=y", "limit": str(PAGE_SIZE)}
    assert server.asked == [size, {**size, "continue": "two"}, {**size, "continue": "three"}]


def test_a_list_that_takes_too_long_goes_on_where_it_was() -> None:
    expired = _error_of(410, EXPIRED.decode())
    server = Server(page("a", then="two"), expired, page("b", then="three"), page("c"))
    assert listed(server) == [["a"], ["b"], ["c"]]
    assert [(asked or {}).get("continue") for asked in server.asked] == [None, "two", "rest", "three"]


@pytest.mark.parametrize("error", [ApiError(410, "Expired", "too old"), ApiError(403, "Forbidden", "no")])
def test_what_the_server_refuses_is_raised_at_any_page(error: ApiError) -> None:
    with pytest.raises(ApiError) as raised:
        listed(Server(page("a", then="two"), error))
    assert raised.value is error
