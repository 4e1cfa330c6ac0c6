"""The program of `spec.model.container` on this machine, where its command runs without its image, or docker or podman
runs the image: how it is started, and what stands for its content. Imports the api only.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from steelyard.api.errors import ConfigurationError
from steelyard.api.models.container import Container

_FIELD = "spec.model.container"
_ENGINES = ("docker", "podman")
_ENGINE_SECONDS = 20
_RUN = """
engine=$1 name=$2; shift 2
"$engine" rm --force "$name" > /dev/null 2>&1
said=${STEELYARD_RESULT_FILE%/*}
exec "$engine" run --name "$name" ${said:+"--volume=$said:$said"} --env STEELYARD_RESULT_FILE "$@"
"""
"""A container lives on when the process that began it is killed: it goes before the next one begins. Where it may say
why it ends is known to its supervisor alone."""


@dataclass(frozen=True)
class ProgramHere:
    """A program that can be started."""

    command: tuple[str, ...]
    """The whole command line."""
    folder: Path
    """Where it starts."""
    engine: str = ""
    """What runs its image; empty where the command runs as it is."""

    @classmethod
    def of(cls, container: Container, base_dir: Path) -> "ProgramHere":
        """The program of a container.

        Args:
            container: the manifest's.
            base_dir: the manifest's folder.

        Raises:
            ConfigurationError: it can't be started here; the message says why.
        """
        if container.command is None:
            return cls._of_image(container, base_dir)
        folder = base_dir / (container.working_dir or "")
        if not folder.is_dir():
            raise ConfigurationError(
                f"{_FIELD}.workingDir: there is no folder {folder} on this machine; name one, relative to the "
                "manifest's, or leave it out"
            )
        name = container.command[0]
        found = shutil.which(name if "/" not in name else str(folder / name), path=search_path())
        if found is None:
            raise ConfigurationError(
                f"{_FIELD}.command: there is no program {name!r} on this machine"
                + ("" if container.image is None else f", where {container.image} is not used")
            )
        return cls((found, *container.command[1:], *container.args), folder)

    @classmethod
    def _of_image(cls, container: Container, base_dir: Path) -> "ProgramHere":
        engine = next((name for name in _ENGINES if _runs(name)), None)
        if engine is None:
            raise ConfigurationError(
                f"{_FIELD}.command: it is left out, and neither docker nor podman is at work on this machine to run "
                f"{container.image}; start one, or give the command that its ENTRYPOINT has, to run that without the "
                "image"
            )
        folder = ["--workdir", container.working_dir] if container.working_dir else []
        return cls((engine, "run", *folder, str(container.image), *container.args), base_dir, engine)

    def started(self, name: str, folder: Path, data: Path, variables: Iterable[str]) -> list[str]:
        """The command line of a worker.

        Args:
            name: of its container, where an engine runs one: no two workers of this machine have the same.
            folder: where the program may write.
            data: what it may read.
            variables: the names of those of this process's that it is given.
        """
        if not self.engine:
            return list(self.command)
        # As a cluster's pods are: no rights, a root file system that is read-only, and /tmp.
        options = ["--rm", "--init", "--network=host", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL"]
        options += ["--security-opt=no-new-privileges", f"--user={os.getuid()}:{os.getgid()}"]
        if self.engine == "podman":
            options.append("--userns=keep-id")
        options += [f"--volume={folder}:{folder}", f"--volume={data}:{data}:ro"]
        for variable in variables:
            options += ["--env", variable]
        return ["/bin/sh", "-c", _RUN, "sh", self.engine, name, *options, *self.command[2:]]

    def remove(self, names: Iterable[str]) -> None:
        """Ends and removes containers of these names, where an engine runs any. Whatever it says to that is passed
        over: there may be none."""
        if self.engine:
            with suppress(OSError, subprocess.TimeoutExpired):
                # In a group of its own: whoever is in a hurry to end this one does not end it.
                subprocess.run(
                    [self.engine, "rm", "--force", *names],
                    capture_output=True,
                    timeout=_ENGINE_SECONDS,
                    check=False,
                    process_group=0,
                )

    def digest(self) -> str:
        """SHA-256 (hex) of the files in its folder that its command names: another script is another training. What
        these import is not seen. Raises OSError."""
        digest = hashlib.sha256()
        for word in self.command[1:]:
            file = self.folder / word
            if len(word) < 1024 and file.is_file():
                digest.update(f"{word}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
        return digest.hexdigest()


def container_name(folder: Path, worker: int) -> str:
    """What a worker's container is called: two jobs may have one name, but never one folder to write to."""
    return f"steelyard-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}-{worker}"


@cache
def _runs(engine: str) -> bool:
    """Whether a container engine is there and answers."""
    if shutil.which(engine) is None:
        return False
    try:
        done = subprocess.run([engine, "info"], capture_output=True, timeout=_ENGINE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def search_path() -> str:
    """PATH with the folder of this interpreter first: `python` is the one that Steelyard is installed in."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
