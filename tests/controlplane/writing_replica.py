"""A program for test_leadership: a replica that writes at any moment while it leads.

    python writing_replica.py NAMESPACE NAME

Its requests have the user agent NAME. SIGTERM: it releases the Lease and ends with 0; once it has lost it, with LOST.
"""

import asyncio
import signal
import sys

from steelyard.controller.runtime.leadership import (
    Fenced,
    LeadershipLostError,
    LeaseLeadership,
    end_when_lost_in_a_stop,
    new_identity,
)
from steelyard.controller.runtime.lease import Timing
from steelyard.kube import Api, Requester, path_of

LOST = 3
LEASE = "replicas"
TIMING = Timing(lease_seconds=6, renew_deadline_seconds=4, retry_seconds=0.5)
WRITERS = 4
PAUSE_SECONDS = 0.01
"""Of each writer between two writes: some are on their way at any moment, and others may use the machine too."""


async def write(api: Requester, namespace: str, name: str, end: asyncio.Event) -> None:
    """Makes an object and changes it until the end."""
    await api.request("POST", path_of("configmaps", namespace), {"metadata": {"name": name}})
    path, count = path_of("configmaps", namespace, name), 0
    while not end.is_set():
        count += 1
        change = {"data": {"count": str(count)}}
        await api.request("PATCH", path, change, content_type="application/merge-patch+json")
        await asyncio.sleep(PAUSE_SECONDS)


async def lead(api: Api, namespace: str, name: str) -> int:
    """A replica's life, until SIGTERM or the loss of its leadership; gives the exit code."""
    leadership = LeaseLeadership(api, namespace=namespace, name=LEASE, identity=new_identity(name), timing=TIMING)
    fenced = Fenced(api, leadership)
    await leadership.acquire()
    end_when_lost_in_a_stop(leadership, LOST)
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    try:
        async with asyncio.TaskGroup() as tasks:
            holding = tasks.create_task(leadership.hold())
            writers = [tasks.create_task(write(fenced, namespace, f"{name}-{n}", end)) for n in range(WRITERS)]
            await asyncio.wait(writers)
            holding.cancel()
        await leadership.release()
        code = 0
    except* LeadershipLostError:
        code = LOST
    return code


async def main(namespace: str, name: str) -> int:
    """Connects and leads."""
    async with await Api.connect(user_agent=name) as api:
        return await lead(api, namespace, name)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
