"""What a cluster refuses that a run on this machine allows. Imports the api only.

The CRD says the same at `kubectl apply`; `steelyard submit` and the operator say it by this.
"""

from steelyard.api.dataset import SKLEARN_SCHEME
from steelyard.api.errors import Problem
from steelyard.api.training_job import TrainingJobSpec
from steelyard.api.uris import ClaimUri, is_claim_uri


def cluster_problems(spec: TrainingJobSpec) -> list[Problem]:
    """What keeps a valid spec from running on a cluster: files of the user's own machine, a model without a place."""
    problems = []
    if not is_claim_uri(spec.dataset.uri) and not spec.dataset.uri.startswith(SKLEARN_SCHEME):
        message = (
            f"'{spec.dataset.uri}' lies on no claim; pods see nothing else; allowed: pvc://CLAIM/PATH, sklearn:NAME"
        )
        problems.append(Problem("spec.dataset.uri", message))
    if spec.publish is None:
        message = "a cluster has no folder of its own for the model: say where it goes, such as - uri: pvc://CLAIM/PATH"
        problems.append(Problem("spec.publish", message))
    for index, target in enumerate(spec.publish or []):
        if not is_claim_uri(target.uri):
            message = f"'{target.uri}' would be lost with the pod; allowed on a cluster: pvc://CLAIM/PATH"
            problems.append(Problem(f"spec.publish[{index}].uri", message))
    return problems


def claims_of(spec: TrainingJobSpec) -> dict[str, bool]:
    """The claims that a spec's URIs name, and whether they are written to."""
    claims: dict[str, bool] = {}
    if is_claim_uri(spec.dataset.uri):
        claims[ClaimUri.parse(spec.dataset.uri).claim] = False
    for target in spec.publish or []:
        if is_claim_uri(target.uri):
            claims[ClaimUri.parse(target.uri).claim] = True
    return claims
