"""A model from elsewhere where it lies, held against what the manifest says of it: alike for the command, the local
runner and the trainer. Imports formats, the api and the contract.
"""

from dataclasses import dataclass
from pathlib import Path

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.contract.stages import Reason
from steelyard.formats.models import MOST_BYTES, digest_of, model_format, size_of
from steelyard.formats.saved_models import NoModelError


@dataclass(frozen=True)
class ForeignModel:
    """A model's file, or its folder."""

    format: str
    digest: str
    """SHA-256 (hex), as `formats.models.digest_of` says."""


def foreign_model(path: Path, where: str, expected: str | None = None, holder: str = "spec.trained") -> ForeignModel:
    """What lies at a place.

    Args:
        path: the file or the folder.
        where: what it is called, with the field that names it.
        expected: the format that the manifest says; None: any that is known.
        holder: the part of the manifest that says so.

    Raises:
        DataError: it is not there, too large, or no model.
        ConfigurationError: its format is another one, or it may not be read.
        OSError: it can't be read for another reason.
    """
    try:
        found, size = model_format(path), size_of(path)
        if expected not in (None, found):
            raise ConfigurationError(f"{holder}.format: {expected}, but {path.name} is {found}")
        if size > MOST_BYTES:
            raise DataError(f"{where} is {size:,} bytes; allowed: {MOST_BYTES:,}")
        return ForeignModel(found, digest_of(path))
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{where} does not exist: there is no {path}", reason=Reason.SOURCE_NOT_FOUND) from None
    except NoModelError as error:
        raise DataError(f"{where} {error}") from None
    except PermissionError as error:
        raise ConfigurationError(f"{where} can't be read: {error.strerror}") from None
