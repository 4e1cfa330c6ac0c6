"""A search as a study of Optuna's: states, values, distributions, in a file that Optuna itself reads."""

import json
import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from search_documents import BATCH, MOMENTUM, UNITS, search_document
from typer.testing import CliRunner

from steelyard.api.errors import ConfigurationError
from steelyard.api.tuning import Parameter
from steelyard.cli.main import app
from steelyard.search.log import Entry
from steelyard.search.values import count_of, value_at
from steelyard.tuning.export import export_study


def _load(path: Path) -> optuna.Study:
    return optuna.load_study(study_name="digits-search", storage=f"sqlite:///{path}")


def test_every_trial_is_there_with_its_state_value_and_parameters(tmp_path: Path) -> None:
    document = search_document()
    assert export_study(document, tmp_path / "study.db") == 30
    study = _load(tmp_path / "study.db")
    assert study.direction.name == "MAXIMIZE"
    assert study.metric_names == ["accuracy"]
    states = [trial.state.name for trial in study.trials]
    assert (states[3], states[4], states.count("COMPLETE")) == ("FAIL", "PRUNED", 28)
    for entry, trial in zip(document.entries, study.trials, strict=True):
        assert trial.user_attrs["number"] == entry.number
        assert trial.params.keys() == entry.values.keys()
        assert trial.intermediate_values == dict(entry.steps)
        if entry.is_answer:
            assert trial.value == entry.value
    assert study.trials[3].user_attrs["reason"] == "LossNotFinite <b>"
    assert any(MOMENTUM not in trial.params for trial in study.trials)


def test_lists_are_text_and_steps_stay(tmp_path: Path) -> None:
    export_study(search_document(), tmp_path / "study.db")
    trial = next(trial for trial in _load(tmp_path / "study.db").trials if MOMENTUM in trial.params)
    assert trial.params[UNITS] in ("[32]", "[64]", "[128, 64]")
    assert trial.distributions[BATCH] == optuna.distributions.IntDistribution(16, 128, step=16)
    assert trial.distributions[MOMENTUM].step == 0.1


@pytest.mark.parametrize("low, high, step", ((0.1, 0.3, 0.1), (0, 0.9, 0.3), (0.1, 0.95, 0.1)))
def test_every_step_is_one_of_optunas(tmp_path: Path, low: float, high: float, step: float) -> None:
    document = search_document()
    fields = {"path": MOMENTUM, "type": "Double", "min": low, "max": high, "step": step}
    parameter = Parameter.model_validate(fields)
    spec = document.spec.model_copy(update={"parameters": [parameter]})
    choices = [value_at(parameter, index) for index in range(count_of(parameter) or 0)]
    assert len(choices) > 2
    entries = tuple(Entry(number, {MOMENTUM: value}, "Complete", 0.5) for number, value in enumerate(choices))

    export_study(replace(document, spec=spec, entries=entries), tmp_path / "study.db")

    trials = _load(tmp_path / "study.db").trials
    assert [trial.params[MOMENTUM] for trial in trials] == [round(value, 9) for value in choices]
    assert trials[0].distributions[MOMENTUM].high == round(choices[-1], 9)


def test_two_objectives_are_two_of_optunas(tmp_path: Path) -> None:
    document = search_document(secondary=True)
    export_study(document, tmp_path / "study.db")
    study = _load(tmp_path / "study.db")
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.trials[0].values == [document.entries[0].value, document.entries[0].secondary]
    assert study.best_trials


def test_a_file_that_exists_is_kept(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"study\.db exists already"):
        export_study(search_document(), tmp_path / "study.db")
    assert (tmp_path / "study.db").read_text() == "mine"


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no folder"):
        export_study(search_document(), tmp_path / "nowhere" / "study.db")


@pytest.mark.parametrize("name", ("a b.db", "a?b=c.db", "a%3Fb.db", "a#b.db", "{a}'s.db", "ä&;$(b).db"))
def test_the_command_to_see_a_study_names_it_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "search.json").write_text(json.dumps(search_document().to_json()))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["export-study", ".", name])
    assert done.exit_code == 0, done.output
    assert {file.name for file in tmp_path.iterdir()} == {name, "search.json"}
    program, url = shlex.split(done.stdout.partition("to see it: ")[2])
    assert program == "optuna-dashboard"
    assert len(optuna.load_study(study_name="digits-search", storage=url).trials) == 30


def test_a_place_that_can_t_be_written_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"/proc/a\.db can't be written: unable to open database file"):
        export_study(search_document(), Path("/proc/a.db"))


@pytest.mark.parametrize(("path", "value"), ((BATCH, 256), (BATCH, 17), (MOMENTUM, 1.5), (MOMENTUM, 0.05)))
def test_a_trial_that_its_space_does_not_have_is_named(tmp_path: Path, path: str, value: float) -> None:
    document = search_document()
    values = {**document.entries[7].values, path: value}
    entries = (*document.entries[:7], replace(document.entries[7], values=values), *document.entries[8:])
    with pytest.raises(ConfigurationError, match=rf"trial 7 of digits-search can't be one of a study: .*{value}"):
        export_study(replace(document, entries=entries), tmp_path / "study.db")
    assert not (tmp_path / "study.db").exists()


@pytest.mark.parametrize(
    ("values", "as_text"),
    (
        ([1, True, 2], ["1", "true", "2"]),
        ([0, False, "0"], ["0", "false", '"0"']),
        ([[1], "[1]", None], ["[1]", '"[1]"', "null"]),
        ([[1], 1, "a", None], ["[1]", 1, "a", None]),
    ),
)
def test_categories_that_are_one_to_optuna_are_text(tmp_path: Path, values: list[Any], as_text: list[Any]) -> None:
    document = search_document()
    parameter = Parameter.model_validate({"path": UNITS, "type": "Categorical", "values": values})
    spec = document.spec.model_copy(update={"parameters": [parameter]})
    entries = tuple(Entry(number, {UNITS: value}, "Complete", 0.5) for number, value in enumerate(values))
    export_study(replace(document, spec=spec, entries=entries), tmp_path / "study.db")
    trials = _load(tmp_path / "study.db").trials
    assert [repr(trial.params[UNITS]) for trial in trials] == list(map(repr, as_text))


def test_a_secondary_objective_that_is_no_number_makes_no_complete_trial(tmp_path: Path) -> None:
    document = search_document(secondary=True)
    entries = (replace(document.entries[0], secondary=math.nan), *document.entries[1:])
    export_study(replace(document, entries=entries), tmp_path / "study.db")
    assert _load(tmp_path / "study.db").trials[0].state.name == "FAIL"


def test_the_command_writes_the_study_of_a_workspace(tmp_path: Path) -> None:
    (tmp_path / "search.json").write_text(json.dumps(search_document().to_json()))
    done = CliRunner().invoke(app, ["export-study", str(tmp_path), str(tmp_path / "study.db"), "-o", "json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"job": "digits-search", "study": str(tmp_path / "study.db"), "trials": 30}
    assert len(_load(tmp_path / "study.db").trials) == 30
