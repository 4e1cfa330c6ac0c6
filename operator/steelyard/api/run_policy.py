"""`spec.runPolicy`: how long to wait, how often to try again. Imports the api only."""

import json
from typing import Annotated

from pydantic import Field

from steelyard.api.base import Part


class RunPolicy(Part):
    """How long to wait, how often to try again."""

    suspend: bool = False
    """On a cluster: whether to pause. While it is true the running stage's pods are ended and no stage is begun; the
    time does not count against activeDeadlineSeconds. When it is false again the job goes on, a training from its last
    checkpoint. May change while the job runs. `steelyard run` passes it over: Ctrl-C pauses, another run goes on."""
    backoff_limit: Annotated[int, Field(ge=0, le=100)] = 3
    """How often a stage that crashed is started again."""
    disruption_limit: Annotated[int, Field(ge=0, le=10000)] = 100
    """How often a stage is started again that was interrupted from outside: a lost worker, lost storage, SIGTERM."""
    active_deadline_seconds: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """Seconds after which a job that still runs is ended and fails; left out, there is no limit."""
    gang_timeout_seconds: Annotated[int, Field(ge=1, le=86400)] = 300
    """Seconds within which all workers must answer each other, else the job fails with reason WorkersNotReady."""
    stall_timeout_seconds: Annotated[int, Field(ge=10, le=86400)] | None = None
    """Seconds without a step, epoch or progress line after which a stage has stalled: where its workers are is written
    to their logs, and it starts again, counted against backoffLimit; then the job fails with reason Stalled. Longer
    than the longest step, the first one included. A scikit-learn model's fit is one step. Left out, nobody watches."""
    start_timeout_seconds: Annotated[int, Field(ge=0, le=2**31 - 1)] = 600
    """On a cluster: seconds for which a stage may wait for what may still appear or free itself (a claim, a Secret,
    quota, room on a node, the image), before the job fails with reason StartTimeout. 0: for ever."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """On a cluster: seconds after its end, Complete or Failed, after which the job is removed, with all that it owns:
    its Jobs and pods, and the workspace that was made for it; not what it published. Left out, it stays. May be set and
    changed at any time, after the end too."""

    @property
    def limits(self) -> str:
        """What the supervisor of a program of the user's own goes by, as JSON: Env.RUN_POLICY."""
        values = {
            "backoffLimit": self.backoff_limit,
            "disruptionLimit": self.disruption_limit,
            "gangTimeoutSeconds": self.gang_timeout_seconds,
        }
        if self.stall_timeout_seconds is not None:
            values["stallTimeoutSeconds"] = self.stall_timeout_seconds
        return json.dumps(values, separators=(",", ":"))
