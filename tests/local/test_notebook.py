"""The notebook in examples/ runs from top to bottom, in a kernel of this interpreter."""

import shutil
import sys
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples/notebook/wine.ipynb"
GENEROUS_SECONDS = 600


class OwnKernel(KernelSpecManager):
    """Knows one kernel: this interpreter, whatever is installed on the machine."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Of any name."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name=kernel_name, language="python")


def executed(notebook: Path, *, allow_errors: bool = False) -> nbformat.NotebookNode:
    """The notebook with its outputs. Raises CellExecutionError where a cell fails, unless that is allowed."""
    document = nbformat.read(notebook, as_version=4)
    kernel = AsyncKernelManager(kernel_spec_manager=OwnKernel())
    client = NotebookClient(
        document,
        km=kernel,
        timeout=GENEROUS_SECONDS,
        resources={"metadata": {"path": str(notebook.parent)}},
        allow_errors=allow_errors,
    )
    client.execute()
    return document


def test_the_notebook_runs_and_shows_its_progress_in_place(tmp_path: Path) -> None:
    document = executed(Path(shutil.copy(NOTEBOOK, tmp_path)))
    outputs = [cell.get("outputs", []) for cell in document.cells if cell.cell_type == "code"]
    assert all(outputs)
    assert "stderr" not in [output.get("name") for each in outputs for output in each]
    for job, end, each in (("job wine", "done", outputs[1]), ("search wine-search", "6/6", outputs[-2])):
        tables = [output for output in each if output.output_type == "display_data"]
        # One output that was changed in place, then what came out.
        assert len(tables) == 1 and "<pre" in tables[0].data["text/html"] and end in tables[0].data["text/plain"]
        (result,) = [output for output in each if output.output_type == "execute_result"]
        assert f"The {job} is done" in result.data["text/html"]
    assert (tmp_path / "models/wine/model.onnx").exists() and (tmp_path / "models/wine-search/search.html").exists()


def test_a_mistake_is_the_cells_own_line_and_a_message(tmp_path: Path) -> None:
    cells = ["import steelyard", "folder = 'nowhere'\nsteelyard.load(folder)"]
    document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    file = tmp_path / "mistake.ipynb"
    nbformat.write(document, file)
    found = executed(file, allow_errors=True)
    (error,) = [output for output in found.cells[1].outputs if output.output_type == "error"]
    assert error.traceback[0] == "Cell In[2], line 2\n    steelyard.load(folder)\n"
    assert error.traceback[1].startswith("ConfigurationError: ") and len(error.traceback) == 2


def test_it_is_shipped_without_outputs() -> None:
    """They would hold figures of another day, and folders of another machine."""
    document = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.outputs and cell.execution_count is None for cell in document.cells if cell.cell_type == "code")
