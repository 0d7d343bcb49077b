import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from json import loads
from typing import Any

import httpx
from httpx_sse import EventSource, SSEError

from ci_client.backoff import Backoff
from ci_client.errors import CiError, ServerUnavailable, StrangeAnswer, StreamLost, SubmissionUncertain
from ci_client.transport import Transport, pause_before_another

Event = dict[str, Any]
"""`{"type": "job_id", "job_id"}`, `{"type": "queued", "position"}`, `{"type": "log", "data"}` or, at the end,
`{"type": "complete", "success", "status", "reason", "exit_code"}`."""
OnPause = Callable[[CiError, float], object]
Opening = Callable[[], AbstractContextManager[httpx.Response]]

LAST = "complete"
TRIES = 12
"""In vain and in a row, which takes about two minutes."""
SILENCE_SECONDS = 50.0
"""The server says something every fifteen."""
LONG_SECONDS = 5.0
"""A connection that lived so long was worth making."""
_TIMEOUT = httpx.Timeout(30, read=SILENCE_SECONDS)


class EventStream:
    """The events of a job; connects again where it was cut off, and goes on with the byte that is next.

    Iterating again after a break goes on, too. `submitting` opens the answer to a submission, whose job is not
    known yet. `on_pause` is told why, and for how many seconds, it waits before it connects again.
    Raises StreamLost after too many tries in a row, SubmissionUncertain, and CiError.
    """

    def __init__(
        self,
        transport: Transport,
        job_id: str | None = None,
        *,
        submitting: Opening | None = None,
        from_beginning: bool = True,
        last_event_id: str | None = None,
        on_pause: OnPause | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.job_id = job_id
        self.last_event_id = last_event_id
        self._transport = transport
        self._submitting = submitting
        self._from_beginning = from_beginning
        self._on_pause = on_pause
        self._clock = clock
        self._backoff = Backoff(TRIES)

    def __iter__(self) -> Iterator[Event]:
        while True:
            try:
                for event in self._connection():
                    yield event
                    if event["type"] == LAST:
                        return
                raise ServerUnavailable(f"The CI server at {self._transport.server} ended the stream early.")
            except CiError as error:
                pause = pause_before_another(error, self._backoff, repeatable=self.job_id is not None)
                if pause is None:
                    raise self._given_up(error) from error
                if self._on_pause:
                    self._on_pause(error, pause)
            self._transport.sleep(pause)

    def _connection(self) -> Generator[Event]:
        """The events of one connection, to where it breaks off."""
        with self._opened() as response:
            since = self._clock()
            try:
                yield from self._events(response)
            finally:
                if self._clock() - since >= LONG_SECONDS:
                    self._backoff.succeeded()

    def _opened(self) -> AbstractContextManager[httpx.Response]:
        if self.job_id is None:
            assert self._submitting is not None  # noqa: S101  # one of the two is given
            return self._submitting()
        resume = {"Last-Event-ID": self.last_event_id} if self.last_event_id else {}
        return self._transport.open(
            "GET",
            f"/jobs/{self.job_id}/stream",
            params={"from_beginning": "true" if self._from_beginning else "false"},
            headers={"Accept": "text/event-stream", **resume},
            timeout=_TIMEOUT,
        )

    def _events(self, response: httpx.Response) -> Generator[Event]:
        try:
            for told in EventSource(response).iter_sse():
                # Comments come as events without data.
                if told.data:
                    event = _event(told.data)
                    self._note(event, told.id)
                    yield event
        except SSEError:
            raise StrangeAnswer(
                f"What {self._transport.server} answers is no stream of events; check CI_SERVER_URL."
            ) from None

    def _note(self, event: Event, event_id: str) -> None:
        if event["type"] == "job_id":
            self.job_id = str(event["job_id"])
        if event_id and event_id != self.last_event_id:
            self.last_event_id = event_id
            self._backoff.succeeded()

    def _given_up(self, error: CiError) -> CiError:
        if not isinstance(error, ServerUnavailable):
            return error
        if self.job_id is not None:
            return StreamLost(
                f"{error} The job {self.job_id} goes on: `ci wait {self.job_id}` follows it.", self.job_id
            )
        return uncertain(error) if error.uncertain else error


def uncertain(error: ServerUnavailable) -> SubmissionUncertain:
    return SubmissionUncertain(
        f"{error} Whether it has the job is not known: see `ci list` before you submit it again."
    )


def _event(data: str) -> Event:
    try:
        event = loads(data)
    except ValueError:
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise StrangeAnswer("The CI server sent an event that is none; check that it is of this version.")
    return event
