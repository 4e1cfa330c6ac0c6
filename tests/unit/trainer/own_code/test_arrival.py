"""How a user's own code gets to a stage on a cluster, and what its digest keeps from being resumed."""

import os
from pathlib import Path
from typing import Any

import pytest
from training_manifests import manifest

from steelyard.api.errors import ConfigurationError
from steelyard.api.loading import parse_training_job
from steelyard.contract.code_digest import code_digest
from steelyard.contract.stages import Env
from steelyard.contract.workspace import Workspace
from steelyard_trainer.contract import StageContext
from steelyard_trainer.own_code.arrival import installed_digest, with_code


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))


def context(folder: Path, code: dict[str, str] | None) -> StageContext:
    """A pod's."""
    entrypoint: dict[str, Any] = {"function": "net:build", "framework": "Keras"}
    document = manifest()
    document["spec"]["model"] = {"entrypoint": entrypoint | ({} if code is None else {"code": code})}
    (folder / "workspace").mkdir(exist_ok=True)
    claims = {"models": folder / "claim"}
    return StageContext("train", parse_training_job(document), Workspace(folder / "workspace"), None, "k", 0, claims)


@pytest.fixture
def claim(tmp_path: Path) -> Path:
    code = tmp_path / "claim" / "code"
    code.mkdir(parents=True)
    (code / "net.py").write_text("raise SystemExit")
    return code


def test_code_on_a_claim_is_put_into_the_workspace_and_found_by_other_processes(tmp_path: Path, claim: Path) -> None:
    begun = with_code(context(tmp_path, {"uri": "pvc://models/code"}))
    assert begun.code == tmp_path / "workspace" / "code" and begun.code_digest == code_digest(claim)
    assert (os.environ[Env.CODE], os.environ[Env.CODE_DIGEST]) == (str(begun.code), begun.code_digest)
    # Nothing pins it: what was begun with other code is not gone on with.
    before = begun.work_key
    (claim / "net.py").write_text("b = 2")
    assert with_code(context(tmp_path, {"uri": "pvc://models/code"})).work_key not in (before, "k")


def test_code_in_a_config_map_is_that_which_is_mounted(tmp_path: Path, claim: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"the code is not mounted here \(STEELYARD_CODE\)"):
        with_code(context(tmp_path, {"configMap": "net"}))
    os.environ[Env.CODE] = str(claim)
    assert with_code(context(tmp_path, {"configMap": "net"})).code_digest == code_digest(claim)
    with pytest.raises(ConfigurationError, match=r"^spec\.model\.entrypoint\.code: .* but sha256 says"):
        with_code(context(tmp_path, {"configMap": "net", "sha256": "0" * 64}))
    with pytest.raises(ConfigurationError, match=r"code\.uri: there is no pvc://models/gone"):
        with_code(context(tmp_path, {"uri": "pvc://models/gone"}))


def test_installed_code_is_hashed_without_being_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claim: Path
) -> None:
    monkeypatch.syspath_prepend(str(claim))
    before = with_code(context(tmp_path, None))
    assert before.code is None and len(before.code_digest) == 64
    (claim / "net.py").write_text("b = 3")
    assert installed_digest("net") != before.code_digest
    assert installed_digest("nowhere.at_all") == ""
    package = claim / "package"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit")
    assert len(installed_digest("package.net")) == 64


def test_other_kinds_of_models_have_no_code(tmp_path: Path) -> None:
    plain = StageContext("train", parse_training_job(manifest()), Workspace(tmp_path), None, "k", 0)
    assert with_code(plain) is plain and plain.work_key == "k"
