"""Images unpacked once: a folder of containerd's for each set of images, copied by every node.

An import takes 1 to 2 minutes for an image with TensorFlow, so a new set begins with the cached one that has most of
it, and only what differs is imported. Imports its neighbours only. Needs root.
"""

import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster import cache, node_files
from cluster.node import copy_unpacked
from cluster.processes import Processes

_KEPT = 3
"""How many sets are kept."""
_IMAGES = "images.json"


def unpacked_images(archives: list[Path]) -> Path:
    """containerd's folder with the images of these archives; made where there is none."""
    wanted = {name: digest for archive in archives for name, digest in _images(archive).items()}
    key = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache.cache_folder() / "unpacked"
    with cache.locked("unpacked"):
        if not (folder / key).exists():
            _make(folder, key, wanted, archives)
        (folder / key).touch()
        _forget_old(folder)
    return folder / key


def _make(folder: Path, key: str, wanted: dict[str, str], archives: list[Path]) -> None:
    folder.mkdir(exist_ok=True)
    partial = folder / ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    nearest = max(_sets(folder), key=lambda each: _nearness(each, wanted), default=None)
    held: dict[str, str] = {}
    if nearest and _nearness(nearest, wanted) > 0:
        held = _held(nearest)
        copy_unpacked(nearest, partial)
        (partial / _IMAGES).unlink()
    with _containerd(partial) as ctr:
        for name in held.keys() - wanted.keys():
            subprocess.run([*ctr, "images", "remove", "--sync", name], check=True, stdout=subprocess.DEVNULL)
        for archive in archives:
            if not _images(archive).items() <= held.items():
                subprocess.run([*ctr, "images", "import", str(archive)], check=True, stdout=subprocess.DEVNULL)
    (partial / _IMAGES).write_text(json.dumps(wanted))
    partial.rename(folder / key)


@contextmanager
def _containerd(root: Path) -> Iterator[list[str]]:
    """A containerd upon this folder; gives the beginning of ctr's command line."""
    with tempfile.TemporaryDirectory() as name:
        run = Path(name)
        socket = f"{run}/socket"
        (run / "containerd.toml").write_text(node_files.containerd(str(root), f"{run}/state", socket))
        ctr = ["ctr", f"--address={socket}", "--namespace=k8s.io"]
        processes = Processes(run, die_with_parent=True)
        processes.start("containerd", ["containerd", f"--config={run}/containerd.toml", "--log-level=warn"])
        try:
            processes.wait("containerd", lambda: _succeeds([*ctr, "--timeout=1s", "version"]), "no answer")
            yield ctr
        finally:
            processes.terminate("containerd")


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _images(archive: Path) -> dict[str, str]:
    """The names of the images in an archive -> the digests of their configurations, which hold those of the layers."""
    with tarfile.open(archive) as file:
        content = file.extractfile("manifest.json")
        assert content is not None, f"{archive} is no docker archive"
        return {name: image["Config"] for image in json.load(content) for name in image["RepoTags"]}


def _sets(folder: Path) -> list[Path]:
    return [each for each in folder.iterdir() if (each / _IMAGES).exists()]


def _held(folder: Path) -> dict[str, str]:
    return dict(json.loads((folder / _IMAGES).read_text()))


def _nearness(folder: Path, wanted: dict[str, str]) -> int:
    """How many more images a set saves than it has too many."""
    held = _held(folder).items()
    return len(held & wanted.items()) - len(held - wanted.items())


def _forget_old(folder: Path) -> None:
    newest_first = sorted(_sets(folder), key=lambda each: each.stat().st_mtime_ns, reverse=True)
    for old in newest_first[_KEPT:]:
        shutil.rmtree(old)
