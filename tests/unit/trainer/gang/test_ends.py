"""What is said of a program's end, whatever it left."""

import os
from pathlib import Path

from steelyard.contract.stages import Reason, Result
from steelyard_trainer.gang.ends import forget, result_of


def told(file: Path, code: int) -> Result:
    return result_of(file, code, "the program a", "k", is_ours=False)


def test_a_signal_without_a_name_has_its_number(tmp_path: Path) -> None:
    assert told(tmp_path / "none", -9).message == "the program a was ended by SIGKILL"
    assert told(tmp_path / "none", -36).message == "the program a was ended by signal 36"


def test_what_is_no_document_is_a_text(tmp_path: Path) -> None:
    file = tmp_path / "result"
    file.write_text("[" * 100_000)
    said = told(file, 3)
    assert said.reason == Reason.CRASHED
    assert said.message.startswith("the program a was ended with exit code 3: [[[")


def test_a_folder_or_a_pipe_in_the_file_s_place_is_passed_over_and_removed(tmp_path: Path) -> None:
    file = tmp_path / "result"
    for make in (lambda: os.mkfifo(file), lambda: (file / "more").mkdir(parents=True)):
        make()
        assert told(file, 0).message == "the program a ended"
        forget(file)
        assert not file.exists()
    forget(file)
