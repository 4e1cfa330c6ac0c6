"""The order in which networks are searched, told by what a made-up family of networks loses: no training."""

import json
import runpy
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from repository_support import ROOT

from steelyard.api.compression import CompressionObjective
from steelyard_trainer.compression.network_plan import Size, Space, questions
from steelyard_trainer.compression.plan import Questions, Seen, Wanted

BENCHMARK = runpy.run_path(str(ROOT / "benchmarks" / "compression_search.py"))
BYTES = {"float32": 4.0, "Float16": 2.0, "DynamicRange": 1.0, "Int8": 1.0, "Int4": 0.5, "Int4-blocks": 0.55}
BYTES["Int4-all"] = BYTES["Int4"]


def size_of(width: float, fewer: int) -> Size | None:
    """Two hidden layers of 64 units, 32 features, 4 outputs."""
    units = max(1, round(64 * width))
    return Size(32 * units + units * units * (1 - fewer) + 4 * units, takes_blocks=width == 1) if fewer < 2 else None


@dataclass
class Family:
    """What is seen of each candidate that is asked for."""

    passes: Callable[[str], bool]
    objective: CompressionObjective = "Size"
    no_room: tuple[str, ...] = ()
    convolutions: bool = False
    own_learns: bool = True
    overhead: int = 1_000
    asked: list[Wanted] = field(default_factory=list)
    ended: str = ""

    def search(self) -> list[str]:
        own = size_of(1.0, 0)
        assert own is not None
        times = {"Distill": 6, "QuantizationAware": 1}
        space = Space(
            self.size, lambda name, weights: ({"epochs": 7}, times[name] * weights), self.objective, self.own_learns
        )
        asking = questions(space, Seen(passes=True, bytes=4 * own.weights + self.overhead))
        self.ended = self.answer(asking)
        return [wanted.name for wanted in self.asked]

    def size(self, width: float, fewer: int) -> Size | None:
        found = size_of(width, fewer)
        return found and Size(found.weights, found.takes_blocks, self.convolutions)

    def answer(self, asking: Questions) -> str:
        try:
            wanted = next(asking)
            while True:
                self.asked.append(wanted)
                wanted = asking.send(self.seen(wanted))
        except StopIteration as end:
            return str(end.value)

    def seen(self, wanted: Wanted) -> Seen:
        if wanted.name.startswith(self.no_room) and self.no_room:
            return Seen(passes=False, was_begun=False)
        student = next((step.settings for step in wanted.recipe.steps if step.technique == "Distill"), None)
        size = size_of(getattr(student, "width", 1.0), getattr(student, "fewer_layers", 0))
        assert size is not None
        form = next(form for form in reversed(BYTES) if wanted.name.endswith(form))
        each = 0.8 if form == "Int4" and self.convolutions else BYTES[form]
        return Seen(self.passes(wanted.name), int(size.weights * each) + self.overhead + 40)

    def trained(self) -> list[str]:
        """The networks that were trained, in their order."""
        found = [
            "+".join(f"{step.technique}:{getattr(step.settings, 'width', '')}" for step in wanted.recipe.steps[:-1])
            for wanted in self.asked
        ]
        return list(dict.fromkeys(filter(None, found)))


def widths(names: list[str]) -> list[str]:
    return list(dict.fromkeys(name.split("-")[1] for name in names if name.startswith("width")))


def test_formats_come_first_and_students_by_halves_from_a_quarter_on_until_one_fails() -> None:
    family = Family(lambda name: not name.startswith(("width-0.03125", "width-0.04419")))
    names = family.search()
    assert names[:5] == ["DynamicRange", "Float16", "Int8", "Int4", "Int4-blocks"]
    assert not any(wanted.trainings for wanted in family.asked[:5])
    assert widths(names)[:4] == ["0.25", "0.125", "0.0625", "0.03125"]
    assert names[5:7] == ["width-0.25-DynamicRange", "width-0.25-Int4"]


def test_where_a_quarter_fails_a_half_is_tried_and_nothing_narrower() -> None:
    family = Family(lambda name: not name.startswith(("width-0.25", "width-0.3536")))
    assert widths(family.search())[:3] == ["0.25", "0.5", "0.3536"]


def test_the_width_between_the_last_that_passes_and_the_first_that_fails_is_tried_once() -> None:
    family = Family(lambda name: not name.startswith("width-0.125"))
    assert widths(family.search())[:3] == ["0.25", "0.125", "0.1768"]


