"""What is written and read of .tflite files, on models that the converter and ai-edge-quantizer made."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools.flatbuffer_utils import read_model_from_bytearray

from steelyard.serving.model import LiteRtModel
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.litert_file import operators, stripped, weights
from steelyard_trainer.compression.recipe import Recipe, Step
from steelyard_trainer.compression.techniques import technique_named
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, StepData
from steelyard_trainer.data.labelled import Labelled
from steelyard_trainer.families.sklearn.features import LabelledRows

WIDTH = 64
ROWS: npt.NDArray[np.float32] = np.random.default_rng(0).normal(size=(300, WIDTH)).astype(np.float32)
LARGE = 256 * 1024
"""Bytes of weights from which ai-edge-quantizer writes them behind the flatbuffer."""


def network(folder: Path, *, is_large: bool) -> Artifact:
    """A network with convolutions and dense layers, as Keras has it; a large one's weights in 4 bits are many."""
    import keras

    keras.utils.set_random_seed(3)
    rows = keras.Input((WIDTH,))
    image = keras.layers.Conv2D(8, 3, activation="relu")(keras.layers.Reshape((8, 8, 1))(rows))
    flat = keras.layers.Flatten()(keras.layers.DepthwiseConv2D(3, activation="relu")(image))
    hidden = keras.layers.Dense(4096 if is_large else 32, activation="relu")(flat)
    model = keras.Model(rows, keras.layers.Dense(3, activation="softmax")(hidden))
    return Artifact.in_memory(folder, "Keras", model)


class Made:
    """What is made of one network."""

    def __init__(self, folder: Path, *, is_large: bool) -> None:
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self._folder, self._network = folder, network(folder, is_large=is_large)

    def by(self, step: Step) -> bytes:
        """The file that a technique makes."""
        into = self._folder / Recipe((step,)).digest
        into.mkdir(exist_ok=True)

        def read() -> Labelled:
            return LabelledRows(ROWS, np.zeros(len(ROWS)))

        data = StepData(
            into, self.scratch, WIDTH, 3, None, read, self._network, None, into, lambda: None, lambda *_: None
        )
        made: Artifact = technique_named(step.technique).apply(self._network, step.settings, data, lambda _: None)
        return made.file.read_bytes()

    def float_file(self) -> bytes:
        """As the converter wrote it."""
        (path,) = self.scratch.glob("float-*.tflite")
        return path.read_bytes()


@pytest.fixture(scope="module", params=[False, True], ids=["small", "large"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("made"), is_large=request.param)


def quantized(content: bytes) -> bytes:
    """Its dense layers in 4 bits, as ai-edge-quantizer writes them."""
    from ai_edge_quantizer import quantizer, recipe

    asked = quantizer.Quantizer(content, recipe.dynamic_wi4_afp32())
    made = asked.quantize(enable_progress_bar=False, enable_progress_report=False)
    return bytes(made.quantized_model)


def test_a_stripped_file_is_smaller_and_says_the_same_to_the_last_bit(made: Made) -> None:
    smallest = made.by(Step.of("LiteRT"))
    for content in (made.float_file(), quantized(made.float_file())):
        small = stripped(content)
        assert len(small) < len(content) - 400 and stripped(small) == small
        assert len(small) > 0.9 * len(content) or len(content) < 20_000, "no buffer is lost"
        before, after = LiteRtModel(content), LiteRtModel(small)
        assert np.array_equal(before.predict(ROWS), after.predict(ROWS))
        assert np.array_equal(before.predict(ROWS[:1]), after.predict(ROWS[:1]))
    assert smallest == stripped(made.float_file())


def test_the_large_one_has_buffers_behind_its_flatbuffer_and_stripped_none(made: Made) -> None:
    import flatbuffers.table  # noqa: F401 - what the schema is read by
    from ai_edge_litert.schema_py_generated import Model

    content = quantized(made.float_file())
    behind = [Model.GetRootAs(content).Buffers(i).Offset() for i in range(Model.GetRootAs(content).BuffersLength())]
    assert any(behind) is (len(content) > LARGE)
    small = stripped(content)
    assert not any(Model.GetRootAs(small).Buffers(i).Offset() for i in range(Model.GetRootAs(small).BuffersLength()))


def test_nothing_that_no_interpreter_needs_is_left_and_signatures_are(made: Made) -> None:
    for step in (Step.of("LiteRT"), Step.of("Int8"), Step.of("Int4")):
        content = made.by(step)
        model = read_model_from_bytearray(content)
        assert not (model.description or model.metadata)
        for graph in model.subgraphs:
            assert not graph.name
            for tensor in graph.tensors:
                assert not tensor.name
                assert tensor.quantization is None or tensor.quantization.min is tensor.quantization.max is None
        used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors} | {0}
        assert used == set(range(len(model.buffers)))
        interpreter = Interpreter(model_content=content)
        run = interpreter.get_signature_runner(*interpreter.get_signature_list())
        ((name, _),) = run.get_input_details().items()
        (outputs,) = run(**{name: ROWS[:5]}).values()
        assert np.array_equal(outputs, LiteRtModel(content).predict(ROWS[:5]))


