"""How a part of Steelyard is installed that is not here. Imports the standard library only.

Steelyard lies in no package registry: it is installed from its source.
"""

import shlex
import sys
from pathlib import Path


def install_command(extra: str) -> str:
    """What to run, as the rest of a sentence.

    Args:
        extra: of pyproject.toml: what is missing.
    """
    source = Path(__file__).resolve().parents[3]
    if (source / "pyproject.toml").is_file():
        place = shlex.quote(f"{source}[{extra}]")
        return f"run: {shlex.quote(sys.executable)} -m pip install --editable {place}"
    return f"in the folder of Steelyard's source run: pip install '.[{extra}]'"
