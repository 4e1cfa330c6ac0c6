"""The control side of Steelyard: what a user may write, the plan, the runners and the command.

Layers, each importing only what stands left of it: api <- planning <- local <- cli; `serving` (numpy only) is used by
cli and by the trainer program. Nothing in this package imports TensorFlow.
"""

from importlib.metadata import version

__version__ = version("steelyard")
