"""Programs of several processes that find each other by TF_CONFIG, on this machine's loopback."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training_support import GENEROUS_SECONDS, free_ports

Processes = list["subprocess.Popen[str]"]


def tf_config(ports: list[int], worker: int) -> str:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    return json.dumps({"cluster": cluster, "task": {"type": "worker", "index": worker}})


@contextmanager
def running(command: list[str | Path], workers: int, path: list[Path], *options: str) -> Iterator[Processes]:
    """Runs a command as a gang, each worker with a folder of its own name in it, and ends what is left of it."""
    ports = free_ports(workers) if workers > 1 else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "TF_NUM_INTRAOP_THREADS": "1"}
    environment.pop("TF_CONFIG", None)
    processes = []
    for worker in range(workers):
        own = {"TF_CONFIG": tf_config(ports, worker)} if ports else {}
        arguments = [str(each).replace("WORKER", str(worker)) for each in [sys.executable, *options, *command]]
        process = subprocess.Popen(
            arguments, env={**environment, **own}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def told(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=GENEROUS_SECONDS)
    return process.returncode, output, errors
