"""What makes a process of TensorFlow repeatable. Imports TensorFlow."""

import os

import tensorflow as tf

from steelyard.contract.stages import Env


def make_repeatable() -> None:
    """Fixes the number of threads, as the runner says it, and the order of sums; before TensorFlow does anything."""
    threads = int(os.environ.get(Env.THREADS, "0"))
    threading = tf.config.threading
    # TensorFlow refuses to be told again, once it runs, even what it does anyway.
    if (threading.get_intra_op_parallelism_threads() or 0) != threads:
        threading.set_intra_op_parallelism_threads(threads)
    if (threading.get_inter_op_parallelism_threads() or 0) != threads:
        threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
