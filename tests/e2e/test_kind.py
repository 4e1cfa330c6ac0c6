"""The scripts behind `make kind-*`, as far as they go without kind: what trains runs here, on the tests' cluster."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cluster.binaries import binary

ROOT = Path(__file__).parents[2]
KIND = ROOT / "tests" / "kind"


def test_the_scripts_pass_shellcheck() -> None:
    scripts = [*(path for path in KIND.iterdir()), ROOT / "images" / "build", ROOT / ".ci" / "run"]
    if not shutil.which("shellcheck"):
        assert "CI" not in os.environ, "shellcheck is missing"
        pytest.skip("shellcheck is missing")
    done = subprocess.run(["shellcheck", "--external-sources", *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", ["up", "down"])
def test_a_machine_without_kind_is_told_so(script: str, tmp_path: Path) -> None:
    done = run(script, tmp_path, PATH=f"{tmp_path}:/usr/bin:/bin")
    assert done.returncode == 1
    assert done.stderr.startswith("kind is needed, but it is not on the PATH")


@pytest.mark.usefixtures("operator")
def test_the_example_is_trained_and_its_model_shown(cluster: Any, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    shutil.copy(cluster.kubeconfig, kubeconfig)
    context = cluster.kubectl("config", "current-context").strip()
    config = ["config", f"--kubeconfig={kubeconfig}", "rename-context", context, "kind-steelyard"]
    subprocess.run([binary("kubectl"), *config], check=True, stdout=subprocess.DEVNULL)
    tools = os.pathsep.join(str(binary(tool).parent) for tool in ("kubectl", "helm"))
    try:
        done = run("test", tmp_path, KUBECONFIG=str(kubeconfig), PATH=f"{tools}:{os.environ['PATH']}")
    finally:
        cluster.kubectl.within("default")("delete", "--ignore-not-found", f"--filename={ROOT / 'examples' / 'digits'}")
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    assert "Phase:          Succeeded" in done.stdout, "helm test says so"
    model = json.loads(done.stdout[done.stdout.rindex("\n[") :])[0]
    assert model["published"] == ["pvc://models/digits"]


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script of tests/kind."""
    return subprocess.run(
        [KIND / script], cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
