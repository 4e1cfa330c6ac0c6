"""The children of a search as manifests: pure functions, spec in, dictionary out. Imports tuning, planning, the search,
the api and the controller's pods and names."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from steelyard.api.loading import parse_training_job
from steelyard.api.places import claim_uri
from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import Env, StageName
from steelyard.controller.names import (
    PACK_FILE,
    PACK_FOLDER,
    PACK_STAGE,
    SEARCH_ANNOTATION,
    SEARCH_FILE,
    STAGE_KEY_ANNOTATION,
    STAGE_LABEL,
    TRIALS_ANNOTATION,
    TUNING_LABEL,
    WORKSPACE_FOLDER,
    owner_reference,
    pack_name,
    search_config_map_name,
)
from steelyard.controller.training.children import claim_for, failure_rules
from steelyard.controller.training.pods import JobContext, pod_template, threads_of
from steelyard.controller.tuning.actions import MakeChild, MakePack
from steelyard.controller.tuning.facts import Suggestion, suggestions_of, suggestions_text
from steelyard.controller.tuning.observation import SearchContext
from steelyard.planning import Stage
from steelyard.search.log import Entry, SearchDocument
from steelyard.tuning.placement import leaves_models
from steelyard.tuning.pruning import stops_for
from steelyard.tuning.search import End, known_to
from steelyard.tuning.trials import best_job, data_job, trial_job, trial_name

_LARGEST_PACK_BYTES = 700_000
"""Of a ConfigMap, which has room for 1 MiB."""


def workspace_claim(context: SearchContext) -> dict[str, Any]:
    """The claim that is made for a search and goes with it."""
    return claim_for(context.spec.template.workspace, _metadata(context, context.claim, "workspace"))


def data_child(context: SearchContext) -> dict[str, Any]:
    """The TrainingJob that prepares the data. Raises ConfigurationError."""
    return _training_job(context, data_job(context.tuning, context.workspace), "data")


def trial_child(context: SearchContext, suggestion: Suggestion, known: Sequence[Entry]) -> dict[str, Any]:
    """The TrainingJob of a trial.

    Args:
        context: the search.
        suggestion: the trial's number and values.
        known: the answers that it was asked with.

    Raises:
        ConfigurationError: its values make no valid job.
    """
    body = _training_job(context, _trial(context, suggestion, known), "trial")
    body["metadata"]["annotations"] = {TRIALS_ANNOTATION: suggestions_text([suggestion])}
    return body


def best_children(
    context: SearchContext, best: Entry, entries: Mapping[int, Entry], end: End, trained: str | None
) -> list[MakeChild]:
    """The TrainingJob that publishes the best trial's model, and the search that is published with it.

    Args:
        context: the search.
        best: the best trial.
        entries: the log.
        end: why no further trial was created.
        trained: the URI of the folder with the trial's own model; None where there is none.

    Raises:
        ConfigurationError: there can be no such job.
    """
    log = tuple(entries[number] for number in sorted(entries))
    document = SearchDocument(context.name, context.spec, log, end.reason).to_json()
    name = search_of(context, entries)
    search = _config_map(context, name, "search", {SEARCH_FILE: _compact(document)})
    job = _training_job(context, best_job(context.tuning, best, context.dataset, trained, context.workspace), "best")
    job["metadata"]["annotations"] = {SEARCH_ANNOTATION: name}
    return [MakeChild("configmaps", search), MakeChild("trainingjobs", job)]


def search_of(context: SearchContext, entries: Mapping[int, Entry]) -> str:
    """The name of the ConfigMap with the search as it is: where it goes on later, it has more answers."""
    return search_config_map_name(context.name, len(entries))


def model_of_trial(context: SearchContext, number: int) -> str:
    """The URI of the folder with the model that a trial has trained."""
    return claim_uri(context.claim, f"{trial_name(context.name, number)}/trained")


# --- packs ------------------------------------------------------------------------------------------------------------


def pack_of(context: SearchContext, suggestions: Sequence[Suggestion], entries: Mapping[int, Entry]) -> MakePack:
    """What works off many trials; of many large ones only the first.

    Args:
        context: the search.
        suggestions: at least one; their values make valid jobs.
        entries: the log.
    """
    jobs: list[TrainingJob] = []
    size = 0
    for suggestion in suggestions:
        job = _trial(context, suggestion, known_to(context.spec, entries, suggestion.number))
        size += len(_compact(job.to_manifest()).encode())
        if jobs and size > _LARGEST_PACK_BYTES:
            break
        jobs.append(job)
    taken = suggestions[: len(jobs)]
    name = pack_name(context.name, taken[0].number)
    document: dict[str, Any] = {"trials": [job.to_manifest() for job in jobs]}
    if leaves_models(context.spec):
        # As a trial's own pods name it.
        folders = {suggestion.number: trial_name(context.name, suggestion.number) for suggestion in taken}
        document["workspaces"] = {str(number): f"{WORKSPACE_FOLDER}/{folder}" for number, folder in folders.items()}
    text = _compact(document)
    config_map = _config_map(context, name, "pack", {PACK_FILE: text})
    config_map["metadata"]["annotations"] = {TRIALS_ANNOTATION: suggestions_text(taken)}
    return MakePack(config_map, tuple(suggestion.number for suggestion in taken))


def pack_job(context: SearchContext, config_map: dict[str, Any]) -> dict[str, Any]:
    """The Job of a pack. Made of its ConfigMap as it is in the cluster: that stays, whatever is asked later.

    Raises:
        ConfigurationError, ValueError, KeyError, IndexError: somebody else has made the ConfigMap.
    """
    name, text = config_map["metadata"]["name"], config_map["data"][PACK_FILE]
    suggestions = suggestions_of(config_map["metadata"])
    first = parse_training_job(json.loads(text)["trials"][0], source=name)
    key = hashlib.sha256("\0".join((context.uid, name, text)).encode()).hexdigest()
    stage = Stage(name=cast(StageName, PACK_STAGE), key=key, workers=1, inputs={})
    # The pods' names, labels and workspace are the pack's, all else that of its trials.
    own = first.model_copy(update={"metadata": first.metadata.model_copy(update={"name": name})})
    job = JobContext(own, context.namespace, context.uid, context.image, context.settings, tuning_job=context.name)
    template = pod_template(job, stage)
    # For whoever looks at the pod.
    template["metadata"].setdefault("annotations", {})[TRIALS_ANNOTATION] = suggestions_text(suggestions)
    pod, container = template["spec"], template["spec"]["containers"][0]
    _leave_out_large_spec(pod, container)
    pod["volumes"].append({"name": "pack", "configMap": {"name": name}})
    container["volumeMounts"].append({"name": "pack", "mountPath": PACK_FOLDER, "readOnly": True})
    processes = _processes(context, threads_of(job, stage), container["resources"])
    if leaves_models(context.spec):
        container["resources"] = _with_memory_for(processes, container["resources"])
    values = {Env.PACK_FILE: f"{PACK_FOLDER}/{PACK_FILE}", Env.PACK_PROCESSES: str(processes)}
    container["env"] += [{"name": str(variable), "value": value} for variable, value in values.items()]
    metadata = _metadata(context, name, "pack")
    metadata["labels"][STAGE_LABEL] = PACK_STAGE
    metadata["annotations"] = {STAGE_KEY_ANNOTATION: key, TRIALS_ANNOTATION: suggestions_text(suggestions)}
    spec = {
        "completions": 1,
        "parallelism": 1,
        "backoffLimit": first.spec.run_policy.backoff_limit,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": failure_rules()},
        "template": template,
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _processes(context: SearchContext, threads: int | None, resources: Mapping[str, Any]) -> int:
    """How many trials a pack works on at once. Several TensorFlow processes can't share a pod's accelerator: the first
    takes all of its memory."""
    has_accelerator = any("/" in name for name in resources.get("limits") or {})
    if leaves_models(context.spec) and has_accelerator:
        return 1
    return min(context.spec.parallel_trials, threads or context.spec.parallel_trials)


def _with_memory_for(processes: int, resources: Mapping[str, Any]) -> dict[str, Any]:
    """The resources of a trial's pod, with the memory of so many of them: each process has a TensorFlow of its own."""
    return {
        kind: {name: _times(value, processes) if name == "memory" else value for name, value in amounts.items()}
        for kind, amounts in resources.items()
    }


