"""What is refused of a .keras file before Keras sees it."""

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from steelyard_trainer.elsewhere import archive
from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.elsewhere.keras_archive import check_archive, check_config


def layer(name: str, module: str | None = "keras.layers", **more: Any) -> dict[str, Any]:
    """A layer as a description has it."""
    return {"module": module, "class_name": name, "config": {"units": 3}, "registered_name": None, **more}


def network(*layers: dict[str, Any]) -> dict[str, Any]:
    """A description of a network."""
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 3]}}
    return {
        **layer("Functional", "keras.src.models.functional", registered_name="Functional"),
        "config": {"layers": [*layers, {**layer("Dense"), "inbound_nodes": [{"args": [tensor], "kwargs": {}}]}]},
    }


def written(path: Path, entries: dict[str, bytes]) -> Path:
    """An archive with these entries, compressed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


WHOLE = {"metadata.json": b"{}", "config.json": json.dumps(network()).encode(), "model.weights.h5": b"w" * 10_000}


def test_networks_of_keras_own_layers_are_taken(tmp_path: Path) -> None:
    check_archive(written(tmp_path / "net.keras", WHOLE))
    initializer = layer("GlorotUniform", "keras.initializers")
    check_config(network({**layer("Dense"), "config": {"kernel_initializer": initializer}}))
    check_config({**network(), "compile_config": {"loss": {"class_name": "function", "module": "builtins"}}})


@pytest.mark.parametrize(
    ("refused", "shown"),
    [
        (layer("Lambda"), "keras.layers.Lambda"),
        (layer("TFSMLayer"), "keras.layers.TFSMLayer"),
        (layer("StringLookup"), "keras.layers.StringLookup"),
        (layer("TorchModuleWrapper"), "TorchModuleWrapper"),
        (layer("MyLayer", None, registered_name="Mine>MyLayer"), "Mine>MyLayer"),
        (layer("Dense", "keras.layers", registered_name="Mine>Dense"), "Mine>Dense"),
        (layer("MyLayer", None), "MyLayer"),
        (layer("system", "os"), "os.system"),
        (layer("get_file", "keras.utils"), "keras.utils.get_file"),
        (layer("function", "builtins", config="mine"), "the function 'mine'"),
        (layer("__lambda__", "builtins"), "the function"),
        (layer(["Dense"], "keras.layers"), "Dense"),
        (layer("Dense", ["keras.layers"]), "Dense"),
    ],
)
def test_anything_else_is_refused_by_its_name(refused: dict[str, Any], shown: str) -> None:
    for config in (network(refused), network({**layer("Dense"), "config": {"activation": [refused]}})):
        with pytest.raises(RefusedError) as error:
            check_config(config)
        assert shown in str(error.value) and "allowed: Keras' own layers (Activation, " in str(error.value)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({**WHOLE, "../../evil": b""}, r"holds '../../evil'; allowed: config.json"),
        ({**WHOLE, "assets/words.txt": b""}, "holds 'assets/words.txt'"),
        ({"config.json": WHOLE["config.json"]}, "its archive lacks metadata.json"),
        ({**WHOLE, "config.json": b"[" * 100_000}, "config.json is nested too deeply"),
        ({**WHOLE, "config.json": b"{"}, "config.json is no JSON"),
        ({**WHOLE, "config.json": b"{}"}, "describes no model"),
    ],
)
def test_archives_that_are_no_models_are_refused(tmp_path: Path, entries: dict[str, bytes], says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        check_archive(written(tmp_path / "net.keras", entries))


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "net.keras", WHOLE)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(RefusedError, match="damaged or not whole"):
        check_archive(path)


def test_what_expands_too_much_is_refused_whether_it_says_so_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_EXPANDED_BYTES", 100_000)
    path = written(tmp_path / "net.keras", {**WHOLE, "model.weights.h5": bytes(1_000_000)})
    with pytest.raises(RefusedError, match=r"it is 1,\d{3},\d{3} bytes when it is expanded; allowed: 100,000"):
        check_archive(path)
    # The directory at the end and the entry itself say that it is small.
    content = path.read_bytes().replace(struct.pack("<L", 1_000_000), struct.pack("<L", 1_000))
    path.write_bytes(content)
    with pytest.raises(RefusedError, match="damaged or not whole: Bad CRC-32"):
        check_archive(path)
