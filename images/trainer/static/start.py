"""The first code of Python in the static supervisor: gives the variables back as they were and runs the supervisor."""

import encodings.idna  # noqa: F401  (host names; all that is imported later must be here)
import os
import shutil
import sys
import tempfile
from pathlib import Path

from steelyard_trainer.gang.__main__ import main

_folder, _descriptor, *_arguments = sys.argv[1:]
with os.fdopen(int(_descriptor), "rb") as _file:
    _variables = _file.read().split(b"\0")
os.environb.clear()
for _variable in _variables:
    _name, _, _value = _variable.partition(b"=")
    if _name:
        os.environb[_name] = _value
# All is loaded. Where it was unpacked something can be written.
tempfile.tempdir = str(Path(_folder).parent)
shutil.rmtree(_folder, ignore_errors=True)
sys.argv[1:] = _arguments
main(_arguments)
