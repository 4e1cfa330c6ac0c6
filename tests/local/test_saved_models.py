"""SavedModels from elsewhere, for real: what is taken of them, and what is refused before TensorFlow loads them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from steelyard.api.loading import parse_training_job
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.network_plan import Size
from steelyard_trainer.compression.plan import Seen
from steelyard_trainer.compression.techniques.litert_converter import converted
from steelyard_trainer.data.shape import Shape
from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.elsewhere.saved_model import Signature, check_saved_model
from steelyard_trainer.families.keras.frozen_graph import frozen, graph_model, weights_of
from steelyard_trainer.families.keras.networks import training_network
from steelyard_trainer.families.keras.search_space import Came, plan_of, stand_in
from steelyard_trainer.families.keras.taking_in_graph import check_answers

ROWS = np.random.default_rng(0).normal(size=(9, 16)).astype(np.float32)


class Plain(tf.Module):  # type: ignore[misc]
    """A model that no library of layers made."""

    def __init__(self, ask: Callable[[Any], Any] = tf.identity) -> None:
        super().__init__()
        self.weights = tf.Variable(np.arange(48, dtype=np.float32).reshape(16, 3) / 48)
        self._ask = ask

    @tf.function(input_signature=[tf.TensorSpec((None, 16), tf.float32, name="row")])  # type: ignore[untyped-decorator]
    def __call__(self, rows: Any) -> dict[str, Any]:
        """Logits, of what is made of the rows."""
        return {"logits": tf.matmul(self._ask(rows), self.weights)}


def saved(folder: Path, model: Any, **signatures: Any) -> Path:
    """A SavedModel of a module."""
    tf.saved_model.save(model, str(folder), signatures=signatures or model.__call__)
    return folder


def test_what_is_left_of_a_model_answers_as_it_did_and_is_converted(tmp_path: Path) -> None:
    image = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Conv2D(3, 3), keras.layers.BatchNormalization(), keras.layers.Flatten()]
    )
    image.add(keras.layers.Dense(2, "softmax"))
    image.export(tmp_path / "image", format="tf_saved_model", verbose=False)
    plain = Plain()
    for folder, rows, said, weights in (
        (saved(tmp_path / "plain", plain), ROWS, plain(ROWS)["logits"], 48),
        (tmp_path / "image", ROWS.reshape(-1, 4, 4, 1), image(ROWS.reshape(-1, 4, 4, 1)), None),
    ):
        content, document = frozen(folder, check_saved_model(folder))
        model = graph_model(content, document)
        assert np.allclose(model(rows), said, atol=1e-6)
        assert weights_of(model) == weights or weights is None
        assert converted(Artifact.in_memory(tmp_path, "Keras", model), folder, lambda _: None)[4:8] == b"TFL3"


def test_the_activations_of_keras_are_taken(tmp_path: Path) -> None:
    names = [name for name in dir(keras.activations) if not name.startswith("_")]
    asked = [getattr(keras.activations, name) for name in names if name not in ("deserialize", "get", "serialize")]
    asked = [
        partial(each, threshold=0.5, default_value=0.1) if each.__name__ == "threshold" else each for each in asked
    ]

    def ask(rows: Any) -> Any:
        return tf.tile(tf.add_n([each(rows)[:, :8] for each in asked]), (1, 2))

    folder = saved(tmp_path / "net", Plain(ask))
    check_saved_model(folder)


def test_weights_of_other_types_count(tmp_path: Path) -> None:
    module = tf.Module()
    module.kept = [tf.Variable(tf.ones((16, 3), each)) for each in (tf.float16, tf.float64, tf.int8, tf.float32)]

    @tf.function(input_signature=[tf.TensorSpec((None, 16))])  # type: ignore[untyped-decorator]
    def ask(row: Any) -> Any:
        return {"sum": tf.matmul(row, tf.add_n([tf.cast(each, tf.float32) for each in module.kept]))}

    folder = saved(tmp_path / "net", module, serving_default=ask)
    model = graph_model(*frozen(folder, check_saved_model(folder)))
    assert weights_of(model) == 4 * 48 and np.allclose(model(ROWS), ask(ROWS)["sum"], atol=1e-4)


def test_one_that_answers_a_row_by_the_others_is_refused() -> None:
    def model(ask: Callable[[Any], Any]) -> Any:
        plain = Plain(ask)
        return lambda rows, **_: plain(rows)["logits"]

    check_answers(model(tf.round), (16,), 3)
    with pytest.raises(
        RefusedError, match="depends on the other rows that are asked with it: of 8 rows 8 are answered"
    ):
        check_answers(model(lambda rows: rows - tf.reduce_mean(rows, 0)), (16,), 3)


def reading(_rows: Any) -> Any:
    """Of a file, which a graph may do."""
    return tf.zeros((1, 16)) + tf.strings.to_number(tf.io.read_file("/etc/hostname"), tf.float32) * 0


def in_python(rows: Any) -> Any:
    """What Python is asked."""
    return tf.ensure_shape(tf.numpy_function(lambda given: given, [rows], tf.float32), (None, 16))


@pytest.mark.parametrize(("ask", "says"), [(reading, "ReadFile, StringToNumber"), (in_python, "PyFunc")])
def test_an_operator_that_is_not_listed_is_refused_before_it_is_loaded(tmp_path: Path, ask: Any, says: str) -> None:
    folder = saved(tmp_path / "net", Plain(ask))
    with pytest.raises(RefusedError, match=f"has the operators? .*{says}, which .* known to be harmless; allowed: Abs"):
        check_saved_model(folder)


def test_a_graph_whose_operators_were_changed_later_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "net", Plain())
    content, document = frozen(folder, check_saved_model(folder))
    with pytest.raises(RefusedError, match="has the operator CatMul, which is not known"):
        graph_model(content.replace(b"MatMul", b"CatMul"), document)


def test_signatures_that_do_not_fit_are_named_with_their_shapes(tmp_path: Path) -> None:
    one, two = tf.TensorSpec((None, 4), tf.float32, name="a"), tf.TensorSpec((None, 2), tf.int64, name="b")

    ask = tf.function(lambda a, b: {"sum": a[:, :2] + tf.cast(b, tf.float32)}, input_signature=[one, two])
    whole = tf.function(lambda a: {"same": a}, input_signature=[tf.TensorSpec((1, 4), name="a")])
    with pytest.raises(
        RefusedError, match=r"'serving_default' does not fit; .*a float32 \(None, 4\), b int64 \(None, 2"
    ):
        check_saved_model(saved(tmp_path / "two", tf.Module(), serving_default=ask))
    with pytest.raises(RefusedError, match=r"serving_default takes a float32 \(1, 4\) and gives same float32 \(1, 4\)"):
        check_saved_model(saved(tmp_path / "fixed", tf.Module(), serving_default=whole))
    with pytest.raises(RefusedError, match="no signature 'serving_default', and not one alone"):
        check_saved_model(saved(tmp_path / "other", tf.Module(), left=whole, right=ask))


def changed(folder: Path, change: Callable[[Any], None]) -> Path:
    """The same SavedModel with another description."""
    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    change(model.meta_graphs[0])
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    return folder


def test_one_of_several_graphs_is_refused_as_it_would_be_run_while_it_is_loaded(tmp_path: Path) -> None:
    folder = saved(tmp_path / "net", Plain())
    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    model.meta_graphs.add().meta_info_def.tags.append("train")
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    with pytest.raises(RefusedError, match=r"has 2 graphs; allowed: one, .* tags: \['serve'\] and \['train'\]"):
        check_saved_model(folder)


def enlarge(graph: Any) -> None:
    """Has a variable say that it is larger than any memory."""
    node = next(each for each in graph.object_graph_def.nodes if each.WhichOneof("kind") == "variable")
    node.variable.shape.dim[0].size = 2**40


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda graph: graph.ClearField("object_graph_def"), "saved by TensorFlow 1"),
        (lambda graph: graph.asset_file_def.add(filename="words.txt"), "reads other files"),
        (lambda graph: graph.object_graph_def.nodes[0].resource.SetInParent(), "an object of the kind resource"),
        (lambda graph: setattr(graph.object_graph_def.nodes[0], "registered_name", "a>B"), "loaded by code of its own"),
        (enlarge, "its variables take 13,194,139,533,312 bytes; allowed: 1,073,741,824"),
        (lambda graph: graph.graph_def.ClearField("library"), "damaged: its function .* is not there"),
    ],
)
def test_what_loading_would_run_or_not_bear_is_refused(tmp_path: Path, change: Any, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        check_saved_model(changed(saved(tmp_path / "net", Plain()), change))


def test_one_that_is_not_whole_is_told(tmp_path: Path) -> None:
    folder = saved(tmp_path / "net", Plain())
    data = folder / "variables/variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(RefusedError, match="can't load it, it may be damaged or not whole"):
        frozen(folder, Signature("serving_default", (16,), 3))
    graph = folder / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:3000])
    with pytest.raises(RefusedError, match="damaged or not whole: saved_model"):
        check_saved_model(folder)


def test_what_stands_for_a_network_has_about_as_many_weights_and_a_search_goes_by_it() -> None:
    for weights in (500, 20_000):
        standing = training_network(stand_in(weights, 16, 3), Shape(16, 3), 0).model.count_params()
        assert 0.85 * weights < standing <= weights
    job = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "a"},
        "spec": {
            "dataset": {"uri": "a.csv", "target": "t"},
            "trained": {"uri": "net", "format": "SavedModel"},
            "compression": {"candidates": ["Auto"]},
        },
    }
    spec, came = parse_training_job(job).spec, Came(Size(20_000, takes_blocks=True), stand_in(20_000, 16, 3))
    plan = plan_of(spec, Shape(16, 3), 1_000, 3.0, came)
    assert plan.own_work == 1_000 * spec.training.epochs * 20_000
    asking, asked = plan.ask(Seen(passes=True, bytes=82_000)), list[str]()
    wanted = next(asking)
    try:
        while True:
            asked.append(wanted.name)
            # Of the network itself no form in 4 bits passes, and no student.
            passes = wanted.name in ("DynamicRange", "Float16", "Int8")
            wanted = asking.send(Seen(passes, 20_000 if passes else 9_000))
    except StopIteration:
        pass
    assert asked[:5] == ["DynamicRange", "Float16", "Int8", "Int4", "Int4-blocks"]
    assert any(name.startswith("width-0.25") for name in asked) and not any(name.startswith("qat") for name in asked)
