"""What is seen of a search's children, what is kept of it, and what its objects look like."""

import json
from dataclasses import replace
from typing import Any

import pytest
from controller_support import NAMESPACE, NOW, ago
from controller_tuning_support import (
    DROPOUT,
    FOREST,
    KEY,
    NAME,
    UID,
    UNITS,
    answer,
    begun,
    body_with,
    child,
    context_with,
    forest_values,
    pack,
    trial,
)

from steelyard.api.errors import ConfigurationError
from steelyard.api.loading import parse_training_job
from steelyard.controller.policies.endings import Broken
from steelyard.controller.settings import Settings
from steelyard.controller.training.admission import admit as admit_training_job
from steelyard.controller.training.pods import JobContext, pod_template
from steelyard.controller.tuning import children
from steelyard.controller.tuning.admission import admit
from steelyard.controller.tuning.cache import TuningCache
from steelyard.controller.tuning.draft import TuningDraft
from steelyard.controller.tuning.facts import Child, Pack, Suggestion, suggestions_of, suggestions_text
from steelyard.controller.tuning.warm_start import prior_lines
from steelyard.planning import plan
from steelyard.search.log import SearchDocument
from steelyard.search.log_sizes import trials_of_a_pack
from steelyard.tuning.search import End

SEARCH = context_with()
ALL = [answer(number) for number in range(6)]
SUGGESTION = Suggestion(0, answer(0).values)


# --- facts ------------------------------------------------------------------------------------------------------------


def from_server(body: dict[str, Any], **status: Any) -> dict[str, Any]:
    """What the API server answers to the creation of an object, and later."""
    metadata = {**body["metadata"], "uid": f"uid-{body['metadata']['name']}", "resourceVersion": "1"}
    return {**body, "metadata": metadata, **({"status": status} if status else {})}


def test_a_trial_remembers_its_values_and_says_its_result() -> None:
    suggestion = Suggestion(3, {DROPOUT: 0.1 + 0.2, UNITS: 64}, seen=(0, 2))
    body = children.trial_child(SEARCH, suggestion, [])
    status = {
        "conditions": [{"type": "Complete", "status": "True", "reason": "Pruned", "message": "worse"}],
        "trial": {"number": 3, "state": "Pruned", "value": 0.3, "steps": [{"step": 2, "value": 0.3}], "seconds": 1.5},
    }
    seen = Child.of(from_server(body, **status))
    assert seen is not None and (seen.suggestion, seen.outcome, seen.owner_uid) == (suggestion, "Complete", UID)
    assert seen.report is not None and (seen.report.state, seen.report.steps) == ("Pruned", ((2, 0.3),))


@pytest.mark.parametrize("text", ["", "[", "[1]", '[["a", {}, null]]', "[[1, 2, 3]]", "{}", "[" * 100_000])
def test_an_annotation_that_somebody_has_spoilt_asks_nothing(text: str) -> None:
    assert suggestions_of({"annotations": {"steelyard.dev/trials": text}}) == ()


def test_a_report_that_is_none_is_passed_over() -> None:
    body = children.trial_child(SEARCH, SUGGESTION, [])
    seen = Child.of(from_server(body, trial={"number": "x"}))
    assert seen is not None and seen.report is None


def test_a_training_job_of_nobody_is_no_child() -> None:
    body = from_server(children.data_child(SEARCH))
    assert Child.of(body) is not None
    assert Child.of({**body, "metadata": {**body["metadata"], "ownerReferences": []}}) is None
    assert Child.of({**body, "metadata": {**body["metadata"], "labels": {}}}) is None


# --- the cache --------------------------------------------------------------------------------------------------------


def over(generation: int = 1) -> dict[str, Any]:
    """The status of a search that is Complete."""
    return {"observedGeneration": generation, "conditions": [{"type": "Complete", "status": "True"}]}


def test_a_search_that_is_over_is_forgotten_with_its_children_until_its_spec_changes() -> None:
    cache = TuningCache()
    assert cache.bodies.put(body_with(status={})) == KEY
    assert cache.jobs.put(trial(0)) == KEY and cache.packs.put(pack(0, 2)) == KEY
    assert cache.bodies.put(body_with(status=over(), resourceVersion="6")) == KEY
    assert cache.bodies.get(KEY) is None and cache.jobs.of(KEY, UID) == [] == cache.packs.of(KEY, UID)
    assert cache.jobs.put(trial(1)) is None and cache.packs.put(pack(0, 2)) is None
    assert cache.jobs.of(KEY, UID) == []
    cache.bodies.put(body_with(status=over(), generation=2, resourceVersion="7"))
    assert cache.bodies.get(KEY) is not None and cache.jobs.put(trial(1)) == KEY


