from prometheus_client import Counter, Gauge, Histogram

from dependency_graph.domain.sync_run import RunStatus

_runs_total = Counter("sync_runs_total", "Runs of the sources that ended", ["source", "status"])
_run_seconds = Histogram(
    "sync_run_duration_seconds",
    "Time that a run of a source took",
    ["source"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600),
)
schedule_leader = Gauge(
    "schedule_leader", "Whether this service runs the schedule, 1 or 0", multiprocess_mode="livemax"
)


def count_run(source: str, status: RunStatus, seconds: float) -> None:
    _runs_total.labels(source, status).inc()
    _run_seconds.labels(source).observe(seconds)
