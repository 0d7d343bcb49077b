from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from ci_server.domain.errors import StorageUnavailable
from ci_server.domain.job import Status
from ci_server.storage.job_store import JobStore


class QueueMetrics:
    """How many jobs wait and run, found out when it is asked; nothing while the database is away."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    async def collect(self) -> Iterable[Metric]:
        try:
            counts = await self._store.counts([Status.QUEUED, Status.RUNNING])
        except StorageUnavailable:
            return []
        jobs = GaugeMetricFamily("ci_jobs", "Jobs that have not ended", labels=["status"])
        for status in (Status.QUEUED, Status.RUNNING):
            jobs.add_metric([status], counts.get(status, 0))
        return [jobs]
