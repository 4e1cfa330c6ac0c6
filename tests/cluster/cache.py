"""Where built things are kept between runs, and which versions of them. Imports the standard library only."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KUBERNETES = "1.34.4"
ETCD = "3.6.16"
COREDNS = "1.14.3"
KWOK = "0.7.0"
HELM = "3.19.0"


def cache_folder() -> Path:
    """The folder of everything that is built once: $XDG_CACHE_HOME/steelyard/cluster, ~/.cache/steelyard/cluster."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "steelyard" / "cluster"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def images_folder() -> Path:
    """The image archives (*.tar) that every real node gets."""
    folder = cache_folder() / "images"
    folder.mkdir(exist_ok=True)
    return folder


def run_folder(name: str) -> Path:
    """Where a running cluster's files go; it may exist. Those of a program that ends its own have its id: x-123."""
    return cache_folder() / "run" / name


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Lets one process at a time do the work of this name; the others wait for it."""
    with (cache_folder() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
