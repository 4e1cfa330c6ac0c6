"""The candidates of one trained model: made by their recipes, measured by the code that predicts with the published
model. Imports the maker, what was kept, the metrics and serving.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TypeAlias

from steelyard.api.compression import AUTO, BASELINE, name_of
from steelyard.api.errors import DataError
from steelyard.api.metrics import Measure, Task
from steelyard.api.training_job import TrainingJobSpec
from steelyard.serving.interface import ServedModel, TargetUnit
from steelyard.serving.runtimes import load_model
from steelyard_trainer.compression.answers import Answers
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.auto import Judge, Search
from steelyard_trainer.compression.choice import Measured
from steelyard_trainer.compression.cost import ALL_COSTS, Cost, CostKind
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.making import Maker, Trained, no_progress
from steelyard_trainer.compression.parity import fault_of
from steelyard_trainer.compression.plan import Wanted
from steelyard_trainer.compression.recipe import Recipe
from steelyard_trainer.compression.techniques import technique_named
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, Progress, Tell
from steelyard_trainer.compression.timing import costs_of
from steelyard_trainer.data.labelled import Labelled
from steelyard_trainer.evaluation.metrics import evaluate

Report: TypeAlias = Callable[[int, int, str], None]
"""Is told how many are finished, how many there are, and what is counted."""


def no_report(_done: int, _total: int, _unit: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Measuring:
    """How a candidate is measured."""

    task: Task
    classes: Sequence[str] | None
    """The labels; None for regression."""
    unit: TargetUnit | None
    """Regression: what models that compute in float32 give the standardized target of."""
    measures: Sequence[Measure]
    """What is told of each."""
    read_validation: Callable[[], Labelled]
    """Reads the validation set as the model takes it."""
    read_search: Callable[[], Labelled] | None = None
    """Reads the search rows so, by which candidates are ordered; None where nothing is proved."""
    costs: frozenset[CostKind] = ALL_COSTS
    """What is measured of each beside its bytes, which takes up to a few seconds; nothing where that is empty."""

    def serve(self, artifact: Artifact) -> ServedModel:
        """A candidate as it predicts when it is published. Raises DataError where its file is no such model."""
        classes = None if self.classes is None else len(self.classes)
        return load_model(artifact.runtime, artifact.file.read_bytes(), classes, self.unit)

    def measure(
        self, name: str, artifact: Artifact, model: ServedModel, *, with_answers: bool = False
    ) -> tuple[Measured, Answers | None]:
        """Its size, its latency and its figures on the validation set; what it answers, where that is asked for."""
        rows = self.read_validation()
        outputs = model.predict(rows.features)
        measured = Measured(
            name=name,
            bytes=artifact.bytes,
            latency_microseconds=0.0,
            figures=evaluate(self.task, rows.targets, outputs, self.measures, self.classes),
        )
        if not with_answers or self.read_search is None or measured.figures is None:
            return measured, None
        return measured, Answers(model.predict(self.read_search().features), outputs)


def recipes_of(spec: TrainingJobSpec, baseline: Recipe) -> dict[str, Recipe]:
    """How the candidates are made that a manifest lists, by their names; of a search the baseline alone.

    Args:
        spec: the job's.
        baseline: makes the form in which the model is published without compression: the first, asked for or not.
    """
    asked = {name_of(candidate): candidate for candidate in spec.candidates if candidate not in (BASELINE, AUTO)}
    return {BASELINE: baseline} | {name: Recipe.asked(each) for name, each in asked.items()}


def costs_asked(spec: TrainingJobSpec) -> frozenset[CostKind]:
    """What is measured of the candidates beside their bytes: all that there is where one may be published, and of a
    trial's what its objectives and limits are about."""
    compression, trial = spec.compression, spec.trial
    if trial is None or compression is None:
        return ALL_COSTS
    by_time = {"Latency", "Balanced"} & {spec.compression_objective, trial.secondary}
    asked: list[CostKind] = ["Row"] if by_time or compression.max_latency_microseconds is not None else []
    asked += ["Memory"] if compression.max_memory_bytes is not None else []
    return frozenset(asked)