def test_a_finished_searchs_children_are_forgotten_that_were_listed_before_it() -> None:
    cache = TuningCache()
    assert cache.jobs.put(trial(0)) == KEY and cache.packs.put(pack(0, 2)) == KEY
    cache.bodies.put(body_with(status=over(), resourceVersion="6"))
    assert not cache.jobs._by_owner and not cache.packs._by_owner
    assert cache.bodies.put(body_with(status={}, resourceVersion="5")) is None, "older than its end"
    assert cache.bodies.get(KEY) is None and cache.jobs.put(trial(0)) is None
    cache.bodies.drop(*KEY, UID)
    assert not cache.bodies._finished


def test_only_news_of_a_child_is_worth_a_look() -> None:
    cache = TuningCache()
    assert cache.jobs.put(trial(0)) == KEY
    assert cache.jobs.put(replace(trial(0), resource_version="2")) is None
    assert cache.jobs.put(replace(trial(0, "Complete"), resource_version="1")) is None, "older than what is known"
    assert cache.jobs.put(replace(trial(0, "Complete"), resource_version="3")) == KEY
    assert cache.jobs.of(KEY, UID) == [replace(trial(0, "Complete"), resource_version="3")]
    assert cache.jobs.of(KEY, "another") == []


def test_a_child_that_is_gone_is_forgotten_but_not_its_successor() -> None:
    cache = TuningCache()
    cache.jobs.put(replace(trial(0), uid="second"))
    cache.jobs.drop(trial(0))
    assert len(cache.jobs.of(KEY, UID)) == 1
    cache.jobs.drop(replace(trial(0), uid="second"))
    assert cache.jobs.of(KEY, UID) == []


def test_answered_children_are_dropped() -> None:
    cache = TuningCache()
    cache.jobs.put(trial(0, "Complete"))
    cache.jobs.put(trial(1))
    cache.packs.put(pack(2, 2))
    cache.drop_answered([trial(0, "Complete")], [pack(2, 2)])
    assert cache.jobs.of(KEY, UID) == [trial(1)] and cache.packs.of(KEY, UID) == []


# --- the status -------------------------------------------------------------------------------------------------------


def test_a_patch_takes_out_what_a_part_of_the_status_no_longer_has() -> None:
    before = begun(SEARCH, answer(0, epoch=3))
    draft = TuningDraft(before, 1, NOW)
    best = replace(answer(1, 0.9), values={DROPOUT: 0.4})
    draft.show(SEARCH.spec, {0: answer(0, epoch=3), 1: best}, ())
    assert draft.changes()["best"] == {
        "trial": 1,
        "value": 0.9,
        "epoch": None,
        "parameters": {DROPOUT: "0.4", UNITS: None},
    }


def test_the_clock_stands_still_while_a_search_is_suspended() -> None:
    draft = TuningDraft(begun(SEARCH, seconds_ago=100), 1, ago(40))
    draft.suspend()
    later = TuningDraft(draft.status, 1, ago(10))
    later.resume()
    assert TuningDraft(later.status, 1, NOW).counted_seconds == 70


# --- an earlier search ------------------------------------------------------------------------------------------------


