"""A training program of one's own, as spec.model.container runs it: in each worker one, told by the environment.

It trains a small network on digits by numpy. The workers share the rows; each step they add up their gradients over
TCP, at the addresses that TF_CONFIG names. Worker 0 leaves a checkpoint after each epoch, from which all go on when one
of them was lost, and in the end model.keras. docs/container-contract.md says what such a program is given and may
answer.
"""

import json
import os
import socket
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

DATA = Path(os.environ["STEELYARD_DATA_DIR"])
CHECKPOINT = Path(os.environ["STEELYARD_CHECKPOINT_DIR"]) / "last.npz"
MODEL = Path(os.environ["STEELYARD_MODEL_DIR"]) / "model.keras"
METRICS = Path(os.environ["STEELYARD_METRICS_FILE"])
EPOCHS = int(os.environ.get("EPOCHS", "20"))
HIDDEN, BATCH, RATE, MOMENTUM = 48, 64, 0.1, 0.9


class Peers:
    """All workers of the job, which TF_CONFIG names; a worker alone has none."""

    def __init__(self) -> None:
        config = json.loads(os.environ.get("TF_CONFIG", "{}"))
        workers = config.get("cluster", {}).get("worker", ["localhost:0"])
        self.count, self.index = len(workers), config.get("task", {}).get("index", 0)
        host, _, port = workers[0].rpartition(":")
        self.links: list[socket.socket] = []
        if self.index == 0 and self.count > 1:
            with socket.create_server(("", int(port)), family=socket.AF_INET) as server:
                self.links = [server.accept()[0] for _ in workers[1:]]
        elif self.index > 0:
            self.links = [self._connect(host, int(port))]

    def _connect(self, host: str, port: int) -> socket.socket:
        for _ in range(300):
            try:
                return socket.create_connection((host, port))
            except OSError:
                time.sleep(0.1)
        sys.exit(75)

    def added(self, values: np.ndarray) -> np.ndarray:
        """The sum of the arrays of all workers: worker 0 adds them up, and tells the others."""
        if self.index == 0:
            for link in self.links:
                values = values + self._receive(link, values)
            for link in self.links:
                link.sendall(values.tobytes())
            return values
        self.links[0].sendall(values.tobytes())
        return self._receive(self.links[0], values)

    def _receive(self, link: socket.socket, like: np.ndarray) -> np.ndarray:
        content = b""
        while len(content) < like.nbytes:
            if not (part := link.recv(like.nbytes - len(content))):
                raise ConnectionError("the other worker was lost")
            content += part
        return np.frombuffer(content, like.dtype)


def read(part: str) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a set: features as they are, and the numbers of their labels."""
    described = json.loads((DATA / "dataset.json").read_text())
    tables = [pq.read_table(DATA / shard["file"]) for shard in described["shards"][part]]
    columns = [column["name"] for column in described["columns"]]
    features = np.concatenate([np.column_stack([table[name] for name in columns]) for table in tables])
    labels = [label for table in tables for label in table[described["target"]].to_pylist()]
    return features, np.array([described["classes"].index(label) for label in labels])


def forward(weights: list[np.ndarray], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The hidden layer and the probabilities."""
    hidden = np.maximum(rows @ weights[0] + weights[1], 0)
    logits = hidden @ weights[2] + weights[3]
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return hidden, shares / shares.sum(axis=1, keepdims=True)


def gradients(weights: list[np.ndarray], rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of the summed loss, one after the other, the loss itself last."""
    hidden, shares = forward(weights, rows)
    loss = -np.log(shares[np.arange(len(rows)), labels] + 1e-12).sum()
    shares[np.arange(len(rows)), labels] -= 1
    back = (shares @ weights[2].T) * (hidden > 0)
    parts = [rows.T @ back, back.sum(axis=0), hidden.T @ shares, shares.sum(axis=0)]
    return np.concatenate([*(part.ravel() for part in parts), [loss]])


def train(peers: Peers) -> tuple[list[np.ndarray], float]:
    """The weights, and the last epoch's loss."""
    rows, labels = read("train")
    rows, classes = rows / 16.0, labels.max() + 1
    draw = np.random.default_rng(int(os.environ["STEELYARD_SEED"]))
    shapes = [(rows.shape[1], HIDDEN), (HIDDEN,), (HIDDEN, classes), (classes,)]
    weights = [draw.normal(0, 0.1, shape) if len(shape) == 2 else np.zeros(shape) for shape in shapes]
    speed, begin, loss = [np.zeros(shape) for shape in shapes], 0, 0.0
    if CHECKPOINT.exists():
        with np.load(CHECKPOINT) as saved:
            begin, weights, speed = (
                int(saved["epoch"]),
                [saved[f"w{i}"] for i in range(4)],
                [saved[f"s{i}"] for i in range(4)],
            )
        print(f"goes on after epoch {begin}", flush=True)
    for epoch in range(begin, EPOCHS):
        # The same order in all workers, whatever was before: each takes its share of every batch.
        order, loss = np.random.default_rng(epoch).permutation(len(rows)), 0.0
        for start in range(0, len(rows), BATCH):
            batch = order[start : start + BATCH]
            own = batch[peers.index :: peers.count]
            flat = peers.added(gradients(weights, rows[own], labels[own]))
            loss += flat[-1] / len(rows)
            place = 0
            for index, weight in enumerate(weights):
                step = flat[place : place + weight.size].reshape(weight.shape) / len(batch)
                place += weight.size
                speed[index] = MOMENTUM * speed[index] - RATE * step
                weights[index] = weight + speed[index]
        if peers.index == 0:
            saved = {f"w{i}": each for i, each in enumerate(weights)} | {f"s{i}": each for i, each in enumerate(speed)}
            with (partial := CHECKPOINT.with_suffix(".partial")).open("wb") as file:
                np.savez(file, epoch=epoch + 1, **saved)
            partial.rename(CHECKPOINT)
            line = {"event": "progress", "stage": "train", "done": epoch + 1, "total": EPOCHS, "unit": "epochs"}
            print(json.dumps({**line, "values": {"loss": round(loss, 6)}}), flush=True)
    return weights, loss


def leave(weights: list[np.ndarray], loss: float) -> None:
    """The model as a .keras file, which takes raw rows and gives probabilities; and what is told of it."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((weights[0].shape[0],)),
            layers.Rescaling(1 / 16.0),
            layers.Dense(HIDDEN, "relu"),
            layers.Dense(weights[2].shape[1], "softmax"),
        ]
    )
    model.set_weights(weights)
    model.save(MODEL)
    METRICS.write_text(json.dumps({"loss": loss, "epochs": EPOCHS}))


def main() -> None:
    """Trains this worker's share."""
    peers = Peers()
    try:
        weights, loss = train(peers)
    except OSError as error:
        print(f"again: {error}", file=sys.stderr)
        sys.exit(75)
    if peers.index == 0:
        leave(weights, loss)


if __name__ == "__main__":
    main()
