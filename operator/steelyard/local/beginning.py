"""How every run of this machine begins, and how its failures are told. Imports the api only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from steelyard.api.errors import ConfigurationError, SteelyardError, explain_os_error
from steelyard.contract.workspace import Workspace


@contextmanager
def failures_reported(report_end: Callable[[str, str, int], object]) -> Iterator[None]:
    """Has the end of a run reported that fails: as reason, message and exit code.

    Raises:
        SteelyardError: whatever the run raised, or what explains its OSError.
        OSError: one that is no user's to mend; it is not reported.
    """
    try:
        yield
    except OSError as error:
        if (explained := explain_os_error(error)) is None:
            raise
        report_end(explained.reason, explained.message, explained.exit_code)
        raise explained from None
    except SteelyardError as error:
        report_end(error.reason, error.message, error.exit_code)
        raise


def make_workspace(workspace: Workspace) -> None:
    """Makes a workspace's folder where there is none. Raises SteelyardError."""
    try:
        workspace.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error) or ConfigurationError(
            f"the workspace {workspace.root} can't be made: {error.strerror}"
        ) from None
