"""Hard limits: what is over one is rejected with both numbers, and nothing over one is published."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from steelyard.api.compression import Compression
from steelyard.api.errors import SteelyardError
from steelyard.api.metrics import Measure
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.choice import Choice, choose
from steelyard_trainer.compression.cost import Cost, Latency
from steelyard_trainer.compression.limits import ClassDrops, Limits
from steelyard_trainer.compression.measured import Measured
from steelyard_trainer.compression.paired import Bound
from steelyard_trainer.compression.proving import Bounds, Proof
from steelyard_trainer.compression.weighing import check_refitted
from steelyard_trainer.evaluation.metrics import Figure


def measured(
    name: str, size: int, accuracy: float = 0.97, latency: float = 10.0, memory: int | None = 1000
) -> Measured:
    cost = Cost(1, memory, Latency(latency, latency), None, (latency,) * 10, "a CPU")
    return Measured(name, size, latency, {"accuracy": Figure(accuracy, 0.01)}, cost=cost)


BASE = measured("Baseline", 400, latency=20.0, memory=5000)


def chosen(*candidates: Measured, limits: Limits, proof: Proof | None = None) -> Choice:
    return choose([BASE, *candidates], Measure("accuracy"), 0.01, "Size", "float32", proof, limits=limits)


def verdicts(choice: Choice) -> dict[str, str]:
    return {each.measured.name: each.verdict for each in choice.weighed}


def test_limits_are_the_manifests() -> None:
    asked = Compression(maxSizeBytes=5, maxLatencyMicroseconds=1.5, maxMemoryBytes=7)
    assert Limits.of(asked) == Limits(5, 1.5, 7)
    assert Limits.of(None) == Limits() and Limits().exceeded(10**12, 1e9, None) == []
    assert [Limits(size_bytes=1).need_costs, Limits(latency_microseconds=1.0).need_costs] == [False, True]


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(size_bytes=99), "its file has 100 bytes, more than the 99 of maxSizeBytes"),
        (
            Limits(latency_microseconds=9.5),
            "one row takes 10 microseconds, more than the 9.5 of maxLatencyMicroseconds",
        ),
        (Limits(memory_bytes=999), "it holds 1,000 bytes of memory, more than the 999 of maxMemoryBytes"),
    ],
)
def test_what_is_over_a_limit_is_rejected_with_the_two_numbers(limits: Limits, why: str) -> None:
    within = measured("DynamicRange", 90, latency=1.0, memory=10)
    choice = chosen(measured("Int8", 100), within, limits=limits)
    assert verdicts(choice)["Int8"] == f"rejected: {why}"
    assert choice.chosen.measured is within and choice.why.startswith("DynamicRange, because")
    assert [each.is_over_limit for each in choice.weighed] == [True, True, False]
    at_the_limit = Limits(size_bytes=100, latency_microseconds=10.0, memory_bytes=1000)
    assert chosen(measured("Int8", 100), limits=at_the_limit).chosen.measured.name == "Int8"


def test_memory_that_is_not_known_is_within_no_limit() -> None:
    choice = chosen(measured("Int8", 100, memory=None), limits=Limits(memory_bytes=5000))
    assert verdicts(choice)["Int8"] == (
        "rejected: this machine does not tell what it holds in memory, which maxMemoryBytes limits"
    )


def test_where_nothing_is_within_the_limits_nothing_is_published_and_the_nearest_is_named() -> None:
    with pytest.raises(SteelyardError) as raised:
        chosen(measured("DynamicRange", 150), measured("Int8", 90, accuracy=0.9), limits=Limits(size_bytes=100))
    assert (raised.value.reason, raised.value.exit_code) == ("GateFailed", 10)
    assert raised.value.message.splitlines() == [
        "no candidate is within the limits of spec.compression, so nothing was published:",
        "  nearest: DynamicRange: its file has 150 bytes, more than the 100 of maxSizeBytes",
        "  Int8: rejected: accuracy drops by 0.07 on the validation set, more than the 0.01 that are allowed",
    ]
    with pytest.raises(SteelyardError, match="nearest: float32: its file has 400 bytes"):
        chosen(measured("Int8", 200, accuracy=0.9), limits=Limits(size_bytes=100))


def test_the_model_without_compression_stays_where_only_it_is_within() -> None:
    choice = chosen(measured("Onnx", 900), limits=Limits(size_bytes=500))
    assert choice.chosen.measured is BASE
    assert choice.why.startswith("the float32 model, because no compressed candidate is within the limits")


def test_what_may_not_be_published_ends_no_sequence_of_tests() -> None:
    held = {
        "Float16": Bounds(Bound(0.0, 0.001, 5000, 1.0), Bound(0.02, 0.03, 1000, 1.0)),
        "Int8": Bounds(Bound(0.0, 0.002, 5000, 1.0), Bound(0.0, 0.004, 1000, 1.0)),
    }
    proof = Proof(0.95, Bound(0.0, 0.003, 1000, 1.0), held)
    candidates = measured("Float16", 200), measured("Int8", 100)
    assert chosen(*candidates, limits=Limits(), proof=proof).chosen.measured is BASE
    choice = chosen(*candidates, limits=Limits(size_bytes=150), proof=proof)
    assert choice.chosen.measured.name == "Int8" and choice.chosen.is_proved
    float16 = choice.weighed[1]
    assert (float16.drop_at_most, float16.is_proved, float16.is_over_limit) == (0.03, False, True)


@dataclass
class Refitted:
    """What a refitted model's candidates are asked for."""

    asked: int = 0

    def cost_of(self, _made: Artifact) -> Cost:
        self.asked += 1
        return Cost(None, 5000, Latency(20.0, 30.0), None, (20.0,), "a CPU")


def test_a_refitted_models_file_is_held_against_the_limits_too(tmp_path: Path) -> None:
    (made := Artifact(tmp_path, "Skops")).file.write_bytes(b"x" * 300)
    candidates: Any = Refitted()
    for asked in (None, Compression(maxSizeBytes=300)):
        check_refitted(candidates, made, asked)
    assert candidates.asked == 0, "what is not limited need not be measured"
    check_refitted(candidates, made, Compression(maxLatencyMicroseconds=20.0, maxMemoryBytes=5000))
    for compression, why in (
        (Compression(maxSizeBytes=299), "its file has 300 bytes, more than the 299 of maxSizeBytes"),
        (Compression(maxLatencyMicroseconds=19.0), "one row takes 20 microseconds"),
        (Compression(maxMemoryBytes=4999), "it holds 5,000 bytes of memory"),
    ):
        with pytest.raises(SteelyardError, match=f"the refitted model is over a limit.*: {why}") as raised:
            check_refitted(candidates, made, compression)
        assert raised.value.reason == "GateFailed"


def test_a_class_that_loses_more_than_it_may_is_told() -> None:
    drops = ClassDrops(0.05, {"Int8": {"ham": 0.0, "spam": 0.08}, "DynamicRange": {"ham": 0.05, "spam": -0.1}})
    made = [BASE, measured("Int8", 100), measured("DynamicRange", 110)]
    choice = choose(made, Measure("accuracy"), 0.01, "Size", class_drops=drops)
    assert choice.chosen.measured.name == "DynamicRange"
    assert verdicts(choice)["Int8"] == (
        "rejected: recall[spam] fell by 8 points on the validation set, more than the 5 points that a class may lose"
    )
    assert "and 5 points of any class's recall" in choice.why
    found = [each.worst_class for each in choice.weighed]
    assert found[0] is None and [(each.label, each.drop) for each in found[1:] if each] == [
        ("spam", 0.08),
        ("ham", 0.05),
    ]
