"""Images without a registry: the pause image, a Debian base, and archives of layers. Imports its neighbours only.

Archives are docker archives: `ctr images import`, `podman load` and `FROM docker-archive:FILE` in buildah take them.
"""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster import cache
from cluster.binaries import go

PAUSE = "steelyard.test/pause:1"
OWN_PROGRAM = "steelyard.test/own-program:1"
"""Nothing but a static program and the model that it leaves (own_program/main.go). It names no user: root, as most."""
BASE = "steelyard.test/base:1"
"""Debian bookworm with Python 3.11."""
_BASE_PACKAGES = "python3,python3-venv,ca-certificates"
_UNNEEDED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale", "var/log")


def pause_archive() -> Path:
    """The archive of the image that holds a pod's namespaces; built where it is missing."""
    archive = cache.images_folder() / "pause.tar"
    with cache.locked("images"):
        if not archive.exists():
            with _temporary_folder() as folder:
                source = Path(__file__).parent / "pause" / "main.go"
                program = folder / "root" / "pause"
                go("build", "-trimpath", "-ldflags", "-s -w", "-o", str(program), str(source), folder=folder)
                layer = write_layer(program.parent, folder / "layer.tar")
                write_archive(archive, PAUSE, [layer], {"Entrypoint": ["/pause"], "User": "65535:65535"})
    return archive


def own_program_archive() -> Path:
    """The archive of OWN_PROGRAM; built where it is missing, or another source's."""
    source = Path(__file__).parent / "own_program" / "main.go"
    archive = cache.images_folder() / f"own-program-{_digest(source)[:16]}.tar"
    with cache.locked("images"):
        if not archive.exists():
            with _temporary_folder() as folder:
                root = folder / "root"
                program = root / "own"
                go("build", "-trimpath", "-ldflags", "-s -w", "-o", str(program), str(source), folder=folder)
                (root / "model.skops").write_bytes(_ridge_on_diabetes())
                layer = write_layer(root, folder / "layer.tar")
                write_archive(archive, OWN_PROGRAM, [layer], {"Entrypoint": ["/own"]})
    return archive


def _ridge_on_diabetes() -> bytes:
    """A model of scikit-learn, as skops: the one that OWN_PROGRAM leaves."""
    import skops.io
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge

    return bytes(skops.io.dumps(Ridge(alpha=0.1).fit(*load_diabetes(return_X_y=True))))


def base_archive() -> Path:
    """The archive of BASE; built by debootstrap where it is missing, which takes 70 s and needs root."""
    archive = cache.images_folder() / "base.tar"
    with cache.locked("images"):
        if not archive.exists():
            with _temporary_folder() as folder:
                root = folder / "root"
                command = ["debootstrap", "--variant=minbase", f"--include={_BASE_PACKAGES}", "bookworm", str(root)]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                for part in _UNNEEDED:
                    shutil.rmtree(root / part)
                    (root / part).mkdir()
                for device in (root / "dev").iterdir():
                    shutil.rmtree(device) if device.is_dir() and not device.is_symlink() else device.unlink()
                layer = write_layer(root, folder / "layer.tar")
                write_archive(archive, BASE, [layer], {"Cmd": ["/bin/bash"]})
    return archive


def write_layer(root: Path, layer: Path) -> Path:
    """Writes a folder as an image's layer; owners stay as they are. Gives `layer`."""
    subprocess.run(["tar", "-C", root, "--numeric-owner", "--sort=name", "-cf", layer, "."], check=True)
    return layer


def write_archive(archive: Path, name: str, layers: list[Path], config: dict[str, object]) -> None:
    """Writes an image: `layers` from the lowest on, `config` as in the image specification (Entrypoint, User ...)."""
    digests = [_digest(layer) for layer in layers]
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    image = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {"Env": [path], **config},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
            # Buildah refuses to build upon an image that tells no story of its layers.
            "history": [{"created_by": "steelyard"} for _ in digests],
        }
    ).encode()
    config_name = f"{hashlib.sha256(image).hexdigest()}.json"
    names = [f"{digest}/layer.tar" for digest in digests]
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": names}]).encode()
    partial = archive.with_suffix(".partial")
    with tarfile.open(partial, "w") as file:
        for entry, content in ((config_name, image), ("manifest.json", manifest)):
            header = tarfile.TarInfo(entry)
            header.size = len(content)
            file.addfile(header, io.BytesIO(content))
        for layer, entry in zip(layers, names, strict=True):
            file.add(layer, entry)
    partial.rename(archive)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=cache.cache_folder()) as folder:
        yield Path(folder)
