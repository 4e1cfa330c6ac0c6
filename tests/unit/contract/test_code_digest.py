"""What of a folder is code, and the digest that stands for it."""

from pathlib import Path

import pytest

from steelyard.contract import code_digest as digests
from steelyard.contract.code_digest import CodeError, code_digest, files_of


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_the_digest_is_of_names_and_contents_and_of_nothing_that_is_no_code(tmp_path: Path) -> None:
    one = written(tmp_path / "one", net_py="a = 1", parts__layers_py="b = 2")
    other = written(tmp_path / "other", parts__layers_py="b = 2", net_py="a = 1")
    assert code_digest(one) == code_digest(other)
    (other / "__pycache__").mkdir()
    (other / "__pycache__" / "net.cpython-313.pyc").write_bytes(b"x")
    (other / ".git").mkdir()
    (other / ".git" / "HEAD").write_text("ref")
    (other / ".env").write_text("SECRET=1")
    (other / "old.pyc").write_bytes(b"x")
    assert code_digest(one) == code_digest(other)
    assert [file.name for file in files_of(other)] == ["net.py", "parts/layers.py"]
    digest = code_digest(other)
    (other / "net.py").write_text("a = 2")
    changed = code_digest(other)
    (other / "net.py").rename(other / "nets.py")
    assert len({digest, changed, code_digest(other)}) == 3
    # What ends one file does not begin the next.
    assert code_digest(written(tmp_path / "x", a="b", c="")) != code_digest(written(tmp_path / "y", a="bc"))


def test_a_folder_with_links_or_nothing_or_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "code", net_py="a = 1", more_py="b = 2")
    monkeypatch.setattr(digests, "MOST_CODE_FILES", 1)
    with pytest.raises(CodeError, match=r"code has more than 1 files"):
        code_digest(folder)
    monkeypatch.setattr(digests, "MOST_CODE_FILES", 2)
    monkeypatch.setattr(digests, "MOST_CODE_BYTES", 9)
    with pytest.raises(CodeError, match=r"code holds more than 0 MiB of files; allowed: at most so much"):
        code_digest(folder)
    monkeypatch.undo()
    (folder / "secret.py").symlink_to("/etc/passwd")
    with pytest.raises(CodeError, match=r"secret\.py is a link; allowed: plain files and folders"):
        code_digest(folder)
    with pytest.raises(CodeError, match=r"empty holds no files"):
        code_digest((tmp_path / "empty").absolute() if (tmp_path / "empty").mkdir() is None else tmp_path)
