"""A LiteRT model on plain matrices: outputs by batches, and the latency of one row. Imports numpy and LiteRT only."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

BATCH_ROWS = 1024

Matrix = npt.NDArray[np.float32]


class LiteRtModel:
    """A model in memory, with one input (rows, width) and one output (rows, outputs), both float32."""

    def __init__(self, content: bytes, *, threads: int = 1) -> None:
        """Loads a model.

        Args:
            content: the bytes of a .tflite file.
            threads: threads of one operation.

        Raises:
            ValueError: the content is no such model.
        """
        with quiet_native_code():
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
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
        matrix = np.asarray(features, dtype=np.float32)
        results = np.empty((len(matrix), self.outputs), dtype=np.float32)
        step = BATCH_ROWS if self._takes_any_rows else self._rows
        for start in range(0, len(matrix), step):
            batch = matrix[start : start + step]
            results[start : start + step] = self._invoke(batch)
        return results

    def median_latency(self, features: npt.ArrayLike, *, repeats: int = 1000, seconds: float = 1.0) -> float:
        """Median time of one invoke with one row, in microseconds.

        Args:
            features: shape (rows, width); the rows are taken in turn.
            repeats: invokes that are timed, after a tenth as many for warm-up.
            seconds: a slow model is timed no longer than this, but for 20 invokes at least.
        """
        matrix = np.asarray(features, dtype=np.float32)
        self._resize(1)
        times: list[int] = []
        warm_up = repeats // 10
        deadline = time.perf_counter() + seconds
        for turn in range(warm_up + repeats):
            row = turn % len(matrix)
            self._interpreter.set_tensor(self._input, matrix[row : row + 1])
            begin = time.perf_counter_ns()
            self._interpreter.invoke()
            times.append(time.perf_counter_ns() - begin)
            if len(times) >= 20 and time.perf_counter() > deadline:
                break
        return float(np.median(times[warm_up:] or times)) / 1000

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
