"""A worker's own program on this machine (docs/container-contract.md), and what is made for it on a cluster, where the
supervisor runs before it in its own image. Imports the gang and the contract.
"""

import os
from pathlib import Path

from steelyard.api.models.container import GIVEN_VARIABLES
from steelyard.contract.stages import Env
from steelyard.contract.summaries import TrainSummary
from steelyard.stores.program import ProgramHere, container_name, search_path
from steelyard_trainer.begin import begin
from steelyard_trainer.container.left import begin_folders, model_left, of_container
from steelyard_trainer.contract import Outcome, StageContext
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.gang.contained import supervise
from steelyard_trainer.trained import finished_training, leave_document

_NOT_ITS_OWN = ("PYTHONSAFEPATH",)
"""What Steelyard sets for its own interpreters, and would keep a script from the modules beside it."""


def train(context: StageContext) -> Outcome:
    """Runs this worker's program to its end, in this process's place: its variables and its folder.

    Args:
        context: the stage, begun.

    Raises:
        ConfigurationError: it can't be started here; or it ended with exit code 0 and left no model.
        StageError: see `supervise`.
    """
    container = of_container(context)
    if (finished := finished_training(context, context.workspace.program.model / container.model.name)) is not None:
        context.notice("was trained already", "Resumed")
        return finished
    dataset = PreparedDataset.of(context)
    here = ProgramHere.of(container, context.base_dir or Path.cwd())
    if context.worker == 0:
        begin_folders(context)
    spec, folders = context.job.spec, context.workspace.program
    variables = {**folders.variables(dataset.folder, spec.training.seed), **container.env}
    for name in _NOT_ITS_OWN:
        os.environ.pop(name, None)
    os.environ.update(
        {
            "PATH": search_path(),
            Env.RUN_POLICY.value: spec.run_policy.limits,
            **variables,
        }
    )
    os.chdir(here.folder)
    name, given = container_name(folders.root, context.worker), [*variables, *GIVEN_VARIABLES]
    command = here.started(name, folders.root, dataset.folder, given)
    outcome = supervise(command, lambda: here.remove([name]))
    if context.worker != 0:
        return outcome
    file = model_left(context)
    summary = TrainSummary(workers=spec.training.workers, restarts=outcome.summary.get("restarts", 0)).to_json()
    outcome = Outcome(f"the program ended with exit code 0 and left {file.name}", summary)
    leave_document(context, outcome, dataset)
    return outcome


def begin_program(context: StageContext) -> Outcome:
    """Of a cluster's worker, before the user's image runs: makes sure of the workspace, and makes the folders, of which
    its pod mounts no more than its own and the data.

    Raises:
        ConfigurationError: the workspace can't be written to (NotWritable); there is no prepared data.
        DataError: see `PreparedDataset.of`.
        OSError: the storage was lost.
    """
    context = begin(context)
    PreparedDataset.of(context)
    context.workspace.program.root.mkdir(parents=True, exist_ok=True)
    if context.worker == 0:
        begin_folders(context)
    return Outcome("the program's folders are made", {})
