"""The static supervisor as the trainer's image has it, in a root that has nothing but a program, and in one with musl.

Beside the cluster: in a root of its own with namespaces, as a container has them, where it is process 1.
"""

import json
import os
import shutil
import signal
import stat
import subprocess
import tarfile
from pathlib import Path

import psutil
import pytest
from cluster.real import RealCluster
from repository_support import ROOT
from static_support import compiled
from supervise_support import Workers, ended, wait_until

from steelyard.contract.stages import Env

PLACE = "opt/steelyard/supervise"
MUSL = Path("/lib/ld-musl-x86_64.so.1")


@pytest.fixture(scope="module")
def supervise(own_cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    """The file out of the image's archive, which is built where it is missing."""
    archive = subprocess.run(
        [ROOT / "images" / "build", "trainer"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    folder = tmp_path_factory.mktemp("supervise")
    with tarfile.open(archive) as image:
        (manifest,) = json.load(image.extractfile("manifest.json"))
        for layer in sorted(manifest["Layers"], key=lambda name: image.getmember(name).size):
            with tarfile.open(fileobj=image.extractfile(layer)) as files:
                if PLACE in files.getnames():
                    files.extract(PLACE, folder, filter="fully_trusted")
                    return folder / PLACE
    pytest.fail(f"the image has no {PLACE}")


@pytest.mark.parametrize("kind", ["nothing but a static program", "musl"])
def test_it_restarts_programs_in_place_in_any_image(tmp_path: Path, supervise: Path, kind: str) -> None:
    root = tmp_path / "root"
    for folder in ("dev", "lib", "proc", "tools", "work"):
        (root / folder).mkdir(parents=True)
    os.mknod(root / "dev" / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    shutil.copy(supervise, root / "tools" / "supervise")
    if kind == "musl":
        compiled(root / "steady", "musl-gcc")
        shutil.copy(MUSL, root / "lib")
    else:
        compiled(root / "steady", "musl-gcc", "-static")
    inside = ["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={root}/proc", "chroot", str(root)]
    workers = Workers(root / "work", [*inside, "/tools/supervise"])
    # As the program sees the workspace, and without what is of this machine.
    seen = {Env.WORKSPACE: "/work", Env.RESULT_FILE: "/work/result-0", "TMPDIR": ""}
    supervisors = [
        *workers.start(["/steady"], only=[0], **seen),
        *workers.start(["/steady"], only=[1], **{**seen, Env.RESULT_FILE: "/work/result-1"}),
    ]
    wait_until(lambda: all((root / f"first-{rank}").exists() for rank in (0, 1)))
    programs = [
        child for child in psutil.Process(supervisors[1].pid).children(recursive=True) if child.name() == "steady"
    ]
    os.kill(programs[0].pid, signal.SIGKILL)
    assert ended(supervisors) == [0, 0], workers.log(0) + workers.log(1)
    assert workers.result().summary == {"restarts": 1}
    assert "goes on" in workers.log(0)
    assert [path.name for path in (root / "tools").iterdir()] == ["supervise"]
