"""What is done about jobs of both kinds that are over: the whole job goes, or its workspace. The policies say when.

Each step begins with the job as it is then, and is done again where the operator died meanwhile. Nothing is removed but
what was looked at: by its uid, and the job itself by its version. Imports kube and the other parts of the controller.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from steelyard.controller.events import Event
from steelyard.controller.names import TUNING_LABEL, workspace_claim_name
from steelyard.controller.observation import controller_uid, text_of, time_of
from steelyard.controller.policies import retention
from steelyard.controller.runtime import cluster
from steelyard.controller.runtime.cache import Bodies, DueKey
from steelyard.controller.runtime.claim_users import ClaimUsers, JobFact, Usage
from steelyard.controller.runtime.cluster import NotNowError
from steelyard.controller.runtime.finished import Finished, job_spec
from steelyard.kube import ApiError, ConnectionFailedError, Requester, pages, path_of
from steelyard.kube.errors import Object
from steelyard.kube.names import EXPIRED
from steelyard.planning.conditions import Condition, set_condition

FORBIDDEN_PAUSE_SECONDS = 3600.0
"""How soon it is tried again what the operator may not do: there may be thousands of jobs."""

logger = logging.getLogger(__name__)


@dataclass
class CleanUp:
    """Cleans up after jobs of both kinds."""

    jobs: Mapping[str, Bodies]
    """Those of each kind, by its plural."""
    api: Requester
    """Guarded and counted."""
    users: ClaimUsers

    async def reconcile(self, name: DueKey) -> float | None:
        """Does what is due about one job.

        Returns:
            None: what comes next is in the caches' due times.

        Raises:
            NotNowError, ApiError, ConnectionFailedError: try again later.
        """
        try:
            await self._look(name)
        except ApiError as error:
            if error.status == 409:
                raise NotNowError("the job was changed meanwhile") from None
            if error.status == 403 and not cluster.is_namespace_going(error):
                logger.warning("a job that is over can't be cleaned up: %s", error.message)
                self._later(name, FORBIDDEN_PAUSE_SECONDS)
            elif error.status == 422:
                # An older CRD let it in, and today's has the API server refuse every change of it.
                logger.warning("a job that is over can't be cleaned up: %s", error.message)
            elif not cluster.is_namespace_going(error):
                raise
        return None

    async def _look(self, name: DueKey) -> None:
        body = await cluster.find(self.api, *name)
        if body is None:
            return
        finished, now = Finished.of(body), datetime.now(UTC)
        match finished.removal(now):
            case "job":
                await self._remove(name, body, now)
            case "workspace":
                await self._release(name, body, now)
            case None:
                self.jobs[name[0]].due.put(name, finished.due)

    # --- runPolicy.ttlSecondsAfterFinished ----------------------------------------------------------------------------

    async def _remove(self, name: DueKey, body: Object, now: datetime) -> None:
        """Removes exactly this job as it was read: who has just given it another time is heard."""
        await cluster.delete_as_read(self.api, name[0], body)
        seconds = body["spec"]["runPolicy"]["ttlSecondsAfterFinished"]
        message = f"the job was removed {seconds} s after its end, as spec.runPolicy.ttlSecondsAfterFinished says"
        logger.info("%s", message)
        # It is all that is left of the job, for an hour.
        with suppress(ApiError, ConnectionFailedError):
            await cluster.post_event(self.api, body, Event(EXPIRED, message), now)

    # --- workspace.retain ---------------------------------------------------------------------------------------------

    async def _release(self, name: DueKey, body: Object, now: datetime) -> None:
        """Removes the claim that was made for a job, and the Jobs of its stages, where nobody else needs the claim."""
        resource, namespace, job = name
        claim, uid = workspace_claim_name(job), body["metadata"]["uid"]
        ended = time_of(body["status"]["completionTime"])
        assert ended is not None
        # It is told in whole seconds.
        usage = await self.users.of(namespace, ended + timedelta(seconds=1))
        if (user := self._other_user(name, uid, claim, usage)) is not None:
            message = f"the claim {claim} stays as long as {user} needs it"
            body = await self._say(name, body, "False", retention.IN_USE, message, now)
            self._later(name, retention.pause(body["status"], now))
            return
        is_search = resource == "tuningjobs"
        if is_search:
            # From now on it can't go on: that needs its workspace.
            message = f"the claim {claim} and the Jobs of its trials are being removed"
            body = await self._say(name, body, "False", retention.REMOVING, message, now)
        for stage_job in await self._jobs_of(name, uid, usage):
            await cluster.delete(self.api, "jobs", namespace, stage_job.name, stage_job.uid)
        found = await cluster.find(self.api, "persistentvolumeclaims", namespace, claim)
        if found is not None and controller_uid(found["metadata"]) == uid:
            await cluster.delete(self.api, "persistentvolumeclaims", namespace, claim, found["metadata"]["uid"])
        field = "spec.template.workspace" if is_search else "spec.workspace"
        message = retention.removed_message(claim, job_spec(body["spec"]), field)
        await self._say(name, body, "True", retention.REMOVED, message, now)
        logger.info("%s", message)

    def _other_user(self, name: DueKey, uid: str, claim: str, usage: Usage) -> str | None:
        """Somebody else who needs a claim, in words: a pod that mounts it, or a job of ours that will."""
        resource, namespace, job = name
        for pod in usage.pods.get(claim, ()):
            if job != (pod.tuning_job if resource == "tuningjobs" else pod.job):
                return pod.words
        for body in (each for bodies in self.jobs.values() for each in bodies.in_namespace(namespace)):
            spec, metadata = body.get("spec"), body["metadata"]
            is_own = uid in (metadata["uid"], controller_uid(metadata))
            if not is_own and isinstance(spec, dict) and claim in retention.claims_named(job_spec(spec)):
                return f"the {body['kind']} {metadata['name']}, which is not over,"
        return None

    async def _jobs_of(self, name: DueKey, uid: str, usage: Usage) -> list[JobFact]:
        """The Jobs of a job's stages; of a search, those of all its trials, and its packs."""
        resource, namespace, job = name
        owners = [uid]
        if resource == "tuningjobs":
            query = {"labelSelector": f"{TUNING_LABEL}={job}"}
            async for page in pages(self.api, path_of("trainingjobs", namespace), query):
                children = (body["metadata"] for body in page)
                owners += [metadata["uid"] for metadata in children if controller_uid(metadata) == uid]
        return [stage_job for owner in owners for stage_job in usage.jobs.get(owner, ())]

    async def _say(self, name: DueKey, body: Object, status: Any, reason: str, message: str, now: datetime) -> Object:
        """Puts the condition into the job's status, where it says something else; returns the job as it is then."""
        kind: Any = retention.CONDITION
        before = tuple(Condition.from_json(each) for each in body["status"]["conditions"])
        after = set_condition(before, Condition(kind, status, reason, message, text_of(now)))
        if set(after) == set(before):
            return body
        changes = {"conditions": [condition.to_json() for condition in after]}
        body = await cluster.patch_status(self.api, body, changes, name[0])
        self.jobs[name[0]].put(body)
        return body

    # --- when ---------------------------------------------------------------------------------------------------------

    def _later(self, name: DueKey, seconds: float) -> None:
        self.jobs[name[0]].due.put(name, datetime.now(UTC) + timedelta(seconds=seconds))
