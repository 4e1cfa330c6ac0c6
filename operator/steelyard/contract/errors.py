"""The error that ends a stage with a reason. Imports the standard library only."""


class StageError(Exception):
    """A failure that is explained in one message, without a traceback."""

    def __init__(self, message: str, *, reason: str, exit_code: int) -> None:
        """
        Args:
            message: what was given, what is allowed, and where.
            reason: one of `stages.Reason`.
            exit_code: one of `stages.ExitCode`, or another for a crash.
        """
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.exit_code = int(exit_code)
