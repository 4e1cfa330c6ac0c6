"""How every stage begins: it makes sure of the places that it writes to, then takes its number. Imports steelyard.

A volume whose files belong to someone else is what goes wrong most often on a cluster, and is best said at once.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from steelyard.api.errors import ConfigurationError
from steelyard.stores.base import Store
from steelyard.stores.registry import obstacles, store_at
from steelyard.stores.writable import check_writable
from steelyard_trainer.attempts import Attempt
from steelyard_trainer.contract import StageContext
from steelyard_trainer.own_code.arrival import with_code

Context = TypeVar("Context", bound=StageContext)


def begin(context: Context) -> Context:
    """The first act of a stage's first process.

    Returns:
        The context with the number of this attempt, where the process is the stage's writer (worker 0).

    Raises:
        ConfigurationError: the workspace or a place that the model goes to can't be written to (NotWritable),
            something else lies there (TargetOccupied), or the user's own code is not as it must be. Every stage looks
            at what it can see, so that nobody trains in vain.
        OSError: the storage was lost.
    """
    root = context.workspace.root
    check_writable(root)
    root.mkdir(parents=True, exist_ok=True)
    targets = [target.uri for target in context.job.spec.publish or [] if context.reaches(target.uri)]
    check_targets([store_at(uri, context.surroundings) for uri in targets])
    context = with_code(context)
    if context.worker != 0:
        return context
    return replace(context, attempt=Attempt.take(context.workspace, context.stage))


def check_targets(targets: Sequence[Store]) -> None:
    """Refuses places where a model can't be published.

    Raises:
        ConfigurationError: reason TargetOccupied where something else lies, NotWritable where nothing can be made.
        OSError: the storage was lost.
    """
    for target in targets:
        target.try_writing()
    if found := obstacles(targets):
        raise ConfigurationError(found[0].obstacle.message, reason=found[0].obstacle.reason)
