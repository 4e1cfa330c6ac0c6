"""How a model from elsewhere is copied before it is read."""

import zipfile
from pathlib import Path
from typing import Any, cast

import pytest

from steelyard.api.errors import DataError
from steelyard_trainer.contract import StageContext
from steelyard_trainer.elsewhere import arrival
from steelyard_trainer.elsewhere.arrival import Arrival


class Context:
    """As much of a stage's context as is needed to this point."""

    def check_attempt(self) -> None:
        """It is the only one."""


def test_a_model_that_is_changed_while_it_is_copied_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "net.keras"
    with zipfile.ZipFile(source, "w") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(name, "{}")

    def late(path: Path, copy: Path) -> None:
        copy.write_bytes(path.read_bytes() + b"more")

    monkeypatch.setattr("shutil.copyfile", late)
    monkeypatch.setattr(arrival, "run_confined", lambda *_: pytest.fail("it is read"))
    context: Any = Context()
    here = Arrival(source, "Keras", "spec.trained.uri", "net.keras", tmp_path / "trained")
    with pytest.raises(DataError, match=r"^spec\.trained\.uri: net\.keras was changed while it was copied"):
        here.take_in(cast("StageContext", context))
