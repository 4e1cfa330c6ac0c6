"""Families of models: each that a manifest can name has a folder that offers what the stages ask for."""

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from steelyard.api.loading import parse_training_job
from steelyard.api.models import FAMILIES, KINDS, Model
from steelyard.api.models.container import Container
from steelyard.api.models.convolutional import Convolutional
from steelyard.api.models.entrypoint import Entrypoint
from steelyard.contract.errors import StageError
from steelyard.contract.stages import Env, ExitCode
from steelyard.contract.workspace import Workspace
from steelyard_trainer.contract import StageContext
from steelyard_trainer.families.base import Family
from steelyard_trainer.families.keras.program import member_of, program_of, quiet_and_alone
from steelyard_trainer.families.registry import family_named, family_of
from steelyard_trainer.gang.member import cluster_of
from steelyard_trainer.gang.supervisor import Program

ASKED = [name for name, member in vars(Family).items() if inspect.isfunction(member) and not name.startswith("_")]


@pytest.mark.parametrize("name", [family.name for family in FAMILIES])
def test_each_family_has_a_folder_with_all_that_is_asked_of_one(name: str) -> None:
    assert ASKED == ["train", "bench", "folds", "pack"]
    for method in ASKED:
        own = inspect.signature(getattr(family_named(name), method)).parameters
        assert list(own) == [each for each in inspect.signature(getattr(Family, method)).parameters if each != "self"]


def test_every_kind_of_model_has_capabilities_and_is_of_its_family() -> None:
    assert list(KINDS) == [str(info.alias) for info in Model.model_fields.values()]
    for kind, settings in KINDS.items():
        needed: dict[str, Any] = {"inputShape": [8, 8, 1]} if issubclass(settings, Convolutional) else {}
        if settings is Container:
            needed = {"command": ["a"], "model": {"format": "Keras"}}
        if settings is Entrypoint:
            needed = {"function": "net:build", "framework": "Keras"}
        model = Model.model_validate({kind: needed})
        assert type(model.given) is settings
        assert family_of(model.given) is family_named(settings.capabilities.family.name)


def test_what_supervises_and_dispatches_needs_no_library_of_any_family() -> None:
    script = (
        "import sys, steelyard_trainer.train, steelyard_trainer.pack\n"
        "from steelyard.api.models import FAMILIES\n"
        "from steelyard_trainer.families.registry import family_named\n"
        "[family_named(family.name) for family in FAMILIES]\n"
        "sys.exit(str({'tensorflow', 'keras', 'sklearn', 'skops', 'onnx', 'numpy'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


# --- networks ---------------------------------------------------------------------------------------------------------


def test_tensorflow_is_given_the_addresses_in_place_of_the_names() -> None:
    given = json.loads(cluster_of(["a.svc:2222", "b.svc:2223"], ["10.0.0.1", "fd00::2"], 1)["TF_CONFIG"])
    assert given == {
        "cluster": {"worker": ["10.0.0.1:2222", "[fd00::2]:2223"]},
        "task": {"type": "worker", "index": 1},
    }
    assert cluster_of([], [""], 0) == {}


def test_a_network_alone_has_no_peers_whatever_another_program_has_set() -> None:
    assert quiet_and_alone({"TF_CONFIG": "{}", "HOME": "/"}) == {"HOME": "/", "TF_CPP_MIN_LOG_LEVEL": "2"}
    assert quiet_and_alone({"TF_CPP_MIN_LOG_LEVEL": "0"}) == {"TF_CPP_MIN_LOG_LEVEL": "0"}


def context(tmp_path: Path, worker: int = 0) -> StageContext:
    manifest = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "tested"},
        "spec": {"dataset": {"uri": "a.csv", "target": "t"}, "model": {"linear": {}}},
    }
    return StageContext("train", parse_training_job(manifest), Workspace(tmp_path), tmp_path, "k", worker)


def program(given: StageContext) -> Program:
    return program_of(given, member_of(given))


def test_a_process_is_told_of_its_peers_where_there_are_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(Env.SUPERVISORS, "a:1,b:1")
    monkeypatch.setenv(Env.WORKERS, "a:2,b:2")
    own = program(context(tmp_path, worker=1)).environment({"TF_CONFIG": "another's"}, ["10.0.0.1", "10.0.0.2"])
    assert json.loads(own["TF_CONFIG"]) == {
        "cluster": {"worker": ["10.0.0.1:2", "10.0.0.2:2"]},
        "task": {"type": "worker", "index": 1},
    }
    monkeypatch.delenv(Env.SUPERVISORS)
    assert "TF_CONFIG" not in program(context(tmp_path)).environment({"TF_CONFIG": "another's"}, [""])


@pytest.mark.parametrize("given", ["", "a:2", "a:2,"])
def test_addresses_that_are_missing_are_said_at_the_start(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(Env.SUPERVISORS, "a:1,b:1")
    monkeypatch.setenv(Env.WORKERS, given)
    message = f"STEELYARD_WORKERS is '{given}'; allowed: host:port of each of the 2 workers of STEELYARD_SUPERVISORS"
    with pytest.raises(StageError, match=message) as told:
        member_of(context(tmp_path))
    assert told.value.exit_code == ExitCode.CONFIGURATION
