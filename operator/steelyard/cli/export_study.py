"""`steelyard export-study`: a search as a study of Optuna's. Imports typer, tuning and the cli's other parts."""

import importlib.util
import shlex
from pathlib import Path
from typing import Annotated

import typer

from steelyard.api.errors import ConfigurationError
from steelyard.cli.cluster import ContextOption, NamespaceOption
from steelyard.cli.output import OutputFormat, OutputOption, print_json
from steelyard.cli.searches import find_search
from steelyard.cli.trial_table import numbered
from steelyard.texts.installing import install_command
from steelyard.tuning.export import export_study as write_study
from steelyard.tuning.export import url_of


def export_study(
    search: Annotated[
        str,
        typer.Argument(
            metavar="JOB|FILE|FOLDER",
            help="A TuningJob on a cluster, a manifest that ran here, or a folder: a search's workspace or its model.",
        ),
    ],
    file: Annotated[Path, typer.Argument(metavar="STUDY.db", help="The SQLite file to make.")],
    context: ContextOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Writes a search as a study that Optuna's dashboard opens: optuna-dashboard sqlite:///STUDY.db"""
    if importlib.util.find_spec("optuna") is None:
        raise ConfigurationError(f"Optuna is not installed here; {install_command('tuning')}")
    found = find_search(search, context, namespace)
    count = write_study(found, file)
    if output is OutputFormat.JSON:
        print_json({"job": found.name, "study": str(file), "trials": count})
    else:
        shown = shlex.quote(url_of(file))
        print(f"{numbered(count, 'trial')} of {found.name} in {file}; to see it: optuna-dashboard {shown}")
