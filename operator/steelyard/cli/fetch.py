"""`steelyard fetch`: the published model from a claim of a cluster to a folder here. Imports typer and the client."""

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from steelyard.api.errors import SteelyardError
from steelyard.cli.cluster import ContextOption, JobArgument, NamespaceOption, connected
from steelyard.cli.fitting import program
from steelyard.cli.next_commands import next_heading
from steelyard.cli.output import OutputFormat, OutputOption, print_json
from steelyard.contract.stages import Reason


def fetch(
    job: JobArgument,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the model goes: empty or not there yet.")],
    image: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE",
            help="The image of the pod that reads the claim, with `sleep` and `tar`. Default: that of the job's pods.",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="How long that pod may take to start.")
    ] = 300.0,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Copies the model that a job has published to a claim (pvc://CLAIM/PATH) into DIR, and verifies it.

    A pod that mounts the claim is made for it, and removed at the end. DIR is complete or absent.
    """

    def say(words: str) -> None:
        if output is OutputFormat.TEXT:
            print(f"the pod that reads the claim waits: {words}", flush=True)

    with _terminated_as_interrupted(), connected(context, namespace) as client:
        fetched = client.get(job).fetch(folder, image=image, timeout=timeout, on_waiting=say)
    if output is OutputFormat.JSON:
        print_json(
            {"folder": str(fetched.folder), "uri": fetched.uri, "digest": fetched.digest, "isNew": fetched.is_new}
        )
        return
    head = f"{fetched.uri} is in {folder} now" if fetched.is_new else f"{folder} holds {fetched.uri} already"
    shown = shlex.quote(str(folder))
    following = f"  {shlex.quote(program())} predict {shown} --input ROWS.csv"
    print(f"{head}, verified\n{fetched.digest}\n\n{next_heading([following])}\n{following}")


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM and SIGHUP end the command as Ctrl-C does, so that the pod is removed."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SteelyardError(
            f"interrupted by {signal.Signals(number).name}", reason=Reason.INTERRUPTED, exit_code=128 + number
        )

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
