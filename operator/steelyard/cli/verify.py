"""`steelyard verify`: whether a published model is byte for byte what was published. Imports typer, api, serving."""

import re
from pathlib import Path
from typing import Annotated

import typer

from steelyard.api.errors import ConfigurationError
from steelyard.cli.output import OutputFormat, OutputOption, print_json
from steelyard.stores.integrity import check_intact, digest_of
from steelyard.stores.integrity import verify as find_problems

_DIGEST = re.compile(r"(sha256:)?[0-9a-f]{64}")


def verify(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a published model.")],
    digest: Annotated[
        str | None,
        typer.Option(
            metavar="sha256:HEX",
            help="The digest that the model must have, as `steelyard run` printed it. Without it, somebody who changes "
            "a file and SHA256SUMS alike goes unnoticed.",
        ),
    ] = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Checks that a published model is complete and unchanged.

    Prints the digest; or names each file that was changed, is missing or does not belong, and ends with exit code 65.
    """
    if digest is not None and not _DIGEST.fullmatch(digest):
        raise ConfigurationError(f"--digest {digest}: a digest is sha256: and 64 digits or letters a to f")
    problems = find_problems(model, digest)
    if output is OutputFormat.JSON:
        found = [{"file": problem.file, "problem": problem.problem} for problem in problems]
        print_json({"intact": not problems, "digest": None if problems else digest_of(model), "problems": found})
    check_intact(model, problems)
    if output is OutputFormat.TEXT:
        print(f"{model} is intact\n{digest_of(model)}")
