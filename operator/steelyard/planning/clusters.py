"""What a cluster refuses that a run on this machine allows. Imports the api only.

The CRD says the same at `kubectl apply`; `steelyard submit` and the operator say it by this.
"""

from steelyard.api.errors import Problem
from steelyard.api.models.container import NO_IMAGE
from steelyard.api.models.entrypoint import UNSEEN_FOLDER
from steelyard.api.places import LOST_TARGET, NO_TARGET, UNSEEN_FILE, UNSEEN_SOURCE, mounted_claim, scheme_of
from steelyard.api.training_job import TrainingJobSpec
from steelyard.api.tuning_job import TuningJobSpec


def cluster_problems(spec: TrainingJobSpec) -> list[Problem]:
    """What keeps a valid spec from running on a cluster: files of the user's own machine, a model without a place."""
    problems = []
    dataset = spec.dataset
    if not _is_seen(dataset.uri):
        problems.append(Problem("spec.dataset.uri", f"'{dataset.uri}' {UNSEEN_SOURCE}"))
    if dataset.test_uri is not None and not _is_seen(dataset.test_uri):
        problems.append(Problem("spec.dataset.testUri", f"'{dataset.test_uri}' {UNSEEN_FILE}"))
    if spec.publish is None and not spec.only_prepare:
        problems.append(Problem("spec.publish", NO_TARGET))
    for index, target in enumerate(spec.publish or []):
        if not _is_seen(target.uri):
            problems.append(Problem(f"spec.publish[{index}].uri", f"'{target.uri}' {LOST_TARGET}"))
    trained = spec.trained.uri if spec.trained is not None else None
    if trained is not None and not (_is_seen(trained) and scheme_of(trained).writes):
        problems.append(Problem("spec.trained.uri", f"'{trained}' {UNSEEN_FILE}"))
    if spec.container is not None and spec.container.image is None:
        problems.append(Problem("spec.model.container.image", NO_IMAGE))
    code = spec.code
    if code is not None and code.path is not None:
        problems.append(Problem("spec.model.entrypoint.code.path", f"'{code.path}' {UNSEEN_FOLDER}"))
    return problems


def claims_of(spec: TrainingJobSpec) -> dict[str, bool]:
    """The claims that a spec's URIs name, and whether they are written to."""
    trained = spec.trained.uri if spec.trained is not None else None
    code = spec.code
    read = (*spec.dataset.uris, trained, code.uri if code is not None else None)
    claims = {claim: False for uri in read if (claim := mounted_claim(uri)) is not None}
    written = (mounted_claim(target.uri) for target in spec.publish or [])
    return claims | {claim: True for claim in written if claim is not None}


def _is_seen(uri: str) -> bool:
    return "Cluster" in scheme_of(uri).where


def search_cluster_problems(spec: TuningJobSpec) -> list[Problem]:
    """What keeps a valid search from running on a cluster: that of its template."""
    return [
        Problem(problem.path.replace("spec.", "spec.template.", 1), problem.message)
        for problem in cluster_problems(spec.template)
    ]
