"""The processes of a cluster: started, crashed, paused, restarted, ended. Imports psutil."""

import json
import os
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

_NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts", "--")
START_SECONDS = 120.0
"""How long a process may take until it answers: 5 to 50 times what was seen."""


class ClusterError(Exception):
    """The cluster can't be had; the message says why, with the end of the log in question."""


class Processes:
    """The named processes of one cluster. They are written down in its folder, so that another program can end them."""

    def __init__(self, folder: Path, *, inside: int | None = None, die_with_parent: bool = False) -> None:
        """They run in the namespaces of the process `inside`, where one is given.

        With `die_with_parent` none outlives this program, however that ends.
        """
        self.folder = folder
        self.prefix = (
            *(("setpriv", "--pdeathsig", "KILL") if die_with_parent else ()),
            *(("nsenter", f"--target={inside}", *_NAMESPACES) if inside else ()),
        )
        """What is put before each command."""
        self._is_inside = inside is not None
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        for part in ("processes", "logs"):
            (folder / part).mkdir(parents=True, exist_ok=True)

    @property
    def names(self) -> list[str]:
        """All that were ever started, newest first."""
        files = sorted((self.folder / "processes").iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        return [file.name for file in files]

    def log(self, name: str) -> Path:
        """Where a process's output goes."""
        return self.folder / "logs" / f"{name}.log"

    def start(self, name: str, command: list[str] | None = None) -> None:
        """Starts a process: the given command, or the one that it had before."""
        command = command or json.loads(self._file(name).read_text())["command"]
        with self.log(name).open("ab") as log:
            child = subprocess.Popen(
                [*self.prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[name] = child
        # nsenter waits beside what it starts.
        pid = _only_child(child.pid) if self._is_inside else child.pid
        created = psutil.Process(pid).create_time()
        self._file(name).write_text(json.dumps({"pid": pid, "created": created, "command": command}))

    def pid(self, name: str) -> int | None:
        """The process's id, None where it does not live (any more)."""
        if (child := self._children.get(name)) is not None and child.poll() is not None:
            return None
        with suppress(FileNotFoundError, psutil.NoSuchProcess):
            written = json.loads(self._file(name).read_text())
            process = psutil.Process(written["pid"])
            if process.create_time() == written["created"] and not _is_dead(process):
                return int(process.pid)
        return None

    def child(self, name: str) -> int:
        """The id of the one process that this process started. Raises ClusterError where there is none."""
        if (pid := self.pid(name)) is None:
            raise ClusterError(f"{name} does not run")
        return _only_child(pid)

    def signal(self, name: str, number: int) -> None:
        """Sends a signal. Raises ClusterError where the process does not live."""
        if (pid := self.pid(name)) is None:
            raise ClusterError(f"{name} does not run")
        os.kill(pid, number)

    def kill(self, name: str) -> None:
        """Crashes a process (SIGKILL), and waits until it is gone; nothing where it does not live."""
        if (pid := self.pid(name)) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._wait_until_gone(name)

    def terminate(self, name: str) -> None:
        """Ends a process its own way (SIGTERM), and waits until it is gone."""
        self.signal(name, signal.SIGTERM)
        self._wait_until_gone(name)

    def end_all(self) -> None:
        """Ends all. By SIGKILL: nothing is kept, and the API server's own way takes seconds."""
        for name in self.names:
            self.kill(name)

    def wait_for_http(self, name: str, url: str) -> None:
        """Waits for an answer of 200. Raises ClusterError where the process ends or START_SECONDS pass before."""
        self.wait(name, lambda: _answers(url), f"no answer from {url}")

    def wait(self, name: str, is_ready: Callable[[], bool], failure: str) -> None:
        """Waits until `is_ready`. Raises ClusterError where the process ends or START_SECONDS pass before."""
        until = time.monotonic() + START_SECONDS
        while not is_ready():
            if self.pid(name) is None:
                raise ClusterError(f"{name} ended:\n{self._last_lines(name)}")
            if time.monotonic() > until:
                raise ClusterError(f"{name}: {failure} in {START_SECONDS:.0f} s:\n{self._last_lines(name)}")
            time.sleep(0.05)

    def _wait_until_gone(self, name: str) -> None:
        while self.pid(name) is not None:
            time.sleep(0.01)

    def _last_lines(self, name: str) -> str:
        return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-20:])

    def _file(self, name: str) -> Path:
        return self.folder / "processes" / name


def _only_child(pid: int) -> int:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        children = psutil.Process(pid).children()
        if children:
            return int(children[0].pid)
        time.sleep(0.005)
    raise ClusterError(f"process {pid} started nothing in {START_SECONDS:.0f} s")


def _is_dead(process: psutil.Process) -> bool:
    # A leader that ended is a zombie while other threads still live, and hold its ports.
    return bool(process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1)


def _answers(url: str) -> bool:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with direct.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
