"""`pvc://CLAIM/PATH` on this machine, where each claim is a folder. Imports the api only."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from steelyard.api.errors import ConfigurationError
from steelyard.api.training_job import TrainingJobSpec
from steelyard.planning.clusters import claims_of


def parse_claims(options: Sequence[str]) -> dict[str, Path]:
    """The folders that `--claim CLAIM=DIR` names, by claim.

    Raises:
        ConfigurationError: an option is not of that form, or there is no such folder.
    """
    folders = {}
    for option in options:
        claim, equals, folder = option.partition("=")
        if not claim or not equals or not folder:
            raise ConfigurationError(
                f"--claim {option} is not understood; allowed: CLAIM=DIR, such as models=/srv/models"
            )
        folders[claim] = Path(folder).absolute()
        if not folders[claim].is_dir():
            raise ConfigurationError(f"--claim {option}: there is no folder {folders[claim]}; make it, or name another")
    return folders


def claim_folders(spec: TrainingJobSpec, base_dir: Path, given: Mapping[str, Path]) -> dict[str, Path]:
    """The folder of each claim that a spec names.

    Args:
        spec: the job's.
        base_dir: the manifest's folder; a claim that is not given is the folder claims/CLAIM in it.
        given: folders by claim.

    Raises:
        ConfigurationError: a folder is given for a claim that the spec does not name.
    """
    named = claims_of(spec)
    if unknown := sorted(given.keys() - named.keys()):
        names = ", ".join(named) or "none"
        raise ConfigurationError(f"--claim {unknown[0]}=...: the manifest names no such claim; it names: {names}")
    return {claim: given.get(claim, base_dir / "claims" / claim) for claim in named}
