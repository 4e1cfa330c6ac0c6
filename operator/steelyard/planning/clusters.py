"""What a cluster refuses that a run on this machine allows. Imports the api only.

The CRD says the same at `kubectl apply`; `steelyard submit` and the operator say it by this.
"""

from steelyard.api.dataset import SKLEARN_SCHEME
from steelyard.api.errors import Problem
from steelyard.api.places import ClaimUri, is_claim_uri
from steelyard.api.training_job import TrainingJobSpec
from steelyard.api.tuning_job import TuningJobSpec


def cluster_problems(spec: TrainingJobSpec) -> list[Problem]:
    """What keeps a valid spec from running on a cluster: files of the user's own machine, a model without a place."""
    problems = []
    if not is_claim_uri(spec.dataset.uri) and not spec.dataset.uri.startswith(SKLEARN_SCHEME):
        message = (
            f"'{spec.dataset.uri}' lies on no claim; pods see nothing else; allowed: pvc://CLAIM/PATH, sklearn:NAME"
        )
        problems.append(Problem("spec.dataset.uri", message))
    test_uri = spec.dataset.test_uri
    if test_uri is not None and not is_claim_uri(test_uri):
        message = f"'{test_uri}' lies on no claim; pods see nothing else; allowed: pvc://CLAIM/PATH"
        problems.append(Problem("spec.dataset.testUri", message))
    if spec.publish is None and not spec.only_prepare:
        message = "a cluster has no folder of its own for the model: say where it goes, such as - uri: pvc://CLAIM/PATH"
        problems.append(Problem("spec.publish", message))
    for index, target in enumerate(spec.publish or []):
        if not is_claim_uri(target.uri):
            message = f"'{target.uri}' would be lost with the pod; allowed on a cluster: pvc://CLAIM/PATH"
            problems.append(Problem(f"spec.publish[{index}].uri", message))
    if spec.trained is not None and spec.trained.uri is not None and not is_claim_uri(spec.trained.uri):
        message = f"'{spec.trained.uri}' lies on no claim; pods see nothing else; allowed: pvc://CLAIM/PATH"
        problems.append(Problem("spec.trained.uri", message))
    return problems


def claims_of(spec: TrainingJobSpec) -> dict[str, bool]:
    """The claims that a spec's URIs name, and whether they are written to."""
    trained = spec.trained.uri if spec.trained is not None else None
    read = (*spec.dataset.uris, trained)
    claims = {ClaimUri.parse(uri).claim: False for uri in read if uri and is_claim_uri(uri)}
    for target in spec.publish or []:
        if is_claim_uri(target.uri):
            claims[ClaimUri.parse(target.uri).claim] = True
    return claims


def search_cluster_problems(spec: TuningJobSpec) -> list[Problem]:
    """What keeps a valid search from running on a cluster: that of its template."""
    return [
        Problem(problem.path.replace("spec.", "spec.template.", 1), problem.message)
        for problem in cluster_problems(spec.template)
    ]
