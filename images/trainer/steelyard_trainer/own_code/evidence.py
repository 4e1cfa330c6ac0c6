"""A user's code beside the model that it built, as one archive. Imports the contract and the standard library."""

import zipfile
from pathlib import Path

from steelyard.contract.code_digest import files_of
from steelyard.contract.package import CODE_FILE

# Anything reads a ZIP archive's dates; this is the earliest one that the format has.
_NO_DATE = (1980, 1, 1, 0, 0, 0)


def write_code(code: Path | None, folder: Path) -> None:
    """Writes the archive; equal code gives equal bytes.

    Args:
        code: the folder of the code; None where it is installed.
        folder: that is published.
    """
    if code is None:
        return
    with zipfile.ZipFile(folder / CODE_FILE, "w") as archive:
        for file in files_of(code):
            entry = zipfile.ZipInfo(file.name, _NO_DATE)
            archive.writestr(entry, file.path.read_bytes(), compress_type=zipfile.ZIP_DEFLATED)
