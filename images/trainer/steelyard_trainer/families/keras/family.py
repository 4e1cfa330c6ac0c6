"""The family of networks, as the stages see it. Imports Keras and TensorFlow where a model is weighed: a process that
supervises others needs neither.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from steelyard_trainer.contract import Outcome, StageContext
from steelyard_trainer.families.base import Family, TrialsOfPack

if TYPE_CHECKING:
    from steelyard_trainer.compression.candidates import Candidates
    from steelyard_trainer.compression.weighing import Bench
    from steelyard_trainer.data.reading import PreparedDataset
    from steelyard_trainer.reports import Reports
    from steelyard_trainer.trained import TrainedFolder


class _Keras:
    """Networks. What the methods do: `families.base.Family`."""

    def train(self, context: StageContext) -> Outcome:
        from steelyard_trainer.families.keras.program import train

        return train(context)

    def bench(self, context: StageContext, dataset: "PreparedDataset", trained: "TrainedFolder | None") -> "Bench":
        from steelyard_trainer.families.keras.lean import import_keras

        import_keras()
        from steelyard_trainer.families.keras.bench import Workbench, reporter
        from steelyard_trainer.families.keras.repeatable import make_repeatable

        make_repeatable()
        assert trained is not None
        spec, workspace = context.job.spec, context.workspace
        if spec.is_from_elsewhere:
            from steelyard_trainer.elsewhere.arrival import PROGRAMS
            from steelyard_trainer.families.keras.from_elsewhere import BenchOfElsewhere, as_they_are

            rows, where = as_they_are(dataset), f"{trained.field}: {trained.name}"
            how = (spec, context.check_attempt, context.notice, reporter(context))
            file = trained.folder / PROGRAMS[trained.training["format"]][1]
            return BenchOfElsewhere(file, workspace.finished, rows, *how, where=where, came=trained.training)
        if spec.model.entrypoint is not None:
            from steelyard_trainer.families.keras.own.bench import OwnWorkbench

            return OwnWorkbench.of(context, dataset, trained, context=context)
        return Workbench.of(context, dataset, trained)

    def folds(self, context: StageContext, dataset: "PreparedDataset", bench: "Bench") -> "Sequence[Candidates]":
        from steelyard_trainer.families.keras.bench import Workbench
        from steelyard_trainer.families.keras.cross_fitting import candidates_of_folds

        assert isinstance(bench, Workbench)
        return candidates_of_folds(context, dataset, bench)

    def pack(self, reports: "Reports", processes: int) -> TrialsOfPack:
        from steelyard_trainer.families.keras.pack import NetworksOfPack

        return NetworksOfPack(reports, processes)


FAMILY: Family = _Keras()
