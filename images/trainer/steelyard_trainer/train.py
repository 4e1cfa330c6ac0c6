"""The stage train: begins, and leaves the rest to the model's family, or to the user's own program. Imports the
families' registry and the programs."""

from steelyard_trainer.begin import begin
from steelyard_trainer.contract import Outcome, StageContext
from steelyard_trainer.families.registry import family_of


def train(context: StageContext) -> Outcome:
    """Trains this worker's part. Raises as `begin` and `Family.train` do."""
    context = begin(context)
    if context.job.spec.container is not None:
        from steelyard_trainer.container import program

        return program.train(context)
    return family_of(context.job.spec.kind).train(context)
