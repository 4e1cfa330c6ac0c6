"""Whether a file is the model: what real runtimes get wrong is caught, and what rounding changes is not."""

from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_quantizer import quantizer, recipe
from technique_support import MEASURING

from steelyard.serving.model import LiteRtModel
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.candidates import Candidates
from steelyard_trainer.compression.choice import Measured
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.litert_file import stripped
from steelyard_trainer.compression.litert_float import in_float32, zeros
from steelyard_trainer.compression.making import Maker, Trained
from steelyard_trainer.compression.parity import LEAST_AGREEMENT, NEAR_AGREEMENT, STEP, agreement, fault_of
from steelyard_trainer.compression.recipe import Recipe, Step
from steelyard_trainer.compression.techniques import technique_named
from steelyard_trainer.families.sklearn.features import LabelledRows

HIDDEN = 64
WIDTH, CLASSES = 64, ("low", "middle", "high")
"""The rows are images of 8 by 8; the answer is by the sum of a part."""


def rows(seed: int) -> LabelledRows:
    features = np.random.default_rng(seed).normal(size=(400, WIDTH)).astype(np.float32)
    return LabelledRows(features, np.digitize(features[:, :8].sum(axis=1), [-1.5, 1.5]))


def network(outputs: int, activation: str | None) -> keras.Model:
    """Convolutions with normalization, a residual one, and dense layers; of any weights."""
    keras.utils.set_random_seed(5)
    features = keras.Input((WIDTH,))
    image = keras.layers.Conv2D(16, 3, padding="same", use_bias=False)(keras.layers.Reshape((8, 8, 1))(features))
    image = keras.layers.ReLU()(keras.layers.BatchNormalization()(image))
    apart = keras.layers.Conv2D(16, 1)(keras.layers.DepthwiseConv2D(3, padding="same", activation="relu")(image))
    flat = keras.layers.Flatten()(keras.layers.ReLU()(keras.layers.Add()([image, apart])))
    hidden = keras.layers.Dense(HIDDEN, activation="tanh")(flat)
    return keras.Model(features, keras.layers.Dense(outputs, activation=activation)(hidden))


class Lab:
    """A network and what is made of it."""

    def __init__(self, folder: Path, outputs: int, activation: str | None) -> None:
        self.folder, self.is_class = folder, outputs > 1
        self.keras = Artifact.in_memory(folder, "Keras", network(outputs, activation))
        self._maker = Maker.of(self.trained(), self.kept())

    def trained(self) -> Trained:
        return Trained(self.keras, WIDTH, 3 if self.is_class else None, None, lambda: rows(0))

    def kept(self) -> KeptCandidates:
        kept = KeptCandidates(self.folder / "kept", "lab")
        kept.folder.mkdir(parents=True, exist_ok=True)
        return kept

    def made(self, *steps: Step) -> Artifact:
        with Maker.of(self.trained(), self.kept()) as maker:
            return maker.make(Recipe(steps))

    def fault(self, made: Artifact) -> str:
        return fault_of(made, self.keras, MEASURING.serve, rows(1).features, self.is_class)