@dataclass(frozen=True)
class Candidates:
    """The candidates of one trained model."""

    kept: KeptCandidates
    trained: Callable[[], Trained]
    """The model; asked for only where something is to be made."""
    recipes: dict[str, Recipe]
    """How each is made, by its name; the baseline first, the form in which the model is published without compression.
    A search adds what it makes."""
    measuring: Measuring
    tell: Tell = lambda _: None
    """Is told what a person should know of a step that is under way."""
    progress: Progress = no_progress
    """Is told how far a long step is."""
    search: Search | None = None
    """What says which others are made, where none are listed."""

    def measure(
        self,
        report: Report = no_report,
        *,
        with_answers: bool = False,
        judge: Callable[[], Judge] | None = None,
        beside: KeptCandidates | None = None,
    ) -> list[Measured]:
        """Makes and measures what is not finished yet.

        Args:
            report: called with how many are finished, how many there are, and of what: of a search trainings, as many
                as there may be.
            with_answers: whether `answers` is asked for then.
            judge: makes what a search sees by, once the baseline is measured; needed, with answers, where there is one.
            beside: what was made of another model, and stays.

        Returns:
            What was measured, in the order of the recipes.

        Raises:
            DataError: the baseline can't be made, or not be loaded.
            SteelyardError: another process was started in this one's place (AttemptSuperseded).
        """
        self.kept.clean_up(beside)
        found = {name: self._found(name, with_answers=with_answers) for name in self.recipes}
        finished = {name: measured for name, measured in found.items() if measured is not None}
        with ExitStack() as stack:
            maker = cache(lambda: stack.enter_context(self._maker()))
            if not self.search:
                report(len(finished), len(self.recipes), "candidates")
            for name in [name for name in self.recipes if name not in finished]:
                finished[name] = self._made(name, maker(), with_answers=with_answers)
                if not self.search:
                    report(len(finished), len(self.recipes), "candidates")
            if self.search and judge and finished[BASELINE].figures is not None:

                def make(wanted: Wanted) -> tuple[Measured, Answers | None]:
                    name = wanted.name
                    self.recipes[name] = wanted.recipe
                    finished[name] = self._found(name, with_answers=True) or self._made(
                        name, maker(), with_answers=True
                    )
                    return finished[name], self.answers(name)

                self.search.run(
                    judge(),
                    finished[BASELINE],
                    self.kept,
                    make,
                    lambda done, most: report(done, most, "trainings"),
                )
        return self._timed([finished[name] for name in self.recipes])

    def _found(self, name: str, *, with_answers: bool) -> Measured | None:
        """What an earlier attempt measured of a candidate."""
        return self.kept.measured(name, self.recipes[name], self.measuring.measures, with_answers=with_answers)

    def _made(self, name: str, maker: Maker, *, with_answers: bool) -> Measured:
        """Makes, measures and keeps a candidate."""
        measured, answers = self._measure(name, maker, with_answers=with_answers)
        self.kept.keep(self.recipes[name], measured, answers)
        return measured

    def _timed(self, measured: list[Measured]) -> list[Measured]:
        """With what each costs, where that is asked for: all are timed together, unless all were."""
        if not self.measuring.costs or all(each.cost or each.failure for each in measured):
            return measured
        whole = {each.name: self.artifact(each.name) for each in measured if not each.failure}
        costs = costs_of(
            {name: partial(self.measuring.serve, artifact) for name, artifact in whole.items()},
            {name: artifact.folder for name, artifact in whole.items()},
            self.measuring.read_validation().features,
            self.measuring.costs,
        )
        timed = [
            replace(each, cost=cost, latency_microseconds=cost.latency_microseconds)
            if (cost := costs.get(each.name))
            else each
            for each in measured
        ]
        for each in timed:
            if each.cost:
                self.kept.keep(self.recipes[each.name], each)
        return timed

    def cost_of(self, made: Artifact) -> Cost:
        """What something costs that was made by `make`."""
        features = self.measuring.read_validation().features
        serve = partial(self.measuring.serve, made)
        return costs_of({"": serve}, {"": made.folder}, features, frozenset({"Row", "Memory"}))[""]

    def answers(self, name: str) -> Answers | None:
        """What a finished candidate answers; None where it has no finite figures, or nothing was asked for."""
        return self.kept.answers(self.recipes[name])

    def artifact(self, name: str) -> Artifact:
        """A finished candidate. Raises FileNotFoundError where there is none."""
        artifact = self.kept.find(self.recipes[name])
        if artifact is None:
            raise FileNotFoundError(f"the candidate {name} is not in {self.kept.folder}, or not whole")
        return artifact

    def make(self, recipes: Mapping[str, Recipe]) -> dict[str, Artifact]:
        """Candidates that need not be measured. Raises DataError where one can't be made of this model."""
        self.kept.folder.mkdir(parents=True, exist_ok=True)
        with self._maker() as maker:
            try:
                made = {name: maker.make(recipe) for name, recipe in recipes.items()}
                for name, artifact in made.items():
                    if fault := self._fault(recipes[name], artifact, maker):
                        raise CannotBeMadeError(f"{name} is broken by the runtime: {fault}")
                return made
            except CannotBeMadeError as error:
                raise DataError(
                    f"the refitted model can't be compressed as the one that was weighed: {error}"
                ) from None

    def _maker(self) -> AbstractContextManager[Maker]:
        return Maker.of(self.trained(), self.kept, self.tell, self.progress)

    def _measure(self, name: str, maker: Maker, *, with_answers: bool) -> tuple[Measured, Answers | None]:
        try:
            artifact = maker.make(self.recipes[name])
        except CannotBeMadeError as error:
            if name == BASELINE:
                raise DataError(f"the model can't be published: {error}") from None
            return Measured.failed(name, str(error)), None
        try:
            model = self.measuring.serve(artifact)
            if fault := self._fault(self.recipes[name], artifact, maker):
                raise DataError(f"broken by the runtime: {fault}")
        except DataError as error:
            if name == BASELINE:
                raise
            return Measured.failed(name, error.message), None
        measured, answers = self.measuring.measure(name, artifact, model, with_answers=with_answers)
        measured = replace(measured, made=self.kept.made(self.recipes[name]))
        # Of a file that was not made anew: more is told of it than before, and it takes as long as it did.
        if cost := self.kept.cost(self.recipes[name]):
            measured = replace(measured, cost=cost, latency_microseconds=cost.latency_microseconds)
        return measured, answers

    def _fault(self, recipe: Recipe, made: Artifact, maker: Maker) -> str:
        """What shows that a file is not the model that the recipe is to make; empty where it is."""
        for step in recipe.shown_steps:
            if fault := technique_named(step.technique).fault(made, step.settings):
                return fault
        measuring = self.measuring
        rows, is_class = measuring.read_validation().features, measuring.classes is not None
        spread = measuring.unit.scale if measuring.unit else 0.0
        return fault_of(made, maker.given(recipe), measuring.serve, rows, is_class, spread)
