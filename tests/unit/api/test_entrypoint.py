"""`model.entrypoint`: its fields, what its framework can do, and how a search names its parameters."""

from typing import Any

import pytest
from training_manifests import manifest, problems

from steelyard.api.errors import ManifestError
from steelyard.api.loading import apply_overrides, parse_training_job
from steelyard.planning.clusters import claims_of, cluster_problems
from steelyard.search.manifest import parse_tuning_job

OWN = 'spec.model={entrypoint: {function: "package.net:build", framework: Keras}}'
SKLEARN = 'spec.model={entrypoint: {function: "net:build", framework: Sklearn}}'
CODE = "spec.model.entrypoint.code"


def spec_of(*overrides: str) -> Any:
    return parse_training_job(apply_overrides(manifest(), overrides)).spec


def test_the_framework_says_what_the_model_can_do() -> None:
    keras, sklearn = spec_of(OWN), spec_of(SKLEARN)
    assert keras.capabilities.family.name == "keras" and keras.capabilities.has_workers
    assert sklearn.capabilities.family.name == "sklearn" and not sklearn.capabilities.has_epochs
    assert (keras.model.entrypoint.module, keras.model.entrypoint.function_name) == ("package.net", "build")
    assert problems(SKLEARN, "spec.training.workers=2") == {
        "spec.training.workers": "scikit-learn's models are fitted in one process; allowed: 1"
    }
    assert "which have no epochs" in problems(SKLEARN, "spec.training.epochs=3")["spec.training.epochs"]
    assert spec_of(OWN, "spec.training.workers=2").training.workers == 2


@pytest.mark.parametrize("function", ["net", "net:", ":build", "net:2build", "net.py:build-it", "a/b:c", "net:a.b"])
def test_a_function_that_is_no_identifier_of_a_module_is_refused(function: str) -> None:
    (message,) = problems(OWN, f'spec.model.entrypoint.function="{function}"').values()
    assert "package.module:name, each an identifier of Python" in message


def test_code_comes_from_exactly_one_place() -> None:
    assert "one of path, configMap, uri is needed, but none is given" in problems(OWN, f"{CODE}={{}}")[f"{CODE}.path"]
    both = problems(OWN, f"{CODE}={{path: code, uri: 'pvc://c/d'}}")
    assert both == {f"{CODE}.path": "only one of path, configMap, uri is allowed, but path and uri are"}
    assert "lies on no claim" in problems(OWN, f"{CODE}={{uri: code.zip}}")[f"{CODE}.uri"]
    assert "names no path on the claim" in problems(OWN, f"{CODE}={{uri: 'pvc://claim'}}")[f"{CODE}.uri"]
    assert f"{CODE}.sha256" in problems(OWN, f"{CODE}={{path: code, sha256: abc}}")


def test_a_cluster_takes_no_folder_of_this_machine_and_mounts_a_claim() -> None:
    path = cluster_problems(spec_of(OWN, f"{CODE}={{path: code}}", "spec.dataset.uri=pvc://c/a.csv", "spec.publish=[]"))
    assert [problem.path for problem in path] == [f"{CODE}.path"] and "`steelyard submit` packs it" in path[0].message
    assert claims_of(spec_of(OWN, f"{CODE}={{uri: 'pvc://models/code.zip'}}"))["models"] is False


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("{two words: 1}", "no identifier of Python"),
        ("{data: 1}", "as its first argument already"),
        ("{rate: .inf}", "is no value of JSON"),
        ("{when: 2026-01-01}", "is no value of JSON"),
    ],
)
def test_parameters_are_values_of_json_by_identifiers(parameters: str, said: str) -> None:
    assert said in str(problems(OWN, f"spec.model.entrypoint.parameters={parameters}"))
    given = spec_of(OWN, "spec.model.entrypoint.parameters={units: [32, 16], rate: 0.5, none: null}")
    assert given.model.entrypoint.parameters == {"units": [32, 16], "rate": 0.5, "none": None}


def search(path: str, **parameter: Any) -> dict[str, Any]:
    template = apply_overrides(manifest(), [OWN])["spec"]
    one = {"path": path, **(parameter or {"type": "Int", "min": 8, "max": 64})}
    spec = {"objective": {"metric": "accuracy"}, "maxTrials": 3, "parameters": [one], "template": template}
    return {**manifest(), "kind": "TuningJob", "spec": spec}


def test_a_search_sets_parameters_that_only_the_function_knows_and_never_the_code() -> None:
    for path in ("model.entrypoint.parameters.units", "training.epochs"):
        parse_tuning_job(search(path))
    parse_tuning_job(search("model.entrypoint.parameters.kind", type="Categorical", values=["a", None]))
    with pytest.raises(ManifestError, match="can't be searched, as all trials share the search's code"):
        parse_tuning_job(search("model.entrypoint.code.path", type="Categorical", values=["a", "b"]))


def test_no_student_is_a_function_of_ones_own() -> None:
    student = '{entrypoint: {function: "net:build", framework: Keras}}'
    candidates = f"spec.compression={{candidates: [{{name: s, steps: [{{technique: Distill, model: {student}}}]}}]}}"
    assert "a student is a network of Steelyard's own kinds" in str(problems(OWN, candidates))
