"""What every store passes: the conformance suite, for each place that a model can be published to."""

import hashlib
import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from store_support import CASES, DAMAGED, StoreCase, case_in, model_in

from steelyard.api.errors import ConfigurationError, DataError, SteelyardError
from steelyard.api.places import SCHEMES, SKLEARN
from steelyard.contract.stages import ExitCode, Reason
from steelyard.stores.base import Store, TableInMemory
from steelyard.stores.integrity import verify
from steelyard.stores.registry import STORES, obstacles, source_at, store_at
from steelyard.stores.surroundings import Surroundings

KILLS = Path(__file__).parents[1] / "store_kills.py"


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> StoreCase:
    return case_in(request.param, tmp_path / "place")


# --- as a source ------------------------------------------------------------------------------------------------------


def test_the_identity_is_that_of_the_content_wherever_it_lies(case: StoreCase) -> None:
    for path, content in (("a.csv", b"x,y\n1,2\n"), ("b/a.csv", b"x,y\n1,2\n"), ("c.csv", b"x,y\n1,3\n")):
        case.write(path, content)
    first, second, third = (case.store(path).identity()[0] for path in ("a.csv", "b/a.csv", "c.csv"))
    assert first == second == hashlib.sha256(b"x,y\n1,2\n").hexdigest() != third


def test_a_file_that_looks_as_it_did_is_not_read_again(case: StoreCase) -> None:
    case.write("a.csv", b"x,y\n1,2\n")
    digest, seen = case.store("a.csv").identity()
    if seen is None:
        return
    remembered = replace(seen, digest="remembered")
    assert case.store("a.csv").identity(remembered=remembered) == ("remembered", remembered)
    case.write("a.csv", b"x,y\n1,2\n\n")
    again, _ = case.store("a.csv").identity(remembered=remembered)
    assert again not in ("remembered", digest)


def test_the_identity_of_a_folder_is_that_of_the_files_that_describe_it(case: StoreCase) -> None:
    for folder, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        case.write(f"{folder}/dataset.json", content)
        case.write(f"{folder}/rows", folder.encode())
    files = ("dataset.json", "not-there.json")
    first, second, third = (case.store(folder).identity(files)[0] for folder in "abc")
    assert first == second != third


def test_what_is_not_there_has_no_identity(case: StoreCase) -> None:
    with pytest.raises(OSError, match="nowhere"):
        case.store("nowhere.csv").identity()


def test_a_path_that_begins_with_two_slashes_is_where_it_says(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x,y\n1,2\n")
    opened = source_at(f"/{tmp_path}/a.csv", Surroundings(tmp_path / "manifests")).open()
    assert isinstance(opened, Path) and opened.read_bytes() == b"x,y\n1,2\n"


def test_a_source_is_read_in_bounded_memory(case: StoreCase) -> None:
    size = 48 << 20
    case.write("large.csv", bytes(size))
    store = case.store("large.csv")
    tracemalloc.start()
    try:
        store.identity()
        opened = store.open()
        assert isinstance(opened, Path)
        with opened.open("rb") as file:
            assert sum(len(piece) for piece in iter(lambda: file.read(1 << 20), b"")) == size
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


# --- as a target ------------------------------------------------------------------------------------------------------


def test_a_model_is_put_whole_and_nothing_beside_it(case: StoreCase, tmp_path: Path) -> None:
    package, digest = model_in(tmp_path)
    store = case.store("deep/model")
    assert store.obstacle() is None and not store.has(digest)
    store.try_writing()
    assert case.names("deep") == [] and case.names("") == []
    store.put(package, digest)
    assert case.digest("deep/model") == digest
    assert case.names("deep") == ["model"]
    assert store.obstacle() is None


def test_the_same_model_is_not_put_again_and_another_one_replaces_it(case: StoreCase, tmp_path: Path) -> None:
    package, digest = model_in(tmp_path)
    store = case.store("model")
    store.put(package, digest)
    before = case.stamp("model")
    store.put(package, digest)
    assert case.stamp("model") == before
    other, other_digest = model_in(tmp_path, "two")
    assert store.has(digest) and not store.has(other_digest)
    store.put(other, other_digest)
    assert store.has(other_digest) and not store.has(digest)
    assert case.digest("model") == other_digest != digest
    assert case.names("") == ["model"]


def test_a_damaged_model_is_put_again(case: StoreCase, tmp_path: Path) -> None:
    package, digest = model_in(tmp_path)
    case.store("model").put(package, digest)
    case.write("model/README.md", b"changed")
    assert case.digest("model") == DAMAGED
    case.store("model").put(package, digest)
    assert case.digest("model") == digest


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("model", "is a file; a model is published as a folder"),
        ("model/notes.txt", "is not empty and holds no published model"),
    ],
)
def test_what_is_no_model_is_left_alone(case: StoreCase, tmp_path: Path, path: str, says: str) -> None:
    case.write(path, b"mine")
    store = case.store("model")
    obstacle = store.obstacle()
    assert obstacle is not None and obstacle.reason == Reason.TARGET_OCCUPIED and says in obstacle.message
    with pytest.raises(ConfigurationError, match=says) as caught:
        store.put(*model_in(tmp_path))
    assert caught.value.reason == Reason.TARGET_OCCUPIED
    assert case.read(path) == b"mine"


def test_a_folder_with_somebodys_file_beside_the_model_is_left_alone(tmp_path: Path) -> None:
    case = case_in("path", tmp_path / "place")
    package, digest = model_in(tmp_path)
    store = case.store("model")
    store.put(package, digest)
    case.write("model/notes.txt", b"mine")
    obstacle = store.obstacle()
    assert obstacle is not None and "holds notes.txt beside the model" in obstacle.message
    with pytest.raises(ConfigurationError, match=r"holds notes\.txt beside"):
        store.put(*model_in(tmp_path, "two"))
    assert store.has(digest) and case.read("model/notes.txt") == b"mine"


