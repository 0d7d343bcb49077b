import threading
from collections.abc import Callable

from ci_client.errors import CiError
from ci_client.models import Job

LOOK_SECONDS = 2.0


class RunWatch:
    """Looks whether a job runs, every two seconds until it does or `close`, in a thread.

    For jobs that print nothing: a stream tells of places in the queue and of what is printed, and not that a job
    has begun. Where the server cannot be asked, it is left at that.
    """

    def __init__(self, job_of: Callable[[str], Job]) -> None:
        self._job_of = job_of
        self._runs = threading.Event()
        self._closed = threading.Event()

    @property
    def runs(self) -> bool:
        return self._runs.is_set()

    def start(self, job_id: str) -> None:
        threading.Thread(target=self._look, args=(job_id,), daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def _look(self, job_id: str) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            try:
                job = self._job_of(job_id)
            # The latter where the client was closed meanwhile.
            except (CiError, RuntimeError):
                return
            if job.status != "queued":
                self._runs.set()
                return
