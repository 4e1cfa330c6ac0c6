"""What a model's file is, by its content and never by its name: formats that are taken from elsewhere, and what else
people name. Imports the standard library only.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

MARKS: Mapping[str, str] = {"Keras": "config.json", "Skops": "schema.json"}
"""By format: the entry of the zip archive that tells it."""
_ALLOWED = "a .keras file (model.save('model.keras') in Keras 3), a skops file (skops.io.dump(model, 'model.skops'))"
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF", "an HDF5 file; load it in Keras, and save it as a .keras file"),
    (b"\x80", "a pickle, which runs any code when it is loaded, and is never loaded here"),
    (b"\x1f\x8b", "compressed by gzip; unpack it"),
)


_MOST_DIRECTORY_BYTES = 2**20
"""Of a zip archive's list of its files, which is read into memory as a whole."""
_END, _END_BYTES, _MOST_COMMENT_BYTES = b"PK\x05\x06", 22, 2**16


class NoModelError(ValueError):
    """What a file is that is not taken; the message goes on where its name ends."""


def model_format(path: Path) -> str:
    """The format of a model's file: one of `MARKS`.

    Raises:
        NoModelError: it is none of them; the message says what it is, and what is allowed.
        OSError: it can't be read.
    """
    if path.is_dir():
        raise NoModelError(f"is a folder; allowed: {_ALLOWED}")
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


def _directory_bytes(path: Path) -> int:
    """How long an archive says that its list of files is; 0 where it does not say (APPNOTE.TXT, 4.3.16)."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _END_BYTES - _MOST_COMMENT_BYTES))
        end = file.read()
    place = end.rfind(_END)
    return 0 if place < 0 else int.from_bytes(end[place + 12 : place + 16], "little")
