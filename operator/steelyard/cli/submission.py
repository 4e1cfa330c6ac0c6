"""What `steelyard submit` does with a job of either kind: it is made, waited for, and told of. Imports the api, and the
client's types."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from steelyard.api.errors import SteelyardError
from steelyard.cli.cluster import DocumentFormat, connected, print_object, waiting_interrupted
from steelyard.cli.output import OutputFormat, print_json, print_not_begun
from steelyard.contract.events import RunEnded
from steelyard.contract.stages import ExitCode, Reason

if TYPE_CHECKING:
    from steelyard.client import Client
    from steelyard.client.handle import Handle

AnyHandle = TypeVar("AnyHandle", bound="Handle[Any]")


class Submission(ABC, Generic[AnyHandle]):
    """A job that is submitted: how it is shown while it runs, and told of in the end."""

    then: tuple[str, ...]
    """The commands that may come next for a job that has just been made."""

    def run(self, wait: bool, context: str | None, namespace: str | None, output: OutputFormat) -> None:
        """Makes the job on a cluster, and waits for its end if asked to. Raises SteelyardError."""
        handle: AnyHandle | None = None
        try:
            with connected(context, namespace) as client:
                handle = self.made(client)
                if wait:
                    self._wait(handle, output)
        except SteelyardError as error:
            if wait and handle is not None and output is OutputFormat.JSON:
                print_json(self.ended(handle, error.reason, error.message, error.exit_code).to_json())
            elif wait:
                print_not_begun(error, output)
            raise
        if output is OutputFormat.TEXT:
            print("\n".join(self.done(handle) if wait else self._submitted(handle)))
        elif wait:
            print_json(self.ended(handle, Reason.SUCCEEDED, "", ExitCode.DONE).to_json())
        else:
            print_object(handle.document, DocumentFormat.JSON)

    @abstractmethod
    def made(self, client: "Client") -> AnyHandle:
        """The job on the cluster. Raises SteelyardError."""

    @abstractmethod
    def display(self, output: OutputFormat, handle: AnyHandle) -> AbstractContextManager[Callable[[Any], None]]:
        """What shows the job's events for as long as it is entered."""

    @abstractmethod
    def events(self, before: Any, after: Any, handle: AnyHandle) -> Iterable[Any]:
        """What has happened between two readings of the status, in its order; before the first one it is None."""

    @abstractmethod
    def ended(self, handle: AnyHandle, reason: str, message: str, exit_code: int) -> RunEnded:
        """The last event."""

    @abstractmethod
    def done(self, handle: AnyHandle) -> list[str]:
        """What became of a job that has succeeded, for a person."""

    def _wait(self, handle: AnyHandle, output: OutputFormat) -> None:
        """Shows the job's events until it has ended. Raises SteelyardError where it failed."""
        before = None
        try:
            with self.display(output, handle) as report:

                def show(after: Any) -> None:
                    nonlocal before
                    for event in self.events(before, after, handle):
                        report(event)
                    before = after

                handle.wait(on_progress=show)
        except KeyboardInterrupt:
            raise waiting_interrupted(handle) from None

    def _submitted(self, handle: AnyHandle) -> list[str]:
        what = "created" if handle.is_new else f"unchanged ({handle.status.phase or 'Pending'})"
        following = [f"  steelyard {each} {handle.name} --namespace {handle.namespace}" for each in self.then]
        return [f"{handle.kind.name.lower()} {handle.name} {what}", "", "next:", *following]
