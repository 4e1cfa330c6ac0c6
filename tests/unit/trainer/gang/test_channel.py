"""Heartbeats over real sockets: who is answered, and from where it is seen to come."""

import socket
from dataclasses import replace

import pytest

from steelyard_trainer.gang.channel import send, serve
from steelyard_trainer.gang.coordinator import Coordinator, Heartbeat, Orders

BEAT = Heartbeat(1, "a", 0, "waiting")


def start_server(host: str, key: str = "key") -> tuple[int, list[Heartbeat]]:
    """Serves until the tests end; returns the port, and what was received."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    received: list[Heartbeat] = []
    gang = Coordinator(2)

    def receive(beat: Heartbeat) -> Orders:
        received.append(beat)
        return gang.receive(beat, 0.0)

    serve(f"{host}:{port}", key, receive)
    return port, received


def test_a_heartbeat_says_from_where_it_came() -> None:
    port, received = start_server("127.0.0.1")
    orders = send(f"127.0.0.1:{port}", "key", BEAT)
    assert orders == Orders(0, False, False, (0,), ())
    assert received == [replace(BEAT, host="127.0.0.1")]


def test_a_host_that_is_not_this_machines_is_listened_to_on_every_address() -> None:
    """As in a pod, whose name may not lead to it yet."""
    port, received = start_server("digits-train-0.digits-train.default.svc")
    assert send(f"127.0.0.2:{port}", "key", BEAT) is not None
    if socket.has_dualstack_ipv6():
        assert send(f"[::1]:{port}", "key", BEAT) is not None
        assert [beat.host for beat in received] == ["127.0.0.2", "::1"] or received[0].host.startswith("127.")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-such-name.invalid:80"])
def test_where_nobody_answers_nothing_is_said(address: str) -> None:
    assert send(address, "key", BEAT) is None


def test_another_jobs_supervisor_is_not_answered() -> None:
    port, received = start_server("127.0.0.1", key="another")
    assert send(f"127.0.0.1:{port}", "key", BEAT) is None
    assert received == []
