"""What a model's file is, whatever it is called."""

import pickle
import zipfile
from pathlib import Path

import pytest

from steelyard.formats.models import digest_of, model_format, size_of
from steelyard.formats.saved_models import MOST_FILES, NoModelError


def archive(path: Path, *names: str) -> Path:
    """A zip archive with these entries."""
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "{}")
    return path


def test_a_keras_file_is_told_by_its_description(tmp_path: Path) -> None:
    assert model_format(archive(tmp_path / "net.zip", "metadata.json", "config.json", "model.weights.h5")) == "Keras"
    assert model_format(archive(tmp_path / "model.zip", "schema.json", "1.npy")) == "Skops"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (pickle.dumps({"a": 1}), "is a pickle, which runs any code when it is loaded, and is never loaded here"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file; load it in Keras, and save it as a .keras file"),
        (b"\x1c\x00\x00\x00TFL3", "is a LiteRT file, which is compressed already"),
        (b"\x1f\x8b\x08", "is compressed by gzip"),
        (b"", "is no model in a known format; allowed: a .keras file"),
        (b"PK\x03\x04 and no more", "is a zip archive that is damaged or not whole"),
    ],
)
def test_what_else_is_named_is_told(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "net.keras"
    path.write_bytes(content)
    with pytest.raises(NoModelError, match=says):
        model_format(path)


def test_other_archives_and_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(NoModelError, match="a file of PyTorch, which holds a pickle"):
        model_format(archive(tmp_path / "net.pt", "net/data.pkl", "net/version"))
    with pytest.raises(NoModelError, match="without a model's description"):
        model_format(archive(tmp_path / "a.zip", "a.csv"))
    with pytest.raises(NoModelError, match=r"is a folder without a saved_model\.pb; allowed: a \.keras file"):
        model_format(tmp_path)
    (tmp_path / "saved_model.pbtxt").write_text("")
    with pytest.raises(NoModelError, match="is a SavedModel in text"):
        model_format(tmp_path)


def test_an_archive_of_very_many_files_is_not_read(tmp_path: Path) -> None:
    many = archive(tmp_path / "net.keras", *(f"{number:0200}" for number in range(5_000)))
    with pytest.raises(NoModelError, match="a zip archive of far too many files"):
        model_format(many)


def saved_model(folder: Path) -> Path:
    """A folder that is laid out as a SavedModel, with files beside it that are not read."""
    names = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001")
    for name in (*names, "fingerprint.pb", "assets/words.txt", "assets.extra/requests"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_a_saved_model_is_the_files_that_are_read_of_it(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "net")
    assert (model_format(folder), size_of(folder)) == ("SavedModel", 14 + 25 + 39)
    digest = digest_of(folder)
    (folder / "assets/words.txt").write_text("others")
    assert digest_of(folder) == digest
    (folder / "variables/variables.index").write_text("others")
    assert digest_of(folder) != digest


def test_what_else_lies_in_its_folder_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved_model(tmp_path / "net")
    # One path of them all would be too long, also for what removes the folder after the test.
    with monkeypatch.context() as inside:
        inside.chdir(folder)
        for _ in range(995):
            Path("a").mkdir()
            inside.chdir("a")
        try:
            assert size_of(folder) == 14 + 25 + 39
        finally:
            for _ in range(995):
                inside.chdir("..")
                Path("a").rmdir()


def test_a_saved_model_that_is_not_whole_linked_or_far_too_many_files_is_told(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "net")
    data = folder / "variables/variables.data-00000-of-00001"
    data.unlink()
    with pytest.raises(NoModelError, match="is a SavedModel that is not whole: its folder variables lacks the index"):
        model_format(folder)
    data.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NoModelError, match=r"whose variables/variables\.data-00000-of-00001 is a link"):
        model_format(folder)
    for number in range(MOST_FILES):
        (folder / f"variables/{number}").touch()
    with pytest.raises(NoModelError, match="of more than 1,000 files"):
        model_format(folder)