def test_every_buffer_lies_where_the_schema_wants_it(made: Made) -> None:
    from ai_edge_litert.schema_py_generated import Model

    content = made.by(Step.of("LiteRT"))
    model = Model.GetRootAs(content)
    places = [
        buffer._tab.Vector(buffer._tab.Offset(4))
        for buffer in map(model.Buffers, range(model.BuffersLength()))
        if not buffer.DataIsNone()
    ]
    assert len(places) > 4 and [place for place in places if place % 16] == []


@pytest.mark.parametrize(
    ("settings", "types"),
    [
        ({}, {"FULLY_CONNECTED": "INT4", "CONV_2D": "INT8", "DEPTHWISE_CONV_2D": "INT8"}),
        (
            {"convolutions": "Float32"},
            {"FULLY_CONNECTED": "INT4", "CONV_2D": "FLOAT32", "DEPTHWISE_CONV_2D": "FLOAT32"},
        ),
        ({"convolutions": "Int4"}, {"FULLY_CONNECTED": "INT4", "CONV_2D": "INT4", "DEPTHWISE_CONV_2D": "INT8"}),
        ({"blockSize": 32}, {"FULLY_CONNECTED": "INT4", "CONV_2D": "INT8", "DEPTHWISE_CONV_2D": "INT8"}),
    ],
)
def test_int4_is_mixed_by_the_kind_of_layer(made: Made, settings: dict[str, object], types: dict[str, str]) -> None:
    content = made.by(Step.of("Int4", settings))
    assert {layer: kind for layer, _, kind in weights(content)} == types
    exact, answered = LiteRtModel(made.by(Step.of("LiteRT"))).predict(ROWS), LiteRtModel(content).predict(ROWS)
    assert np.abs(exact - answered).mean() < 0.02
    assert {kind for _, kind in operators(content)} <= {"FLOAT32", "INT32"}


def test_blocks_that_a_layer_can_not_be_divided_into_are_refused_with_the_widths(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    from steelyard_trainer.compression import litert_file

    shapes = [("FULLY_CONNECTED", (9, 30), "FLOAT32"), ("CONV_2D", (8, 3, 3, 1), "FLOAT32")]
    monkeypatch.setattr(litert_file, "weights", lambda _content: shapes)
    with pytest.raises(CannotBeMadeError) as caught:
        made.by(Step.of("Int4", {"blockSize": 32}))
    assert str(caught.value) == (
        "Int4.blockSize 32 needs dense layers whose number of inputs is a multiple of it, but this model has layers of "
        "30 inputs; leave blockSize out"
    )


def test_int4_says_nothing(made: Made, capfd: pytest.CaptureFixture[str]) -> None:
    made.by(Step.of("LiteRT"))
    capfd.readouterr()
    made.by(Step.of("Int4"))
    assert capfd.readouterr() == ("", "")
