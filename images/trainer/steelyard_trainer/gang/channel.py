"""How heartbeats travel between supervisors: one line of JSON each way over TCP. Standard library only.

There is no authentication, as frameworks have none between their own processes: a network policy keeps others away. The
stage key in each line keeps workers of different jobs apart that were given the same port one after the other.
"""

import json
import socket
import socketserver
import threading
from collections.abc import Callable
from dataclasses import replace

from steelyard_trainer.gang.coordinator import Heartbeat, Orders

TIMEOUT_SECONDS = 2.0
LINE_LIMIT_BYTES = 65536

Receive = Callable[[Heartbeat], Orders]


def serve(address: str, key: str, receive: Receive) -> None:
    """Answers heartbeats in a daemon thread for as long as this process lives.

    Args:
        address: host:port; a loopback host is listened on alone, for any other every interface is, IPv4 and IPv6.
        key: what a peer must send along.
        receive: called for one heartbeat at a time.

    Raises:
        OSError: the port is taken.
    """
    lock = threading.Lock()
    host, port = split_address(address)
    is_alone = _is_loopback(host)
    has_ipv6 = ":" in host if is_alone else socket.has_dualstack_ipv6()

    class Handler(socketserver.StreamRequestHandler):
        timeout = TIMEOUT_SECONDS

        def handle(self) -> None:
            try:
                line = json.loads(self.rfile.readline(LINE_LIMIT_BYTES))
                if line.pop("key") != key:
                    return
                with lock:
                    orders = receive(Heartbeat(**line))
                self.wfile.write(json.dumps(orders.to_json()).encode() + b"\n")
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                # Not a supervisor of ours, or one that went away.
                return

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 256
        address_family = socket.AF_INET6 if has_ipv6 else socket.AF_INET

        def server_bind(self) -> None:
            if has_ipv6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            super().server_bind()

    server = Server((host if is_alone else "", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def send(address: str, key: str, beat: Heartbeat) -> Orders | None:
    """Sends a heartbeat to supervisor 0, and where it came from; None where that can't be reached or is not ours."""
    try:
        # The name is looked up every time: a pod that was replaced has another address.
        with socket.create_connection(split_address(address), TIMEOUT_SECONDS) as connection:
            beat = replace(beat, host=connection.getsockname()[0])
            connection.sendall(json.dumps({"key": key, **beat.to_json()}).encode() + b"\n")
            with connection.makefile("rb") as answer:
                document = json.loads(answer.readline(LINE_LIMIT_BYTES))
        return Orders(**{**document, "missing": tuple(document["missing"]), "hosts": tuple(document["hosts"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def split_address(address: str) -> tuple[str, int]:
    """host:port as a pair. Raises ValueError."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