@pytest.fixture(scope="module", params=[3, 1], ids=["classes", "numbers"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    lab = Lab(tmp_path_factory.mktemp("lab"), request.param, "softmax" if request.param > 1 else None)
    kernel, bias = (last := lab.keras.opened(lambda _file: None).layers[-1]).get_weights()
    # A quarter of its last layer's weights are zeros.
    last.set_weights([np.where(np.arange(HIDDEN)[:, np.newaxis] < HIDDEN // 4, 0, kernel), bias])
    return lab


FORMATS = [
    Step.of("LiteRT"),
    Step.of("Float16"),
    Step.of("DynamicRange"),
    Step.of("Int8"),
    Step.of("Int4"),
    Step.of("Int4", {"blockSize": 32, "convolutions": "Int4"}),
]


def test_every_format_is_proved_whatever_its_rounding_costs(lab: Lab) -> None:
    for step in FORMATS:
        made = lab.made(step)
        assert (step, lab.fault(made), technique_named(step.technique).fault(made, step.settings)) == (step, "", "")


def test_rows_that_rounding_decides_are_held_against_a_second_implementation(tmp_path: Path) -> None:
    """Of 1 of 100 rows the classes are so nearly tied that a step of the last layer's inputs decides."""
    lab = Lab(tmp_path, 3, "softmax")
    model = lab.keras.opened(lambda _file: None)
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([10 * kernel, bias])
    made = lab.made(Step.of("Int8"))
    asked = np.concatenate([rows(seed).features for seed in range(1, 11)])
    exact = in_float32(made.file.read_bytes())
    assert exact is not None
    outputs, reference = (LiteRtModel(each).predict(asked) for each in (made.file.read_bytes(), exact))
    assert NEAR_AGREEMENT <= agreement(outputs, reference, STEP, True) < LEAST_AGREEMENT
    assert lab.fault(made) == ""


def in_two_bits(content: bytes) -> bytes:
    """All layers in 2 bits, as ai-edge-quantizer writes them."""
    asked = quantizer.Quantizer(content, recipe.dynamic_wi2c_afp32())
    return stripped(bytes(asked.quantize(enable_progress_bar=False, enable_progress_report=False).quantized_model))


def test_a_convolution_of_2_bits_runs_and_answers_nonsense_which_is_caught(lab: Lab, tmp_path: Path) -> None:
    from steelyard_trainer.compression.techniques.base import StepData
    from steelyard_trainer.compression.techniques.litert_converter import float_file

    data = StepData(
        tmp_path, tmp_path, WIDTH, 3, None, lambda: rows(0), lab.keras, None, tmp_path, lambda: None, lambda *_: None
    )
    made = Artifact(tmp_path, "LiteRT")
    made.file.write_bytes(in_two_bits(float_file(lab.keras, data)))
    assert "of 400 held rows, 99.5% are needed" in lab.fault(made)


def test_another_network_in_float32_is_not_the_model(lab: Lab, tmp_path: Path) -> None:
    other = keras.models.clone_model(lab.keras.opened(lambda _file: None))
    made = lab.made(Step.of("LiteRT"))
    fault = fault_of(
        made, Artifact.in_memory(tmp_path, "Keras", other), MEASURING.serve, rows(1).features, lab.is_class
    )
    assert fault.startswith("it answers as the model does in ")


def test_a_damaged_file_does_not_run(lab: Lab, tmp_path: Path) -> None:
    content = bytearray(lab.made(Step.of("Int8")).file.read_bytes())
    made = Artifact(tmp_path, "LiteRT")
    made.file.write_bytes(bytes(content[: len(content) // 2]))
    assert lab.fault(made).startswith("the file does not run: ")


def test_a_model_of_8_bits_that_computes_in_float32_is_told(lab: Lab) -> None:
    step = Step.of("Int8")
    fault = technique_named("Int8").fault(lab.made(Step.of("DynamicRange")), step.settings)
    assert (
        fault.startswith("it computes ") and fault.endswith(", not in INT8") and "FULLY_CONNECTED in FLOAT32" in fault
    )


def test_zeros_are_counted_in_whatever_form_weights_are_written(lab: Lab) -> None:
    size = HIDDEN * (3 if lab.is_class else 1)
    for step in FORMATS:
        found = sorted(zeros(lab.made(step).file.read_bytes()), key=lambda each: each[1])
        assert [numbers for _, numbers in found] == sorted([3 * 3 * 16, 3 * 3 * 16, 16 * 16, 1024 * HIDDEN, size])
        (count,) = [count for count, numbers in found if numbers == size]
        # Half a step of the grid may be more than some of the other weights.
        assert count == size / 4 if step in FORMATS[:2] else count >= size / 4


PRUNED = Step.of("Prune", {"sparsity": 0.75, "epochs": 2})
SPARSE = Step.of("Float16", {"sparse": True})


def test_a_pruned_file_has_its_zeros_or_is_not_weighed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from technique_support import leave_trained, trained_in

    from steelyard_trainer.compression.techniques import litert_converter

    def measured(folder: str, **recipes: tuple[Step, ...]) -> list[Measured]:
        asked = {"Baseline": Recipe.of("LiteRT")} | {name: Recipe(steps) for name, steps in recipes.items()}
        trained = trained_in(tmp_path / "trained", "Keras")
        return Candidates(KeptCandidates(tmp_path / folder, "pruned"), lambda: trained, asked, MEASURING).measure()

    leave_trained("Keras", tmp_path / "trained")
    learned = Step.of("QuantizationAware", {"epochs": 1, "learningRate": 0.3})
    student = Step.of("Distill", {"width": 0.5, "epochs": 1})
    sound = measured(
        "sound",
        Sparse=(PRUNED, SPARSE),
        Layers=(Step.of("Prune", {"sparsity": 0.75, "epochs": 2, "scope": "Layer"}), Step.of("Float16")),
        Int8=(PRUNED, Step.of("Int8")),
        Learned=(PRUNED, learned, Step.of("Int4")),
        Student=(PRUNED, student, Step.of("Float16")),
    )
    assert [each.failure for each in sound] == [""] * 6
    converted = litert_converter.converted
    monkeypatch.setattr(litert_converter, "converted", lambda *given: _without_zeros(converted(*given)))
    _, broken = measured("broken", Broken=(PRUNED, Step.of("LiteRT")))
    assert broken.figures is None
    assert broken.failure == "broken by the runtime: 0.0% of its weights are zeros, 75.0% are to be"


def _without_zeros(content: bytes) -> bytes:
    """A file in float32 whose zeros are small numbers, so that it answers as it did."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(content)
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        if data is not None and len(data) and tensor.type == 0 and len(tensor.shape) > 1:
            numbers = np.frombuffer(bytes(data), np.float32)
            tiny = np.where(numbers == 0, np.float32(1e-6), numbers)
            model.buffers[tensor.buffer].data = np.frombuffer(tiny.tobytes(), np.uint8)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def test_the_network_in_float32_has_the_weights_of_the_file(lab: Lab) -> None:
    assert in_float32(lab.made(Step.of("LiteRT")).file.read_bytes()) is None
    for step in FORMATS[1:]:
        exact = in_float32(lab.made(step).file.read_bytes())
        assert exact is not None and in_float32(exact) is None


def test_what_is_broken_is_rejected_and_not_weighed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from technique_support import leave_trained, trained_in

    from steelyard_trainer.compression.techniques import few_bits

    leave_trained("Keras", tmp_path / "trained")
    monkeypatch.setattr(few_bits, "in_few_bits", lambda content, *_bits, **_settings: _with_other_weights(content))
    kept = KeptCandidates(tmp_path / "kept", "broken")
    asked = {"Baseline": Recipe.of("LiteRT"), "Int4": Recipe.of("Int4"), "Float16": Recipe.of("Float16")}
    candidates = Candidates(kept, lambda: trained_in(tmp_path / "trained", "Keras"), asked, MEASURING)
    baseline, broken, sound = candidates.measure()
    assert baseline.figures and sound.figures and broken.figures is None
    assert broken.failure.startswith("broken by the runtime: it answers as the model does in ")
    again = Candidates(kept, lambda: pytest.fail("nothing is made again"), asked, MEASURING)
    assert again.measure() == [baseline, broken, sound]


def _with_other_weights(content: bytes) -> bytes:
    """A file in float32 whose first weights are others."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(content)
    largest = max((b for b in model.buffers if b.data is not None), key=lambda b: len(b.data))
    largest.data = -np.frombuffer(bytes(largest.data), np.float32)
    largest.data = np.frombuffer(largest.data.tobytes(), np.uint8)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
