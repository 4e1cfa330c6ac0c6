"""What a search's decisions need to be found out first: how packs ended, what an earlier search knows, who is gone.

Each is a few reads. Imports kube, the api and the other parts of the controller.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from steelyard.api.errors import ConfigurationError
from steelyard.contract.trial_report import TrialReport
from steelyard.controller.policies.endings import Broken, Done, Lost, ending_of
from steelyard.controller.runtime import cluster
from steelyard.controller.runtime.cache import Key
from steelyard.controller.tuning.cache import TuningCache
from steelyard.controller.tuning.facts import Child, Pack
from steelyard.controller.tuning.observation import PackEnding, SearchObservation
from steelyard.controller.tuning.warm_start import prior_lines
from steelyard.kube import Api, ApiError, ConnectionFailedError, Requester, path_of


@dataclass(frozen=True)
class Findings:
    """Finds things out."""

    cache: TuningCache
    api: Requester
    """For everything but logs: guarded and counted."""
    logs: Api
    """For logs."""

    async def endings(self, packs: Sequence[Pack]) -> dict[str, PackEnding]:
        """How packs ended, by their Jobs' uids."""
        return {pack.job.uid: await self._ending(pack) for pack in packs}

    async def _ending(self, pack: Pack) -> PackEnding:
        job = pack.job
        pods = await cluster.pods_of(self.api, job.namespace, job.name, job.stage, job.uid)
        match ending_of(job, pack.key, pods):
            case Done(result):
                return PackEnding(reports_in(result.summary.get("trials")))
            case Lost():
                return PackEnding({}, is_lost=True)
            case Broken() as defect:
                # What was answered before the crash is in the lines that it wrote.
                told = await asyncio.gather(*(self._told(job.namespace, pod.name) for pod in pods))
                return PackEnding({number: report for reports in told for number, report in reports.items()}, defect)

    async def _told(self, namespace: str, pod: str) -> dict[int, TrialReport]:
        """The reports in a pod's log; none where it can't be read, which is no error."""
        try:
            text = await self.logs.text(path_of("pods", namespace, pod, "log"), timeout=cluster.LOG_TIMEOUT_SECONDS)
        except (ApiError, ConnectionFailedError):
            return {}
        documents = []
        for line in text.splitlines():
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict) and event.get("event") == "trial":
                documents.append(event.get("trial"))
        return reports_in(documents)

    async def prior(self, seen: SearchObservation) -> SearchObservation:
        """The observation with the answers of the search that spec.warmStart names; or with why there are none."""
        warm_start = seen.spec.warm_start
        assert warm_start is not None
        try:
            other = await cluster.find(self.api, "tuningjobs", seen.context.namespace, warm_start.tuning_job)
            return replace(seen, prior_lines=prior_lines(seen.spec, warm_start.tuning_job, other))
        except ConfigurationError as error:
            return replace(seen, prior_lines=(), defect=Broken(error.reason, error.message))

    async def look_after(self, key: Key, uid: str) -> None:
        """Looks whether what runs is still there: a watch that was interrupted may have missed its end."""
        running = [child for child in self.cache.jobs.of(key, uid) if child.outcome == "Running"]
        packs = [pack for pack in self.cache.packs.of(key, uid) if pack.is_running]
        await asyncio.gather(*map(self._look_after_child, running), *map(self._look_after_pack, packs))

    async def _look_after_child(self, child: Child) -> None:
        found = await cluster.find(self.api, "trainingjobs", child.namespace, child.name)
        now = Child.of(found) if found is not None else None
        if now is None or now.uid != child.uid:
            self.cache.jobs.drop(child)
        if now is not None:
            self.cache.jobs.put(now)

    async def _look_after_pack(self, pack: Pack) -> None:
        found = await cluster.find(self.api, "jobs", pack.job.namespace, pack.job.name)
        now = Pack.of(found) if found is not None else None
        if now is None or now.job.uid != pack.job.uid:
            self.cache.packs.drop(pack)
        if now is not None:
            self.cache.packs.put(now)


def reports_in(documents: object) -> dict[int, TrialReport]:
    """The reports among JSON values, by number; what is none is passed over."""
    reports: dict[int, TrialReport] = {}
    for document in documents if isinstance(documents, list) else ():
        try:
            report = TrialReport.from_json(document)
        except ValueError:
            continue
        reports[report.number] = report
    return reports
