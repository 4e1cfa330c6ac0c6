"""A model from elsewhere where it lies, held against the manifest: one message for whoever looks."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.contract.stages import Reason
from steelyard.formats.models import MOST_BYTES
from steelyard.stores.foreign_models import ForeignModel, foreign_model

WHERE = "spec.trained.uri: net"


@pytest.fixture
def skops(tmp_path: Path) -> Path:
    """A file that says that it is one of skops."""
    path = tmp_path / "net.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
    return path


def test_a_file_is_told_with_its_digest(skops: Path) -> None:
    digest = hashlib.sha256(skops.read_bytes()).hexdigest()
    assert foreign_model(skops, WHERE) == foreign_model(skops, WHERE, "Skops") == ForeignModel("Skops", digest)


def test_what_is_not_there_too_large_no_model_or_another_one_is_told(skops: Path, tmp_path: Path) -> None:
    for missing in (tmp_path / "other", skops / "below"):
        with pytest.raises(DataError, match=f"^{WHERE} does not exist: there is no {missing}$") as refused:
            foreign_model(missing, WHERE)
        assert refused.value.reason == Reason.SOURCE_NOT_FOUND
    with pytest.raises(ConfigurationError, match=r"^spec\.trained\.format: Keras, but net\.bin is Skops$"):
        foreign_model(skops, WHERE, "Keras")
    (tmp_path / "a.csv").write_text("a,b")
    with pytest.raises(DataError, match=f"^{WHERE} is no model in a known format"):
        foreign_model(tmp_path / "a.csv", WHERE)
    folder = tmp_path / "net"
    folder.mkdir()
    with (folder / "saved_model.pb").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(DataError, match=f"^{WHERE} is 1,073,741,825 bytes; allowed: 1,073,741,824$"):
        foreign_model(folder, WHERE, "SavedModel")
