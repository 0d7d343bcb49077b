"""A small real HTTP server on loopback, that answers as a test has it answer."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Told:
    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class SmallServer:
    """`answer` is called for each request, in a thread of its own; `asked` are those that came."""

    def __init__(self, answer: Callable[[Asked], Told], url: str) -> None:
        self.answer = answer
        self.url = url
        self.asked: list[Asked] = []


@contextmanager
def small_server(answer: Callable[[Asked], Told]) -> Generator[SmallServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            form = dict(parse_qsl(self.rfile.read(length).decode()))
            asked = Asked(self.command, self.path, dict(self.headers), form)
            small.asked.append(asked)
            told = small.answer(asked)
            self.send_response(told.status)
            for name, value in {"Content-Length": str(len(told.body)), **told.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(told.body)
            except OSError:
                # The client has heard enough.
                self.close_connection = True

        do_POST = do_GET  # noqa: N815  # as the library has it

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the library has it
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    small = SmallServer(answer, f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield small
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
