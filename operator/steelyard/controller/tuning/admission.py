"""Whether a TuningJob can be run at all: from its body to a search, or to the reason why not. Pure; imports tuning, the
search, the api and the controller's admission."""

from typing import Any

from steelyard.api.errors import ConfigurationError, ManifestError
from steelyard.contract.stages import Reason
from steelyard.controller.policies.endings import Broken
from steelyard.controller.settings import Settings
from steelyard.controller.training.admission import manifest_of, not_allowed
from steelyard.controller.tuning.children import data_child
from steelyard.controller.tuning.observation import SearchContext
from steelyard.planning.clusters import search_cluster_problems
from steelyard.search.manifest import parse_tuning_job


def admit(body: dict[str, Any], settings: Settings) -> SearchContext | Broken:
    """What the children of a search have in common; or why it can't be run."""
    metadata = body["metadata"]
    try:
        tuning = parse_tuning_job(manifest_of(body), source="the search")
    except ManifestError as error:
        return Broken(Reason.INVALID_MANIFEST, "\n".join(map(str, error.problems)))
    template = tuning.spec.template
    if problems := search_cluster_problems(tuning.spec):
        return Broken(Reason.INVALID_MANIFEST, "\n".join(map(str, problems)))
    if forbidden := not_allowed(template, settings, "spec.template"):
        return Broken(Reason.NOT_ALLOWED, "\n".join(forbidden))
    image = (body.get("status") or {}).get("trainerImage") or template.template.image or settings.trainer_image
    context = SearchContext(tuning, metadata["namespace"], metadata["uid"], image, settings)
    try:
        data_child(context)
    except ConfigurationError as error:
        return Broken(error.reason, error.message)
    return context
