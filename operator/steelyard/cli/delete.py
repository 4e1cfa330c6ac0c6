"""`steelyard delete`: takes jobs off a cluster. Imports typer and the client."""

from typing import Annotated

import typer

from steelyard.cli.cluster import ContextOption, NamespaceOption, connected


def delete(
    jobs: Annotated[list[str], typer.Argument(metavar="JOB...", help="The names of TrainingJobs or TuningJobs.")],
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Deletes jobs with their pods and scratch volumes, whether they run or not. What they have published stays.

    A TuningJob's trials go with it.
    """
    with connected(context, namespace) as client:
        for name in jobs:
            print(f"{client.delete(name).lower()} {name} deleted")
