"""A small CI server on loopback that runs nothing: jobs print and end as a test says, and answers break off."""

import json
import re
import socket
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "fleet_tests_secret"
NEVER = 10**9
WITHIN_SECONDS = 30
ENDED = ("completed", "failed", "cancelled")


class Waits(list[float]):
    """Instead of a sleep: notes the seconds, and returns at once."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@dataclass
class SmallJob:
    """`logs` has the text of each attempt."""

    job_id: str
    form: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])
    zip: bytes = b""
    status: str = "queued"
    success: bool | None = None
    reason: str | None = None
    attempt: int = 1
    logs: list[str] = field(default_factory=lambda: [""])
    position: int | None = None
    results: dict[str, Any] | None = None
    artifacts: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def told(self) -> dict[str, Any]:
        first = {name: values[0] for name, values in self.form.items()}
        return {
            "job_id": self.job_id,
            "status": self.status,
            "success": self.success,
            "start_time": None,
            "end_time": None,
            "queued_time": "2026-01-02T03:04:05+00:00",
            "exit_code": None if self.success is None else int(not self.success),
            "reason": self.reason,
            "attempt": self.attempt,
            "priority": 0,
            "command": first.get("command"),
            "branch": first.get("branch"),
            "commit": first.get("commit"),
            "results": self.results,
        }

    def last_event(self) -> dict[str, Any]:
        return {
            "type": "complete",
            "success": bool(self.success),
            "status": self.status,
            "reason": self.reason,
            "exit_code": None,
        }


class SmallCiServer:
    """Listens at `url` within its context.

    `refusals` are the next answers instead of those that are due: `(status, problem or text, headers)`.
    `cuts`: after how many bytes of their bodies the next streams and logs are cut off. `asked` counts
    requests as `GET /jobs`; `requests` has their targets and headers. `on_submit` is called with each new job.
    `streaming`: how many streams have begun.
    """

    def __init__(self) -> None:
        self.jobs = dict[str, SmallJob]()
        self.refusals = deque[tuple[int, dict[str, Any] | str, dict[str, str]]]()
        self.cuts = deque[int]()
        self.piece = 7
        self.drop_answers_to_submissions = 0
        self.asked = Counter[str]()
        self.requests = list[tuple[str, Mapping[str, str]]]()
        self.on_submit: Callable[[SmallJob], object] = lambda _job: None
        self.changed = threading.Condition(threading.RLock())
        self.streaming = 0
        self.stopping = False
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.ci = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stopping = True
        with self.changed:
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def add(self, job_id: str | None = None, **fields: Any) -> SmallJob:
        """A job, ended or not, as `fields` say; `log` is its text."""
        log = fields.pop("log", "")
        job = SmallJob(job_id or uuid.uuid4().hex, logs=[log], **fields)
        self.jobs[job.job_id] = job
        return job

    def print_and_end(self, job: SmallJob, text: str = "", *, success: bool = True, **fields: Any) -> None:
        """Have the job print that, and complete."""
        with self.changed:
            job.logs[-1] += text
            self.change(job, **{"status": "completed", "success": success, **fields})

    def print(self, job: SmallJob, text: str) -> None:
        with self.changed:
            job.logs[-1] += text
            self.change(job, status="running")

    def change(self, job: SmallJob, **fields: Any) -> None:
        with self.changed:
            for name, value in fields.items():
                setattr(job, name, value)
            self.changed.notify_all()

    def wait_for(self, holds: Callable[[], Any]) -> None:
        """Until it holds, which is looked at when something was asked or changed."""
        with self.changed:
            assert self.changed.wait_for(holds, WITHIN_SECONDS), self.asked

    def note(self, method: str, target: str, headers: Mapping[str, str]) -> None:
        with self.changed:
            path = re.sub(r"[0-9a-f]{32}", "ID", urlsplit(target).path)
            self.asked[f"{method} {path}"] += 1
            self.requests.append((target, headers))
            self.changed.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    ci: SmallCiServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as its class has it
        """Says nothing."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        ci = self.server.ci
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        ci.note(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if ci.refusals:
            self._refuse(*ci.refusals.popleft())
        elif self.headers.get("X-API-Key") != KEY:
            self._refuse(401, {"status": 401, "title": "No API key", "detail": "Send an API key."}, {})
        elif self.command == "POST" and parts.path in {"/submit-async", "/submit-stream"}:
            self._submit(parts.path, body)
        elif parts.path == "/jobs":
            self._list(query)
        else:
            self._of_job([unquote(part) for part in parts.path.split("/")[2:]], query)

    def _of_job(self, path: list[str], query: Mapping[str, str]) -> None:
        ci = self.server.ci
        job = ci.jobs.get(path[0])
        if job is None:
            self._problem(404, f"There is no job {path[0]!r} of yours.")
            return
        match (self.command, path[1:]):
            case ("GET", []):
                self._json(job.told())
            case ("DELETE", []):
                self._cancel(job, query)
            case ("POST", ["retry"]):
                self._retry(job)
            case ("GET", ["stream"]):
                self._stream(job, query)
            case ("GET", ["logs"]):
                self._log(job, int(query.get("attempt", job.attempt)))
            case ("GET", ["artifacts"]):
                sizes = [
                    {"path": path, "size": len(data), "media_type": "text/plain"}
                    for path, data in job.artifacts.items()
                ]
                self._json(sizes)
            case ("GET", ["artifacts", *names]):
                self._send(200, job.artifacts["/".join(names)], "application/octet-stream", {})
            case _:
                self._problem(404, "There is no such route.")

    def _submit(self, path: str, body: bytes) -> None:
        ci = self.server.ci
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        form, zipped = dict[str, list[str]](), b""
        parts: Any = message_from_bytes(head + body, policy=HTTP)
        for part in parts.iter_parts():
            name, content = (
                part.get_param("name", header="content-disposition"),
                part.get_payload(decode=True),
            )
            if name == "file":
                zipped = content
            else:
                form.setdefault(name, []).append(content.decode())
        job = ci.add(form=form, zip=zipped)
        ci.on_submit(job)
        if ci.drop_answers_to_submissions:
            ci.drop_answers_to_submissions -= 1
            self._hang_up()
        elif path == "/submit-async":
            self._json({"job_id": job.job_id})
        else:
            first = {"type": "job_id", "job_id": job.job_id}
            self._events(iter([_event(first, 0)]), self._events_of(job, 0))

    def _list(self, query: Mapping[str, str]) -> None:
        limit, start = int(query.get("limit", 100)), int(query.get("cursor", 0))
        wanted = [job for job in reversed(self.server.ci.jobs.values()) if _fits(job, query)]
        more = {**query, "cursor": str(start + limit)}
        after = "&".join(f"{name}={value}" for name, value in more.items())
        link = {"Link": f'<http://elsewhere.invalid/jobs?{after}>; rel="next"'}
        page = wanted[start : start + limit]
        self._json([job.told() for job in page], headers=link if len(wanted) > start + limit else {})

    def _cancel(self, job: SmallJob, query: Mapping[str, str]) -> None:
        if job.status in ENDED:
            self._problem(409, f"The job {job.job_id!r} is {job.status} and cannot be cancelled.")
            return
        self.server.ci.change(job, status="cancelled", success=False, reason=query.get("why"))
        self._json(job.told())

    def _retry(self, job: SmallJob) -> None:
        if job.status not in ENDED:
            self._problem(409, f"The job {job.job_id!r} is {job.status}; wait for its end before a retry.")
            return
        with self.server.ci.changed:
            job.logs.append("")
            self.server.ci.change(job, status="queued", success=None, attempt=job.attempt + 1)
            self.server.ci.on_submit(job)
        self._json(job.told())

    def _log(self, job: SmallJob, attempt: int) -> None:
        log = job.logs[attempt - 1].encode()
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        if found and start >= len(log):
            self._problem(416, "There is nothing there.")
            return
        self._send(206 if found else 200, log[start:], "text/plain; charset=utf-8", {}, cut=self._cut())

    def _stream(self, job: SmallJob, query: Mapping[str, str]) -> None:
        if resume := self.headers.get("Last-Event-ID"):
            start = int(resume)
        elif query.get("from_beginning") == "true":
            start = (job.attempt - 1) << 48
        else:
            start = (job.attempt - 1) << 48 | len(job.logs[-1].encode())
        with self.server.ci.changed:
            self.server.ci.streaming += 1
            self.server.ci.changed.notify_all()
        self._events(self._events_of(job, start))

    def _events_of(self, job: SmallJob, event_id: int) -> Iterator[bytes]:
        """From that id on; as many characters as the server's `piece` has to each event."""
        ci = self.server.ci
        number, offset = (event_id >> 48) + 1, event_id & (2**48 - 1)
        log, position = job.logs, None
        while not ci.stopping:
            text = log[number - 1].encode()[offset:].decode()
            for piece in (text[at : at + ci.piece] for at in range(0, len(text), ci.piece)):
                offset += len(piece.encode())
                yield _event({"type": "log", "data": piece}, (number - 1) << 48 | offset)
            with ci.changed:
                if offset < len(log[number - 1].encode()):
                    continue
                has_ended = job.status in ENDED or job.attempt != number
                has_moved = job.status == "queued" and job.position != position
                position = job.position
                if not has_ended and not has_moved:
                    ci.changed.wait(WITHIN_SECONDS)
                    continue
            if has_ended:
                yield b": ping\n\n"
                yield _event(job.last_event(), (number - 1) << 48 | offset)
                return
            yield _event({"type": "queued", "position": position}, (number - 1) << 48)

    def _events(self, *events: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        left = self._cut()
        if not left:
            self._hang_up()
            return
        for data in (data for some in events for data in some):
            kept = data[:left]
            self.wfile.write(f"{len(kept):x}\r\n".encode() + kept + b"\r\n" if kept else b"")
            left -= len(kept)
            if left <= 0:
                self._hang_up()
                return
        self.wfile.write(b"0\r\n\r\n")

    def _cut(self) -> int:
        return self.server.ci.cuts.popleft() if self.server.ci.cuts else NEVER

    def _problem(self, status: int, detail: str) -> None:
        self._refuse(status, {"status": status, "title": "Not possible", "detail": detail}, {})

    def _refuse(self, status: int, told: dict[str, Any] | str, headers: dict[str, str]) -> None:
        if isinstance(told, dict):
            self._send(status, json.dumps(told).encode(), "application/problem+json", headers)
        else:
            self._send(status, told.encode(), "text/html", headers)

    def _json(self, told: Any, headers: Mapping[str, str] | None = None) -> None:
        self._send(200, json.dumps(told).encode(), "application/json", headers or {})

    def _send(
        self, status: int, body: bytes, media_type: str, headers: Mapping[str, str], cut: int = NEVER
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": media_type, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut < len(body):
            self._hang_up()

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


def _event(told: Mapping[str, Any], event_id: int) -> bytes:
    return f"data: {json.dumps(told, ensure_ascii=False)}\nid: {event_id}\n\n".encode()


def _fits(job: SmallJob, query: Mapping[str, str]) -> bool:
    told = job.told()
    searched = [told[name] or "" for name in ("command", "branch", "commit")]
    q = query.get("q")
    return (
        all(str(told[name]).lower() == query[name].lower() for name in ("status", "success") if name in query)
        and ("branch" not in query or told["branch"] == query["branch"])
        and (q is None or job.job_id.startswith(q) or any(q in text for text in searched))
    )
