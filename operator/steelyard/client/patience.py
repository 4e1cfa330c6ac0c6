"""Waiting for an API server that is away, such as while it restarts. Imports kube and the client's errors."""

import time
from collections.abc import Callable
from typing import TypeVar

from steelyard.client.errors import RefusedError
from steelyard.kube import ConnectionFailedError

PATIENCE_SECONDS = 300.0
POLL_SECONDS = 1.0
"""Between two looks at what is waited for."""

_T = TypeVar("_T")


def patiently(ask: Callable[[], _T], seconds: float = PATIENCE_SECONDS) -> _T:
    """What `ask` gives; asked again as long as the server does not answer, or says that it can't now.

    Raises what `ask` raises: at once, what will not pass; after `seconds`, that too.
    """
    began = time.monotonic()
    while True:
        try:
            return ask()
        except (ConnectionFailedError, RefusedError) as error:
            is_passing = isinstance(error, ConnectionFailedError) or error.is_passing
            if not is_passing or time.monotonic() - began > seconds:
                raise
        time.sleep(POLL_SECONDS)
