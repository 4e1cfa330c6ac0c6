"""The scripts behind `make kind-*`, as far as they go without kind: what trains runs here, on the tests' cluster."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from release import ROOT
from under_way import KIND, KindTest


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


def test_the_example_is_trained_and_its_model_shown(kind_test: KindTest) -> None:
    code = kind_test.process.wait()
    said = kind_test.output.read_text()
    assert code == 0, said + kind_test.errors.read_text()
    print(said)
    assert "Phase:          Succeeded" in said, "helm test says so"
    model = json.loads(said[said.rindex("\n[") :])[0]
    assert model["published"] == ["pvc://models/digits"]


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script of tests/kind."""
    return subprocess.run(
        [KIND / script], cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
