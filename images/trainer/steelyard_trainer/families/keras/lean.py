"""Imports TensorFlow and Keras without the libraries that they take along wherever these are installed.

Keras has wrappers for scikit-learn's pipelines, takes DataFrames and draws in notebooks. We use none of it, and it
costs a third of the start of every process that trains. Imports the standard library and Keras only.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

OPTIONAL_TO_KERAS = ("sklearn", "scipy", "pandas", "IPython")
"""What Keras and TensorFlow try to import, and go without where it is not installed."""


def import_keras() -> None:
    """To be called before anything else imports TensorFlow or Keras; without effect after that."""
    with _hidden(OPTIONAL_TO_KERAS):
        import keras  # noqa: F401  # Which imports TensorFlow.


@contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """Lets imports of these packages fail as if they were not installed, but for those that are imported already."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # The import system's own way to say so.
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
