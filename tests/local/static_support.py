"""The supervisor as one static file, made as the trainer's image has it, and a program that needs nothing at all."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from repository_support import ROOT

STATIC = ROOT / "images" / "trainer" / "static"
STEADY = Path(__file__).with_name("steady.c")


def packed_supervisor(folder: Path) -> Path:
    """Makes the file: a second; skips the test where there is no C compiler."""
    if sys.platform != "linux" or shutil.which("cc") is None:
        assert "CI" not in os.environ, "a C compiler is missing"
        pytest.skip("the static supervisor is made on Linux, with a C compiler")
    file = folder / "supervise"
    # Debian's own interpreter, as in the image, where there is one that is new enough.
    debians = Path("/usr/bin/python3")
    fits = "import sys; sys.exit(sys.version_info < (3, 11))"
    is_there = debians.exists() and subprocess.run([debians, "-c", fits], check=False).returncode == 0
    subprocess.run([debians if is_there else sys.executable, STATIC / "pack.py", file], check=True)
    return file


def compiled(program: Path, compiler: str = "cc", *flags: str) -> Path:
    """steady.c as a program."""
    subprocess.run([compiler, "-Wall", "-o", program, STEADY, *flags], check=True, env=dict(os.environ))
    return program