def _times(quantity: str, count: int) -> str:
    """So many times a quantity of Kubernetes, such as 512Mi; as it is where it is none that can be reckoned with."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", quantity)
    return quantity if found is None else f"{float(found[1]) * count:.15g}{found[2]}"


def _leave_out_large_spec(pod: dict[str, Any], container: dict[str, Any]) -> None:
    """The trials' manifests are in the pack's own file: there is no ConfigMap with that of one of them."""
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] != "spec"]
    container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] != "spec"]
    container["env"] = [each for each in container["env"] if each["name"] not in (Env.SPEC, Env.SPEC_FILE)]


# --- details ----------------------------------------------------------------------------------------------------------


def _trial(context: SearchContext, suggestion: Suggestion, known: Sequence[Entry]) -> TrainingJob:
    stops = stops_for(context.spec, suggestion.number, known)
    return trial_job(context.tuning, suggestion.number, suggestion.values, stops, context.dataset, context.workspace)


def _training_job(context: SearchContext, job: TrainingJob, component: str) -> dict[str, Any]:
    manifest = job.to_manifest()
    spec = cast(dict[str, Any], manifest["spec"])
    # All trials have the image with which the search began, whatever becomes of the operator.
    spec["template"] = {**(spec.get("template") or {}), "image": context.image}
    return {**manifest, "metadata": _metadata(context, job.metadata.name, component)}


def _config_map(context: SearchContext, name: str, component: str, data: dict[str, str]) -> dict[str, Any]:
    metadata = _metadata(context, name, component)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "immutable": True, "data": data}


def _metadata(context: SearchContext, name: str, component: str) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": context.namespace,
        "labels": {
            "app.kubernetes.io/name": "steelyard",
            "app.kubernetes.io/managed-by": "steelyard",
            "app.kubernetes.io/component": component,
            "app.kubernetes.io/instance": context.name,
            TUNING_LABEL: context.name,
        },
        "ownerReferences": [owner_reference(context.name, context.uid, "TuningJob")],
    }


def _compact(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)