def earlier(*entries: Any, status: dict[str, Any] | None = None, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """The body of an earlier search."""
    own = over() if status is None else status
    context = context_with(*overrides)
    return body_with(*overrides, status={**own, "log": [entry.encode(context.spec.parameters) for entry in entries]})


def test_the_answers_of_an_earlier_search_are_lines_of_this_ones_log() -> None:
    narrow = context_with(
        f"parameters=[{{path: {DROPOUT}, type: Double, min: 0.02, max: 0.04}}, "
        f"{{path: {UNITS}, type: Categorical, values: [32, 16]}}]"
    )
    lines = prior_lines(narrow.spec, "earlier", earlier(*ALL))
    assert [json.loads(line)[:3] for line in lines] == [[2, "C", [0.02, 1]], [3, "C", [0.03, 1]], [4, "C", [0.04, 1]]]


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (None, "there is no TuningJob 'earlier' in this namespace"),
        (earlier(status={}), "has not ended yet"),
        (earlier(overrides=(f"parameters=[{{path: {DROPOUT}, type: Double, min: 0, max: 0.9}}]",)), "the same paths"),
        (earlier(overrides=("objective.metric=logLoss",)), "is logLoss Minimize, and that of this search is accuracy"),
        ({**earlier(), "spec": {"parameters": []}}, "can't be understood"),
    ],
)
def test_what_can_not_be_learned_from_is_refused(other: dict[str, Any] | None, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        prior_lines(SEARCH.spec, "earlier", other)


# --- objects ----------------------------------------------------------------------------------------------------------


def test_all_objects_belong_to_the_search() -> None:
    end: Any = End("Succeeded", "all")  # type: ignore[arg-type]
    entries = {entry.number: entry for entry in ALL}
    forest = context_with(*FOREST)
    suggestions = [Suggestion(number, forest_values(number)) for number in range(12)]
    bodies = [
        children.workspace_claim(SEARCH),
        children.data_child(SEARCH),
        children.trial_child(SEARCH, SUGGESTION, []),
        *(action.body for action in children.best_children(SEARCH, ALL[5], entries, end, None)),
        children.pack_of(forest, suggestions, {}).config_map,
        children.pack_job(forest, children.pack_of(forest, suggestions, {}).config_map),
    ]
    for body in bodies:
        (owner,) = body["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == ("TuningJob", NAME, UID, True)
        assert body["metadata"]["labels"]["steelyard.dev/tuning-job"] == NAME
        assert body["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "steelyard"


def test_the_search_goes_with_its_best_model() -> None:
    end: Any = End("TargetReached", "good enough")  # type: ignore[arg-type]
    search, job = children.best_children(SEARCH, ALL[5], {entry.number: entry for entry in ALL}, end, "pvc://c/t")
    document = SearchDocument.from_json(json.loads(search.body["data"]["search.json"]))
    assert (document.entries, document.ended) == (tuple(ALL), "TargetReached")
    assert job.body["metadata"]["annotations"]["steelyard.dev/search"] == search.body["metadata"]["name"]


def job_of(body: dict[str, Any], settings: Settings | None = None) -> JobContext:
    """A child as the operator runs it."""
    admitted = admit_training_job(from_server(body), settings or Settings(trainer_image="trainer:2"))
    assert not isinstance(admitted, Broken), admitted
    return admitted.context


def test_children_are_jobs_that_can_be_run_with_the_image_that_the_search_began_with() -> None:
    for body in (children.data_child(SEARCH), children.trial_child(SEARCH, SUGGESTION, [])):
        context = job_of(body)
        assert (context.image, context.tuning_job) == ("trainer:1", NAME)
        manifest = {**body, "metadata": {"name": body["metadata"]["name"]}}
        assert parse_training_job(manifest).spec.workspace.claim_name == "search-workspace"


def test_pods_of_a_search_share_a_node_where_its_workspace_has_one() -> None:
    context = job_of(children.trial_child(SEARCH, SUGGESTION, []))
    (stage,) = plan(context.job, source_digest="", trainer_version="").stages
    template = pod_template(context, stage)
    (term,) = template["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"] == {"matchLabels": {"steelyard.dev/tuning-job": NAME}}
    assert template["metadata"]["labels"]["steelyard.dev/tuning-job"] == NAME


def test_a_pack_is_a_pod_like_a_trials() -> None:
    context = context_with(*FOREST, "template.template.resources.train={limits: {cpu: '3'}}", "parallelTrials=4")
    suggestions = [Suggestion(number, forest_values(number)) for number in range(5)]
    config_map = children.pack_of(context, suggestions, {}).config_map
    job = children.pack_job(context, config_map)
    trials = json.loads(config_map["data"]["pack.json"])["trials"]
    assert [one["spec"]["trial"]["number"] for one in trials] == [0, 1, 2, 3, 4]
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    values = {each["name"]: each.get("value") for each in container["env"]}
    assert container["args"] == ["pack"] and container["resources"] == {"limits": {"cpu": "3"}}
    assert values["STEELYARD_PACK_PROCESSES"] == "3" and values["STEELYARD_PACK_FILE"] == "/steelyard/pack/pack.json"
    assert values["STEELYARD_WORKSPACE"] == "/steelyard/workspace/search-pack-0"
    assert json.loads(values["STEELYARD_CLAIMS"] or "") == {"search-workspace": "/steelyard/claims/search-workspace"}
    assert pod["securityContext"]["runAsNonRoot"] and container["securityContext"]["readOnlyRootFilesystem"]
    seen = Pack.of(from_server(job))
    assert seen is not None and seen.suggestions == tuple(suggestions) and seen.key == values["STEELYARD_STAGE_KEY"]


@pytest.mark.parametrize(
    ("resources", "expected", "processes"),
    [
        (None, {"requests": {"cpu": "500m", "memory": "2Gi"}, "limits": {"cpu": "4", "memory": "8Gi"}}, "2"),
        ("{limits: {cpu: '1', memory: 1.5Gi}}", {"limits": {"cpu": "1", "memory": "1.5Gi"}}, "1"),
        ("{limits: {memory: 1.5Gi}}", {"limits": {"memory": "3Gi"}}, "2"),
        ("{limits: {memory: 1Gi, nvidia.com/gpu: '1'}}", {"limits": {"memory": "1Gi", "nvidia.com/gpu": "1"}}, "1"),
    ],
)
def test_a_pack_of_networks_has_memory_for_each_process_and_each_trial_its_own_workspace(
    resources: str | None, expected: dict[str, Any], processes: str
) -> None:
    given = () if resources is None else (f"template.template.resources.train={resources}",)
    context = context_with("placement=Packed", *given)
    suggestions = [Suggestion(number, answer(number).values) for number in (3, 4)]
    config_map = children.pack_of(context, suggestions, {}).config_map
    (container,) = children.pack_job(context, config_map)["spec"]["template"]["spec"]["containers"]
    values = {each["name"]: each.get("value") for each in container["env"]}
    assert container["resources"] == expected and values["STEELYARD_PACK_PROCESSES"] == processes
    # Where a pod of the trial's own would work, and with as many threads.
    alone = job_of(children.trial_child(context, suggestions[0], []))
    (stage,) = plan(alone.job, source_digest="", trainer_version="").stages
    (container,) = pod_template(alone, stage)["spec"]["containers"]
    own = {each["name"]: each.get("value") for each in container["env"]}
    assert json.loads(config_map["data"]["pack.json"])["workspaces"]["3"] == own["STEELYARD_WORKSPACE"]
    assert values.get("STEELYARD_THREADS") == own.get("STEELYARD_THREADS")


def test_a_pack_has_no_more_trials_than_its_result_and_its_file_have_room_for() -> None:
    forest = context_with(*FOREST)
    assert trials_of_a_pack(forest.spec) == 40
    folds = context_with(*FOREST, "template.evaluation.crossValidation.folds=20")
    assert 5 < trials_of_a_pack(folds.spec) < 20
    weights = json.dumps({"strategy": "Explicit", "weights": {f"{n:04}{'x' * 900}": 1.5 for n in range(250)}})
    large = context_with(*FOREST, f"template.training.classWeights={weights}")
    suggestions = [Suggestion(number, forest_values(number)) for number in range(12)]
    config_map = children.pack_of(large, suggestions, {}).config_map
    job = children.pack_job(large, config_map)
    assert len(suggestions_of(job["metadata"])) == len(suggestions_of(config_map["metadata"])) == 3
    assert len(config_map["data"]["pack.json"]) < 1_000_000
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert "spec" not in {mount["name"] for mount in container["volumeMounts"]}


def test_suggestions_are_kept_bit_for_bit() -> None:
    suggestion = Suggestion(7, {DROPOUT: 0.1 + 0.2, UNITS: None}, (0, 1, 5))
    assert suggestions_of({"annotations": {"steelyard.dev/trials": suggestions_text([suggestion])}}) == (suggestion,)


# --- what is let in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "settings", "says"),
    [
        (["maxTrials=0"], {}, "spec.maxTrials: 0 is not allowed"),
        (["template.dataset.uri=digits.csv"], {}, "spec.template.dataset.uri: 'digits.csv' lies on no claim"),
        (["template.publish=null"], {}, "spec.template.publish"),
        ([], {"allowed_claims": "data"}, "spec.template.dataset.uri, publish: the claim 'models' may not be used here"),
        (["template.template.serviceAccountName=root"], {"allowed_service_accounts": "me"}, "spec.template.template"),
    ],
)
def test_what_can_not_be_run_is_refused_with_the_field(overrides: list[str], settings: Any, says: str) -> None:
    refused = admit(body_with(*overrides), Settings(trainer_image="trainer:1", **settings))
    assert isinstance(refused, Broken) and says in refused.message


def test_the_claim_of_a_search_need_be_in_no_list() -> None:
    settings = Settings(trainer_image="trainer:1", allowed_claims="data,models")  # type: ignore[arg-type]
    body = from_server(children.trial_child(SEARCH, SUGGESTION, []))
    refused = admit_training_job(body, settings)
    assert isinstance(refused, Broken) and "'search-workspace' may not be used here" in refused.message
    assert not isinstance(admit_training_job(body, settings, ["search-workspace"]), Broken)
    cache = TuningCache()
    assert cache.claim_of(NAMESPACE, UID) is None
    cache.bodies.put(body_with())
    assert (cache.claim_of(NAMESPACE, UID), cache.claim_of("other", UID)) == ("search-workspace", None)


def test_a_child_that_runs_is_told_from_one_that_pauses() -> None:
    body = from_server(children.trial_child(SEARCH, SUGGESTION, []))
    body["spec"]["runPolicy"] = {"suspend": True}
    seen = Child.of(body)
    assert (
        seen is not None
        and seen.is_suspended
        and seen == replace(child("search-0"), uid="uid-search-0", suggestion=SUGGESTION, is_suspended=True)
    )
