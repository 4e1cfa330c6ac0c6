"""The family of scikit-learn's models, as the stages see it. Imports scikit-learn, skops and ONNX on first use; never
TensorFlow.
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


class _Sklearn:
    """Models of scikit-learn. What the methods do: `families.base.Family`."""

    def train(self, context: StageContext) -> Outcome:
        from steelyard_trainer import pulse
        from steelyard_trainer.alone import watch

        watch(context)
        from steelyard_trainer.families.sklearn.train import train_estimator

        pulse.beat()

        return train_estimator(context)

    def bench(self, context: StageContext, dataset: "PreparedDataset", trained: "TrainedFolder | None") -> "Bench":
        from steelyard_trainer.families.sklearn.bench import EstimatorBench

        return EstimatorBench.of(context, dataset, trained)

    def folds(self, context: StageContext, dataset: "PreparedDataset", bench: "Bench") -> "Sequence[Candidates]":
        from steelyard_trainer.families.sklearn.bench import EstimatorBench
        from steelyard_trainer.families.sklearn.cross_fitting import candidates_of_folds

        assert isinstance(bench, EstimatorBench)
        return candidates_of_folds(context, dataset, bench)

    def pack(self, reports: "Reports", processes: int) -> TrialsOfPack:
        from steelyard_trainer.families.sklearn.pack import EstimatorsOfPack

        return EstimatorsOfPack(reports, processes)


FAMILY: Family = _Sklearn()
