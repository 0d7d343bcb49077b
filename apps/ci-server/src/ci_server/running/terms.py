import socket
from dataclasses import dataclass, field

from ci_server.settings import Settings

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Terms:
    """How a controller works: where it is, how much it takes on, and when it loses patience."""

    max_jobs: int
    max_jobs_per_user: int | None
    max_log_bytes: int
    """More than this, as the run prints it, ends a run."""
    reconcile_seconds: float
    """Between two looks for what was missed."""
    sweep_seconds: float = 30.0
    """Between two looks for what was left in an engine that answers; else it is asked as often as the queue."""
    host: str = field(default_factory=socket.gethostname)
    """The machine, as other controllers see it in the rows of attempts."""
    grace_seconds: float = 10.0
    """From the request to end to the kill."""
    settle_seconds: float = 1.0
    """How long a run that is taken over, or whose time is over, may take to show that it has ended by itself."""
    overdue_seconds: float = 60.0
    """How long after its time nobody is waited for any more: an engine that is away, or another machine."""

    @classmethod
    def of(cls, settings: Settings) -> "Terms":
        """Those of CI_MAX_JOBS, CI_MAX_JOBS_PER_USER, CI_MAX_LOG_MB and CI_RECONCILE_INTERVAL."""
        return cls(
            max_jobs=settings.ci_max_jobs,
            max_jobs_per_user=settings.ci_max_jobs_per_user,
            max_log_bytes=settings.ci_max_log_mb * MB,
            reconcile_seconds=settings.ci_reconcile_interval,
        )