@pytest.mark.parametrize("has_model", [False, True])
def test_whoever_may_no_longer_write_changes_nothing(case: StoreCase, tmp_path: Path, has_model: bool) -> None:
    package, digest = model_in(tmp_path)
    store = case.store("deep/model")
    if has_model:
        store.put(package, digest)

    def superseded() -> None:
        raise SteelyardError("superseded", reason=Reason.ATTEMPT_SUPERSEDED, exit_code=ExitCode.TRY_AGAIN)

    with pytest.raises(SteelyardError, match="superseded"):
        store.put(*model_in(tmp_path, "two"), superseded)
    assert case.names("deep") == (["model"] if has_model else [])
    assert case.digest("deep/model") == (digest if has_model else "")


def test_places_in_one_another_are_an_obstacle(case: StoreCase) -> None:
    outer, inner, apart = (case.store(path) for path in ("model", "model/inner", "model-2"))
    (found,) = obstacles([outer, inner, apart])
    assert found.target == 1 and found.obstacle.reason == Reason.INVALID_CONFIGURATION
    assert "which is published to as well; name another folder" in found.obstacle.message
    assert obstacles([outer, apart]) == []


# --- and back ---------------------------------------------------------------------------------------------------------


def test_a_model_is_got_verified_and_not_twice(case: StoreCase, tmp_path: Path) -> None:
    package, digest = model_in(tmp_path)
    store, folder = case.store("model"), tmp_path / "got" / "here"
    store.put(package, digest)
    assert store.get(folder, digest)
    assert verify(folder, digest) == []
    assert not store.get(folder, digest)
    (tmp_path / "empty").mkdir()
    assert store.get(tmp_path / "empty")
    assert [path.name for path in folder.parent.iterdir()] == ["here"]


def test_a_damaged_model_is_not_got(case: StoreCase, tmp_path: Path) -> None:
    case.store("model").put(*model_in(tmp_path))
    case.write("model/README.md", b"changed")
    with pytest.raises(DataError, match=r"README.md is wrong") as caught:
        case.store("model").get(tmp_path / "got")
    assert caught.value.reason == Reason.MODEL_NOT_INTACT
    assert [path.name for path in tmp_path.iterdir() if "got" in path.name] == []


def test_a_link_in_a_folder_is_not_followed(tmp_path: Path) -> None:
    case = case_in("path", tmp_path / "place")
    case.store("model").put(*model_in(tmp_path))
    (case.root / "model" / "README.md").unlink()
    (case.root / "model" / "README.md").symlink_to("/etc/hostname")
    with pytest.raises(DataError, match=r"README.md is wrong: it is not a plain file"):
        case.store("model").get(tmp_path / "got")


def test_another_model_than_was_asked_for_is_not_got(case: StoreCase, tmp_path: Path) -> None:
    case.store("model").put(*model_in(tmp_path))
    _, other = model_in(tmp_path, "two")
    with pytest.raises(DataError, match="has another digest"):
        case.store("model").get(tmp_path / "got", other)
    assert not (tmp_path / "got").exists()


def test_nothing_is_got_from_where_no_model_is_nor_over_something_else(case: StoreCase, tmp_path: Path) -> None:
    package, digest = model_in(tmp_path)
    with pytest.raises(DataError, match="holds no published model") as caught:
        case.store("model").get(tmp_path / "got")
    assert caught.value.reason == Reason.SOURCE_NOT_FOUND
    case.store("model").put(package, digest)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="is not empty and does not hold this model") as occupied:
        case.store("model").get(tmp_path / "mine", digest)
    assert occupied.value.reason == Reason.TARGET_OCCUPIED
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


# --- killed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["file", "claim-in-a-pod"])
def test_a_put_that_is_killed_anywhere_leaves_a_whole_model_or_none_and_the_next_one_succeeds(
    name: str, tmp_path: Path
) -> None:
    program = [sys.executable, str(KILLS), name, str(tmp_path / "kills")]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    rounds = [json.loads(line) for line in ended.stdout.splitlines()]
    for each in rounds:
        assert each["after"] in ("", each["before"], each["new"]), each
        assert each["again"] == each["new"] and each["beside"] == ["model"], each
    killed = [each for each in rounds if each["wasKilled"]]
    # To an empty place, and over a model.
    assert min(sum(each["before"] == before for each in killed) for before in {each["before"] for each in rounds}) > 40
    # Some ends were before others see the model. After it a store may have nothing more to do.
    assert {bool(each["before"]) for each in killed if each["after"] != each["new"]} == {False, True}


# --- the registry -----------------------------------------------------------------------------------------------------


def test_every_scheme_has_a_store_that_can_what_its_record_says() -> None:
    assert list(STORES) == list(SCHEMES)
    for scheme, store in STORES.items():
        assert issubclass(store, Store) is scheme.writes


def test_scikit_learns_tables_are_a_source_and_nothing_else(tmp_path: Path) -> None:
    here = Surroundings(tmp_path)
    store = source_at("sklearn:iris", here)
    assert store.identity() == ("sklearn:iris", None)
    opened = store.open()
    assert isinstance(opened, TableInMemory) and (opened.name, len(opened.frame)) == ("sklearn:iris", 150)
    with pytest.raises(
        ConfigurationError, match=r"'sklearn:iris' is not a place that is published to here; allowed: pvc"
    ):
        store_at(f"{SKLEARN.prefix}iris", here)
