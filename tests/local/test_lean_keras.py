"""A process that trains a network starts without the libraries that Keras takes along and nobody uses."""

import json
import subprocess
import sys

PROGRAM = """
import json, sys
from steelyard_trainer.families.keras.lean import OPTIONAL_TO_KERAS, import_keras
import_keras()
import steelyard_trainer.families.keras.worker
there = [name for name in ("tensorflow", "keras", *OPTIONAL_TO_KERAS) if name in sys.modules]
import pandas
from sklearn.metrics import accuracy_score
print(json.dumps([there, float(accuracy_score(pandas.Series([1, 0]), [1, 1]))]))
"""


def test_keras_comes_alone_and_what_was_kept_out_can_be_imported_later() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout.splitlines()[-1]) == [["tensorflow", "keras"], 0.5]