def test_the_narrowest_that_passes_learns_in_4_bits_where_its_4_bits_do_not_pass() -> None:
    family = Family(lambda name: "qat" in name or not (name.endswith("Int4") or name.startswith("width-0.125")))
    names = family.search()
    assert "width-0.25-qat-Int4" in names and "width-0.125-qat-Int4" not in names
    learned = next(wanted for wanted in family.asked if wanted.name == "width-0.25-qat-Int4")
    assert [step.technique for step in learned.recipe.steps] == ["Distill", "QuantizationAware", "Int4"]
    small = size_of(0.25, 0)
    assert small is not None and learned.trainings == {1: 6 * small.weights, 2: small.weights}
    assert [getattr(step.settings, "epochs", None) for step in learned.recipe.steps] == [7, 7, None]


def test_nothing_learns_in_4_bits_whose_4_bits_pass() -> None:
    assert not [name for name in Family(lambda _: True).search() if "qat" in name]


def test_where_no_student_passes_the_trained_network_learns_in_4_bits() -> None:
    names = Family(lambda name: "width" not in name and name != "Int4" and "blocks" not in name).search()
    assert widths(names)[:3] == ["0.25", "0.5", "0.7071"]
    assert "qat-Int4" in names


def test_what_can_not_go_on_learning_itself_is_left_out() -> None:
    family = Family(lambda name: "width" not in name and name != "Int4" and "blocks" not in name, own_learns=False)
    assert "qat-Int4" not in family.search()
    fails = ("Int4", "width-0.125")
    others = Family(
        lambda name: "qat" in name or not (name.endswith(fails) or name.startswith(fails)), own_learns=False
    )
    assert "width-0.25-qat-Int4" in others.search()


def test_fewer_layers_are_tried_at_the_narrowest_width() -> None:
    names = Family(lambda name: not name.startswith("width-0.125")).search()
    assert "width-0.25-fewer-1-Int4" in names
    assert names.index("width-0.25-fewer-1-Int4") > names.index("width-0.125-Int4")


def test_nothing_is_trained_whose_file_could_not_be_smaller() -> None:
    family = Family(lambda _: True, overhead=100_000)
    assert not widths(family.search())
    assert family.ended == "nothing is left to train that could win"


def test_what_has_no_room_is_left_out_for_what_is_cheaper() -> None:
    family = Family(lambda name: not name.startswith("width-0.0625"), no_room=("width-0.25-",))
    assert widths(family.search())[:3] == ["0.25", "0.125", "0.0625"]
    assert [wanted.name for wanted in family.asked if wanted.name.startswith("width-0.25-D")] == [
        "width-0.25-DynamicRange"
    ]


@pytest.mark.parametrize("convolutions", [False, True])
def test_for_latency_students_are_tried_in_float32_and_8_bits_and_none_learns_4(convolutions: bool) -> None:
    family = Family(lambda name: not name.startswith("width-0.125"), "Latency", convolutions=convolutions)
    names = family.search()
    assert {"width-0.25-float32", "width-0.25-DynamicRange", "width-0.25-Int8"} <= set(names)
    assert not [name for name in names if "qat" in name or name.endswith("Int4")]
    assert ("Int4-blocks" in names) is not convolutions


def test_convolutions_are_written_in_8_and_in_4_bits_and_learn_4() -> None:
    family = Family(
        lambda name: not name.startswith("width-0.125") and ("all" not in name or "qat" in name), convolutions=True
    )
    names = family.search()
    assert {"Int4", "Int4-all", "width-0.25-Int4", "width-0.25-Int4-all"} <= set(names)
    learned = next(wanted for wanted in family.asked if "qat" in wanted.name)
    settings = next(step.settings for step in learned.recipe.steps if step.technique == "QuantizationAware")
    assert getattr(settings, "convolutions", "") == "Int4"


def test_the_same_answers_bring_the_same_questions() -> None:
    first, second = (Family(lambda name: hash(name) % 3 > 0) for _ in range(2))
    assert first.search() == second.search()


def test_names_are_such_as_a_manifest_may_list() -> None:
    from steelyard.api.compression.candidates import CandidateRecipe

    family = Family(lambda _: False)
    family.search()
    for wanted in family.asked:
        if wanted.trainings:
            steps = [step.settings.model_dump(mode="json", by_alias=True) for step in wanted.recipe.steps]
            assert CandidateRecipe.model_validate({"name": wanted.name, "steps": steps}).name == wanted.name


@pytest.mark.parametrize(("name", "table"), json.loads(BENCHMARK["TABLES"].read_text(encoding="utf-8")).items())
def test_of_40_trainings_a_quarter_at_most_come_near_what_all_of_them_find(name: str, table: dict[str, object]) -> None:
    found = BENCHMARK["replayed"](name, table)
    assert found["possible"] == 40 and found["trainings"] <= 10
    assert found["bytes"] <= 1.1 * found["leastBytes"]
