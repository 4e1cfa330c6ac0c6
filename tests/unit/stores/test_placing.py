"""What attempts leave beside a place, and several that publish to one place at a time."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from store_support import model_in

from steelyard.api.errors import ConfigurationError
from steelyard.stores.integrity import verify
from steelyard.stores.placing import remove_leftovers
from steelyard.stores.registry import store_at
from steelyard.stores.surroundings import Surroundings

HEX = "0123abcd"


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy disk takes its time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def put(folder: Path, name: str, package: tuple[Path, str], check: Callable[[], None] = lambda: None) -> None:
    store_at(name, Surroundings(folder)).put(*package, check)


def test_several_that_publish_to_one_place_do_not_take_each_other_for_leftovers(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    packages = [model_in(tmp_path, name) for name in ("one", "two")]

    def publish(number: int) -> None:
        for turn in range(6):
            put(folder, "m", packages[(number + turn) % 2])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(publish, range(3)))
    assert [path.name for path in folder.iterdir()] == ["m"]
    assert verify(folder / "m") == []


@pytest.mark.parametrize("name", ["m", "m[1]", "*"])
def test_leftovers_of_this_place_go_and_nothing_else(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "models"
    mine = [f".{name}.old-notes", f".{name}.partial-{HEX}0", f".other.old-{HEX}"]
    for each in (*mine, f".{name}.old-{HEX}", f".{name}.partial-{HEX}"):
        (folder / each).mkdir(parents=True)
        (folder / each / "file").write_text("mine")
    (folder / name).mkdir()
    put(folder, name, model_in(tmp_path))
    assert sorted(path.name for path in folder.iterdir()) == sorted([*mine, name])
    assert all((folder / each / "file").read_text() == "mine" for each in mine)


def test_what_a_killed_attempt_had_moved_away_comes_back_before_the_next_one_can_fail(tmp_path: Path) -> None:
    package, folder = model_in(tmp_path), tmp_path / "models"
    put(folder, "m", package)
    (folder / "m").rename(folder / f".m.old-{HEX}")

    def disk_is_full() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        put(folder, "m", model_in(tmp_path, "two"), disk_is_full)
    assert [path.name for path in folder.iterdir()] == ["m"]
    assert verify(folder / "m", package[1]) == []


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="Python says it where the place is used")
def test_links_that_lead_to_one_another_are_told(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigurationError, match=r"loop/m: .* lies behind links that lead to one another"):
        store_at("loop/m", Surroundings(tmp_path))


def test_a_link_that_is_called_like_a_leftover_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / f".m.old-{HEX}").symlink_to(tmp_path / "mine")
    remove_leftovers(tmp_path / "m")
    assert (tmp_path / "mine").is_dir() and not (tmp_path / "m").exists()
