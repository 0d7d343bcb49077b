from datetime import UTC, datetime

from prometheus_client import Counter, Gauge, Histogram

from ci_server.domain.job import Attempt

jobs_followed = Gauge("ci_jobs_followed", "Jobs that controllers follow", multiprocess_mode="livesum")
failures_total = Counter(
    "ci_controller_failures_total",
    "Failures that a controller survived: of its looks at the queue, of its sweeps, of following a job",
    ["part"],
)
_queued_seconds = Histogram(
    "ci_job_queued_seconds",
    "Time from the submission of a job until a controller took it",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300, 900, 3600),
)


def count_pick_up(attempt: Attempt) -> None:
    """Count an attempt that was taken just now."""
    if attempt.queued_time:
        _queued_seconds.observe((datetime.now(UTC) - attempt.queued_time).total_seconds())
