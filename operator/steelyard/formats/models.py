"""What a model's file or folder is, by its content and never by its name: formats that are taken from elsewhere, and
what else people name. Imports the standard library and the layout of SavedModels only.
"""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from steelyard.formats.saved_models import ENDINGS, NoModelError, is_saved_model, kept_files

MARKS: Mapping[str, str] = {"Keras": "config.json", "Skops": "schema.json"}
"""By format: the entry of the zip archive that tells it."""
MOST_BYTES = 2**30
"""Of a model's file, or of all files of its folder."""
_ALLOWED = (
    "a .keras file (model.save('model.keras') in Keras 3), a SavedModel's folder (model.export('folder')), a skops "
    "file (skops.io.dump(model, 'model.skops'))"
)
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF", "an HDF5 file; load it in Keras, and save it as a .keras file"),
    (b"\x80", "a pickle, which runs any code when it is loaded, and is never loaded here"),
    (b"\x1f\x8b", "compressed by gzip; unpack it"),
)


_MOST_DIRECTORY_BYTES = 2**20
"""Of a zip archive's list of its files, which is read into memory as a whole."""
_END, _END_BYTES, _MOST_COMMENT_BYTES = b"PK\x05\x06", 22, 2**16


def model_format(path: Path) -> str:
    """The format of a model's file: one of `MARKS`; of a folder SavedModel.

    Raises:
        NoModelError: it is none of them; the message says what it is, and what is allowed.
        OSError: it can't be read.
    """
    if path.is_dir():
        return _of_folder(path)
    with path.open("rb") as file:
        head = file.read(64)
    if head[4:8] == b"TFL3":
        raise NoModelError("is a LiteRT file, which is compressed already; name the model that it was made of")
    for magic, what in _OTHERS:
        if head.startswith(magic):
            raise NoModelError(f"is {what}; allowed: {_ALLOWED}")
    if not head.startswith(b"PK\x03\x04"):
        raise NoModelError(f"is no model in a known format; allowed: {_ALLOWED}")
    if _directory_bytes(path) > _MOST_DIRECTORY_BYTES:
        raise NoModelError("is a zip archive of far too many files")
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise NoModelError(f"is a zip archive that is damaged or not whole: {error}") from None
    for name, mark in MARKS.items():
        if mark in names:
            return name
    if any(name.endswith("data.pkl") for name in names):
        raise NoModelError(f"is a file of PyTorch, which holds a pickle, and is never loaded here; allowed: {_ALLOWED}")
    raise NoModelError(f"is a zip archive without a model's description; allowed: {_ALLOWED}")


def size_of(path: Path) -> int:
    """Bytes of a model's file, or of those of its folder that are read. Raises as `digest_of`."""
    return sum(each.stat().st_size for each in kept_files(path).values()) if path.is_dir() else path.stat().st_size


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of a model's file; of a folder that of its files' checksums, as `sha256sum` would write them.

    Raises:
        NoModelError: the folder has files that are not read.
        OSError: it can't be read.
    """
    if not path.is_dir():
        return _sha256(path)
    lines = (f"{_sha256(each)}  {name}\n" for name, each in kept_files(path).items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_folder(path: Path) -> str:
    if is_saved_model(path):
        kept_files(path)
        return "SavedModel"
    for ending, what in ENDINGS.items():
        if (path / f"saved_model.{ending}").is_file():
            raise NoModelError(f"is {what}; allowed: {_ALLOWED}")
    raise NoModelError(f"is a folder without a saved_model.pb; allowed: {_ALLOWED}")


def _directory_bytes(path: Path) -> int:
    """How long an archive says that its list of files is; 0 where it does not say (APPNOTE.TXT, 4.3.16)."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _END_BYTES - _MOST_COMMENT_BYTES))
        end = file.read()
    place = end.rfind(_END)
    return 0 if place < 0 else int.from_bytes(end[place + 12 : place + 16], "little")
