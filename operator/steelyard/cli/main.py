"""The `steelyard` command's entry point. Each command lives in a module of its own; this one puts them together."""

import os
import sys
from typing import Annotated

import typer

from steelyard.api.errors import SteelyardError, explain_os_error
from steelyard.cli.cluster import PANEL
from steelyard.cli.compress import compress
from steelyard.cli.delete import delete
from steelyard.cli.export_study import export_study
from steelyard.cli.fetch import fetch
from steelyard.cli.init import init
from steelyard.cli.list import list_jobs
from steelyard.cli.logs import logs
from steelyard.cli.output import print_error
from steelyard.cli.plan import plan
from steelyard.cli.predict import predict
from steelyard.cli.run import run
from steelyard.cli.show import show
from steelyard.cli.status import status
from steelyard.cli.submit import submit
from steelyard.cli.trials import trials
from steelyard.cli.validate import validate
from steelyard.cli.verify import verify
from steelyard.contract.stages import ExitCode
from steelyard.contract.version import package_version

app = typer.Typer(
    name="steelyard",
    help="""Trains a model as a manifest says, makes it small, and publishes it with the evidence.

    A manifest is one YAML file: where the table is, what to train, what is good enough, where the model goes.

    From a table to predictions:

        steelyard init data.csv

        steelyard run data.yaml

        steelyard predict models/data --input new.csv

    The same manifest on a cluster with Steelyard's operator:

        steelyard submit data.yaml --wait

        steelyard fetch data models/data""",
    epilog="Exit codes: 0 done, 2 wrong usage, 10 the model is not good enough, 65 the data is bad, "
    "75 try again, 78 the manifest or set-up is bad, 130 interrupted, 1 anything else.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for local_command in (init, validate, plan, run, compress, trials, show, verify, predict):
    app.command()(local_command)
app.command("export-study")(export_study)
for cluster_command in (submit, list_jobs, status, logs, fetch, delete):
    app.command(cluster_command.__name__.partition("_")[0], rich_help_panel=PANEL)(cluster_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"steelyard {package_version()}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Runs the command line and ends the process: a user's mistake becomes one message and its exit code."""
    try:
        app()
    except SteelyardError as error:
        print_error(error.message)
        sys.exit(error.exit_code)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # The reader, such as `head`, has enough.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.exit(0)
        explained = explain_os_error(error)
        print_error(explained.message if explained else f"{error.filename or 'a file'}: {error.strerror or error}")
        sys.exit(ExitCode.CONFIGURATION)


if __name__ == "__main__":
    main()
