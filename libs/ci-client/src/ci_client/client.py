import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from ci_client import answers
from ci_client.backoff import Backoff
from ci_client.downloads import place_in, written
from ci_client.errors import CiError, Refused, ServerUnavailable, StrangeAnswer
from ci_client.event_stream import EventStream, OnPause, uncertain
from ci_client.models import Artifact, Job
from ci_client.settings import connection
from ci_client.submission import Submission
from ci_client.transport import TRIES, Sleep, Transport, pause_before_another
from ci_client.upload import OnBytes, submitting

PAGE = 100
_PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 206, 416


class CiClient:
    """Submits to a CI server, and tells of its jobs; blocks.

    `server_url` and `api_key` are else those of the settings (`ci_client.settings.connection`). What does no
    harm when it is done twice is asked again, four times in all, when the server is away or wants to be left
    for a while. All methods raise CiError. A context manager; or call `close` at the end.
    """

    def __init__(
        self,
        server_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_seconds: float = 30,
        sleep: Sleep = time.sleep,
    ) -> None:
        at = connection(server_url, api_key)
        self._transport = Transport(at.server_url, at.api_key, timeout_seconds, sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def submit(self, project: Path, submission: Submission, on_bytes: OnBytes | None = None) -> str:
        """The id of a new job for the zip at `project`. Raises SubmissionUncertain, Refused."""

        def attempt() -> httpx.Response:
            with submitting(self._transport, "/submit-async", project, submission, on_bytes) as response:
                response.read()
                return response

        try:
            response = self._transport.repeated(attempt, repeatable=False)
        except ServerUnavailable as error:
            raise uncertain(error) if error.uncertain else error from error
        job_id = answers.read(response, answers.JOB_ID).get("job_id")
        if not isinstance(job_id, str):
            raise StrangeAnswer("The CI server took the project and named no job; check CI_SERVER_URL.")
        return job_id

    def submit_streaming(
        self,
        project: Path,
        submission: Submission,
        on_bytes: OnBytes | None = None,
        on_pause: OnPause | None = None,
    ) -> EventStream:
        """The events of a new job for the zip at `project`; the first is `job_id`. It is submitted by iterating."""
        opening = partial(submitting, self._transport, "/submit-stream", project, submission, on_bytes)
        return EventStream(self._transport, submitting=opening, on_pause=on_pause)

    def stream(
        self,
        job_id: str,
        *,
        from_beginning: bool = True,
        last_event_id: str | None = None,
        on_pause: OnPause | None = None,
    ) -> EventStream:
        """The events of a job, from the beginning of its log, from now on, or after an event."""
        return EventStream(
            self._transport,
            job_id,
            from_beginning=from_beginning,
            last_event_id=last_event_id,
            on_pause=on_pause,
        )

    def job(self, job_id: str) -> Job:
        """Raises NotFound."""
        return answers.read(self._transport.ask("GET", answers.job_path(job_id)), answers.JOB)

    def jobs(
        self,
        status: str | None = None,
        *,
        success: bool | None = None,
        q: str | None = None,
        branch: str | None = None,
        page: int = PAGE,
    ) -> Iterator[Job]:
        """All jobs that are so, the newest first, fetched in pages. `q` as the server has it."""
        query: dict[str, str | int] | None = answers.filters(status, success, q, branch, page)
        while query is not None:
            response = self._transport.ask("GET", "/jobs", query)
            yield from answers.read(response, answers.JOBS)
            following = response.links.get("next", {}).get("url")
            # Whatever host it names: the key is for this one.
            query = dict(httpx.URL(following).params) if following else None

    def cancel(self, job_id: str, why: str | None = None) -> Job:
        """The job, which may take some seconds to stop. Raises NotFound, Refused where it has ended."""
        query = {"why": why} if why else None
        response = self._transport.ask("DELETE", answers.job_path(job_id), query, repeatable=False)
        return answers.read(response, answers.JOB)

    def retry(self, job_id: str) -> Job:
        """The job, with one more attempt. Raises NotFound, Refused where it has not ended."""
        self._transport.ask("POST", answers.job_path(job_id, "retry"), repeatable=False)
        return self.job(job_id)

    def log(self, job_id: str, attempt: int | None = None) -> Iterator[bytes]:
        """The log so far, of the latest attempt unless one is named, as it was printed. Raises NotFound.

        Where the connection breaks off it goes on with the byte that is next.
        """
        number = attempt or self.job(job_id).attempt
        done, backoff = 0, Backoff(TRIES)
        while True:
            try:
                for data in self._log_from(job_id, number, done):
                    done += len(data)
                    backoff.succeeded()
                    yield data
            except CiError as error:
                if done and isinstance(error, Refused) and error.status == _RANGE_NOT_SATISFIABLE:
                    return
                pause = pause_before_another(error, backoff, repeatable=True)
                if pause is None:
                    raise
            else:
                return
            self._transport.sleep(pause)

    def artifacts(self, job_id: str, attempt: int | None = None) -> Sequence[Artifact]:
        """What the job left. Raises NotFound."""
        query = {"attempt": attempt} if attempt else None
        response = self._transport.ask("GET", answers.job_path(job_id, "artifacts"), query)
        return answers.read(response, answers.ARTIFACTS)

    def download(self, job_id: str, path: str, folder: Path, attempt: int | None = None) -> Path:
        """Where the artifact at `path` is below `folder` now. Raises NotFound, StrangeAnswer for a path outside."""
        place = place_in(folder, path)
        query = {"attempt": attempt} if attempt else None

        def fetch() -> Path:
            address = answers.job_path(job_id, "artifacts", *path.split("/"))
            with self._transport.open("GET", address, params=query) as response:
                return written(place, response.iter_bytes())

        return self._transport.repeated(fetch, repeatable=True)

    def _log_from(self, job_id: str, attempt: int, start: int) -> Iterator[bytes]:
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._transport.open(
            "GET",
            answers.job_path(job_id, "logs"),
            params={"attempt": attempt},
            # Ranges are of what is stored, not of what is compressed on the way.
            headers={"Accept-Encoding": "identity", **headers},
        ) as response:
            skipped = 0 if response.status_code == _PARTIAL_CONTENT else start
            for data in response.iter_bytes():
                kept = data[skipped:]
                skipped = max(0, skipped - len(data))
                if kept:
                    yield kept
