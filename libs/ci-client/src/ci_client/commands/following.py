import select
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import Literal, NoReturn

import typer

from ci_client.client import CiClient
from ci_client.commands.events import BackgroundEvents, Interrupts
from ci_client.commands.outcome import exit_code, job_of, told
from ci_client.commands.run_watch import RunWatch
from ci_client.commands.screen import Screen
from ci_client.errors import CiError, Refused
from ci_client.event_stream import LAST, Event, EventStream, OnPause
from ci_client.models import Job

INTERRUPTED = 130
_LOOK_SECONDS = 0.2
_QUESTION = "Cancel the job, or let it run? [c]ancel/[l]et it run/[g]o on: "

Answer = Literal["cancel", "let it run", "go on"]


class Following:
    """Shows the events of one job until its end, with or without its log; Ctrl-C asks what to do with it."""

    def __init__(self, client: CiClient, screen: Screen, *, with_log: bool = True) -> None:
        self._client = client
        self._screen = screen
        self._with_log = with_log
        self._running_since: float | None = None
        self._state = "submitting"
        self._watch = RunWatch(client.job)

    def follow(
        self, opened: Callable[[OnPause], EventStream], on_first: Callable[[], object] = lambda: None
    ) -> Job:
        """How the job ended. `on_first` is called once, when the server has the job. Raises CiError, typer.Exit."""
        with BackgroundEvents(opened) as events, Interrupts() as interrupts, closing(self._watch):
            first = events.stream.job_id is None
            if not first:
                self._begin("connected", events.stream.job_id)
            while True:
                if interrupts.pending:
                    self._interrupted(events.stream.job_id)
                    interrupts.answered()
                event = events.take()
                if first and isinstance(event, dict):
                    on_first()
                    first = False
                if isinstance(event, dict) and event["type"] == LAST:
                    return self._ended(events.stream.job_id or "", event)
                self._note(event)
                if self._watch.runs:
                    self._runs()
                if not first:
                    self._show_state()

    def _note(self, event: Event | tuple[CiError, float] | None) -> None:
        match event:
            case {"type": "log", "data": str(text)}:
                self._runs()
                if self._with_log:
                    self._screen.log(text)
            case {"type": "queued", "position": place}:
                self._state = f"queued, place {place}"
            case {"type": "job_id", "job_id": job_id}:
                self._begin("submitted", str(job_id))
                self._screen.say(f"Job {job_id}", "dim")
            case (CiError() as error, float(seconds)):
                self._screen.say(f"{error} Connecting again in {seconds:.1f} s.", "yellow")
            case _:
                pass

    def _begin(self, state: str, job_id: str | None) -> None:
        self._state = state
        if job_id and self._screen.has_state:
            self._watch.start(job_id)

    def _runs(self) -> None:
        self._running_since = self._running_since or time.monotonic()
        self._state = "running"

    def _show_state(self) -> None:
        since = self._running_since
        elapsed = f", {time.monotonic() - since:.0f} s" if since else ""
        self._screen.show(f"{self._state}{elapsed}")

    def _ended(self, job_id: str, event: Event) -> Job:
        try:
            job = self._client.job(job_id)
        except CiError:
            job = None
        # It may have been retried meanwhile.
        ended = job if job and job.has_ended else job_of(job_id, event)
        self._screen.say(*told(ended))
        return ended.model_copy(update={"success": bool(event.get("success"))})

    def _interrupted(self, job_id: str | None) -> None:
        """Returns where it is to go on. Raises typer.Exit otherwise."""
        try:
            answer = _asked(self._screen) if self._screen.asks and job_id else "let it run"
            if answer == "go on":
                return
            if answer == "cancel" and job_id:
                self._cancel(job_id)
            self._leave(job_id)
        except KeyboardInterrupt:
            self._leave(job_id)

    def _cancel(self, job_id: str) -> NoReturn:
        try:
            self._client.cancel(job_id, "Ctrl-C")
        except Refused as refused:
            self._screen.say(str(refused), "yellow")
        else:
            self._screen.say(f"The job {job_id} is being cancelled.", "yellow")
        raise typer.Exit(INTERRUPTED)

    def _leave(self, job_id: str | None) -> NoReturn:
        if job_id:
            self._screen.say(
                f"The job goes on: `ci wait {job_id}` follows it, `ci cancel {job_id}` cancels it.", "yellow"
            )
        else:
            self._screen.say(
                "Interrupted while submitting; `ci list` shows whether there is a job now.", "yellow"
            )
        raise typer.Exit(INTERRUPTED)


def leave_with(job: Job) -> NoReturn:
    """Exit as the tests of the job say."""
    raise typer.Exit(exit_code(job.success))


def _asked(screen: Screen) -> Answer:
    screen.say("")
    while True:
        screen.console.print(_QUESTION, end="")
        match _line().strip().lower()[:1] or "end":
            case "c":
                return "cancel"
            case "g":
                return "go on"
            case "l" | "end":
                return "let it run"
            case _:
                continue


def _line() -> str:
    """What is typed; a Ctrl-C that comes just before a read would be noticed after it only, so none waits long."""
    while not select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
        pass
    return sys.stdin.readline()
