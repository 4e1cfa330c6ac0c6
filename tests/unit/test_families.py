"""Families of models: each that a manifest can name has a folder that offers what the stages ask for."""

import inspect
import subprocess
import sys

import pytest

from steelyard.api.models import FAMILIES, KINDS, Model
from steelyard_trainer.families.base import Family
from steelyard_trainer.families.registry import family_named, family_of

ASKED = [name for name, member in vars(Family).items() if inspect.isfunction(member) and not name.startswith("_")]


@pytest.mark.parametrize("name", [family.name for family in FAMILIES])
def test_each_family_has_a_folder_with_all_that_is_asked_of_one(name: str) -> None:
    assert ASKED == ["train", "bench", "pack"]
    for method in ASKED:
        own = inspect.signature(getattr(family_named(name), method)).parameters
        assert list(own) == [each for each in inspect.signature(getattr(Family, method)).parameters if each != "self"]


def test_every_kind_of_model_has_capabilities_and_is_of_its_family() -> None:
    assert list(KINDS) == [str(info.alias) for info in Model.model_fields.values()]
    for kind, settings in KINDS.items():
        model = Model.model_validate({kind: {}})
        assert type(model.given) is settings
        assert family_of(model) is family_named(settings.capabilities.family.name)


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
