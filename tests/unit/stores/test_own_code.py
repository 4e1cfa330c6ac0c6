"""A user's own code on its way to the folder that it is imported from: archives within limits, complete or absent."""

import os
import stat
import zipfile
from pathlib import Path
from threading import Thread

import pytest

from steelyard.contract.code_digest import CodeError, code_digest
from steelyard.stores import own_code
from steelyard.stores.own_code import digest_at, put_code, unpack


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    code = tmp_path / "code"
    (code / "parts").mkdir(parents=True)
    (code / "net.py").write_text("a = 1")
    (code / "parts" / "layers.py").write_text("b = 2")
    return code


def test_code_is_the_same_from_a_folder_a_zip_a_wheel_and_a_mounted_config_map(folder: Path, tmp_path: Path) -> None:
    files = {"net.py": "a = 1", "parts/": "", "parts/layers.py": "b = 2", "__pycache__/net.pyc": "x"}
    digest = code_digest(folder)
    sources = [folder, zipped(tmp_path / "code.zip", files), zipped(tmp_path / "code-1.0-py3-none-any.whl", files)]
    for number, source in enumerate(sources):
        assert digest_at(source) == digest
        assert put_code(source, tmp_path / f"put-{number}", digest) == digest
        assert code_digest(tmp_path / f"put-{number}") == digest
    mounted = mount(tmp_path / "mounted", zipped(tmp_path / "code.zip", files).read_bytes())
    assert put_code(mounted, tmp_path / "put", is_config_map=True) == digest
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} == set()


def mount(folder: Path, content: bytes, **others: str) -> Path:
    """As the kubelet mounts a ConfigMap: its keys are links into a folder that it swaps."""
    data = folder / "..2026_01_01"
    data.mkdir(parents=True)
    (folder / "..data").symlink_to(data.name)
    for name, value in {"code.zip": content, **{key: text.encode() for key, text in others.items()}}.items():
        if value:
            (data / name.replace("_py", ".py")).write_bytes(value)
            (folder / name.replace("_py", ".py")).symlink_to(f"..data/{name.replace('_py', '.py')}")
    return folder


def test_a_mounted_config_map_has_flat_keys_or_one_zip(tmp_path: Path) -> None:
    flat = mount(tmp_path / "flat", b"", net_py="a = 1", layers_py="b = 2")
    put_code(flat, tmp_path / "put", is_config_map=True)
    assert {path.name for path in (tmp_path / "put").iterdir()} == {"net.py", "layers.py"}
    with pytest.raises(CodeError, match=r"the ConfigMap holds code\.zip, net\.py; allowed: files of Python, or one"):
        put_code(mount(tmp_path / "both", b"PK", net_py="a"), tmp_path / "put", is_config_map=True)
    with pytest.raises(CodeError, match="the ConfigMap is empty"):
        put_code(mount(tmp_path / "none", b""), tmp_path / "put", is_config_map=True)


def test_other_code_replaces_what_was_there_and_the_same_is_left(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "put"
    put_code(folder, target)
    before = (target / "net.py").stat().st_ino
    put_code(folder, target)
    assert (target / "net.py").stat().st_ino == before
    (folder / "net.py").write_text("a = 3")
    assert put_code(folder, target) == code_digest(target) == code_digest(folder)
    assert {path.name for path in tmp_path.iterdir()} == {"code", "put"}


def test_workers_that_put_the_same_code_at_the_same_time_all_find_it(folder: Path, tmp_path: Path) -> None:
    digests: list[str] = []
    workers = [Thread(target=lambda: digests.append(put_code(folder, tmp_path / "put"))) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert digests == [code_digest(folder)] * 8
    assert {path.name for path in tmp_path.iterdir()} == {"code", "put"}


def test_another_digest_than_the_manifests_is_refused_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CodeError, match=rf"has the digest {code_digest(folder)}, but sha256 says {'0' * 64}"):
        put_code(folder, tmp_path / "put", "0" * 64)
    with pytest.raises(CodeError, match=r"there is no .*/gone"):
        put_code(tmp_path / "gone", tmp_path / "put")
    (tmp_path / "net.py").write_text("a = 1")
    with pytest.raises(CodeError, match=r"net\.py is no folder, zip or wheel"):
        put_code(tmp_path / "net.py", tmp_path / "put")
    assert {path.name for path in tmp_path.iterdir()} == {"code", "net.py"}


@pytest.mark.parametrize(
    "name", ["../out.py", "/etc/out.py", "a/../../out.py", "a\\..\\out.py", "C:out.py", "./a.py", "a//b.py", "a\n.py"]
)
def test_no_path_of_an_archive_leaves_its_folder(name: str, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "code.zip", {"net.py": "a = 1", name: "x"})
    with pytest.raises(CodeError, match="which leaves its folder or is no plain path"):
        put_code(archive, tmp_path / "in" / "put") if (tmp_path / "in").mkdir() is None else None
    assert list((tmp_path / "in").iterdir()) == [] and not (tmp_path / "out.py").exists()


def test_an_archive_with_a_link_or_one_name_twice_or_damaged_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("net.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(CodeError, match=r"'net\.py', a link or no plain file"):
        unpack(tmp_path / "link.zip", tmp_path / "a")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("net.py", "a")
        archive.writestr("net.py", "b")
    with pytest.raises(CodeError, match=r"holds 'net\.py' twice, or as a file and a folder"):
        unpack(tmp_path / "twice.zip", tmp_path / "b")
    both = zipped(tmp_path / "both.zip", {"net": "a", "net/x.py": "b"})
    with pytest.raises(CodeError, match=r"holds 'net/x\.py' twice, or as a file and a folder"):
        unpack(both, tmp_path / "c")
    content = bytearray(zipped(tmp_path / "bad.zip", {"net.py": "a = 1 " * 100}).read_bytes())
    content[45] ^= 255
    (tmp_path / "bad.zip").write_bytes(content)
    with pytest.raises(CodeError, match=r"bad\.zip is no zip or wheel that can be read"):
        unpack(tmp_path / "bad.zip", tmp_path / "d")


def test_a_zip_bomb_is_refused_by_what_it_says_and_by_what_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_code, "MOST_CODE_BYTES", 100_000)
    bomb = zipped(tmp_path / "bomb.zip", {"zeros.py": "0" * 200_000})
    assert bomb.stat().st_size < 1_000
    with pytest.raises(CodeError, match=r"bomb\.zip holds more than .* MiB of files"):
        unpack(bomb, tmp_path / "a")
    # A size that is a lie: in the file's own header and in the list at its end.
    lie = bomb.read_bytes().replace((200_000).to_bytes(4, "little"), (5).to_bytes(4, "little"))
    (tmp_path / "lie.zip").write_bytes(lie)
    with pytest.raises(CodeError):
        unpack(tmp_path / "lie.zip", tmp_path / "b")
    assert sum(path.stat().st_size for path in (tmp_path / "b").rglob("*")) <= 5
    monkeypatch.setattr(own_code, "MOST_CODE_FILES", 3)
    many = zipped(tmp_path / "many.zip", {f"{number}.py": "" for number in range(4)})
    with pytest.raises(CodeError, match="has 4 files; allowed: at most 3"):
        unpack(many, tmp_path / "c")
    large = tmp_path / "large.zip"
    large.write_bytes(os.urandom(100_001))
    with pytest.raises(CodeError, match=r"large\.zip holds more than"):
        unpack(large, tmp_path / "d")
