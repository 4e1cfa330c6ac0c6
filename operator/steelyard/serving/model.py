"""A LiteRT model on plain matrices: outputs by batches, and the latency of one row. Imports numpy and LiteRT only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from steelyard.serving.interface import BATCH_ROWS, by_batches, timed

Matrix = npt.NDArray[np.float32]


class LiteRtModel:
    """A model in memory, with one input (rows, width) and one output (rows, outputs), both float32."""

    features_type = np.float32

    def __init__(self, content: bytes, *, threads: int = 1, plain_kernels: bool = False) -> None:
        """Loads a model.

        Args:
            content: the bytes of a .tflite file.
            threads: threads of one operation.
            plain_kernels: whether LiteRT's reference kernels run, which are slow, in place of the optimized ones.

        Raises:
            ValueError: the content is no such model.
        """
        with quiet_native_code():
            kernels = OpResolverType.BUILTIN_REF if plain_kernels else OpResolverType.AUTO
            self._interpreter = Interpreter(
                model_content=content, num_threads=threads, experimental_op_resolver_type=kernels
            )
            self._interpreter.allocate_tensors()
        (source,) = self._interpreter.get_input_details()
        (sink,) = self._interpreter.get_output_details()
        self._input: int = source["index"]
        self._output: int = sink["index"]
        self._rows = int(source["shape"][0])
        self._takes_any_rows = int(source["shape_signature"][0]) == -1
        self.width = int(source["shape"][-1])
        self.outputs = int(sink["shape"][-1])

    def predict(self, features: npt.ArrayLike) -> Matrix:
        """The model's outputs.

        Args:
            features: shape (rows, width), preprocessed.

        Returns:
            float32, shape (rows, outputs). By batches, or row by row where the model takes a fixed number of rows.
        """
        step = BATCH_ROWS if self._takes_any_rows else self._rows
        return by_batches(self._invoke, np.asarray(features, dtype=np.float32), self.outputs, step)

    def latencies(
        self, features: npt.ArrayLike, *, rows: int = 1, repeats: int = 1000, seconds: float = 1.0
    ) -> list[float]:
        """Times of invokes, in microseconds; see `timed`. Of a model that takes a fixed number of rows, of as many
        invokes as `predict` makes."""
        if not self._takes_any_rows and rows != self._rows:
            matrix = np.asarray(features, dtype=np.float32)
            return timed(self.predict, matrix, rows=rows, repeats=repeats, seconds=seconds)
        self._resize(rows)
        return timed(
            lambda _batch: self._interpreter.invoke(),
            np.asarray(features, dtype=np.float32),
            rows=rows,
            repeats=repeats,
            seconds=seconds,
            place=lambda batch: self._interpreter.set_tensor(self._input, batch),
        )

    def _invoke(self, batch: Matrix) -> Matrix:
        self._resize(len(batch))
        self._interpreter.set_tensor(self._input, batch)
        self._interpreter.invoke()
        outputs: Matrix = self._interpreter.get_tensor(self._output)
        return outputs

    def _resize(self, rows: int) -> None:
        if rows != self._rows:
            with quiet_native_code():
                self._interpreter.resize_tensor_input(self._input, [rows, self.width])
                self._interpreter.allocate_tensors()
            self._rows = rows


@contextmanager
def quiet_native_code() -> Iterator[None]:
    """Sends what is written to standard error to nowhere: LiteRT's remarks have no other switch. Errors are raised, not
    written, so none is lost."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
