import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fleet.endpoint import Endpoint
from fleet.errors import FleetError
from fleet.launcher import Launcher
from fleet.service_client import ServiceClient
from fleet.services import GRAPH
from fleet.supervisor import Supervisor


class Starting(HTTPServer):
    asked = 0


class StandIn(BaseHTTPRequestHandler):
    """A service that gets ready when it is asked a third time, and knows one key."""

    def do_GET(self) -> None:
        if self.path == GRAPH.ready_path:
            assert isinstance(self.server, Starting)
            self.server.asked += 1
            body = b"" if self.server.asked == 2 else b'"the schema is not up to date"'
            self.answer(200 if self.server.asked > 2 else 503, body)
        else:
            self.answer(200 if self.headers["Authorization"] == "Bearer good" else 401, b'"no such key"')

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def client() -> Generator[ServiceClient]:
    with Starting(("127.0.0.1", 0), StandIn) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with ServiceClient(Endpoint(GRAPH, "127.0.0.1", server.server_port)) as client:
            yield client
        server.shutdown()
        thread.join()


@pytest.fixture
def nobody() -> Generator[ServiceClient]:
    with ServiceClient(*Endpoint.claim("127.0.0.1", {GRAPH: 0})) as client:
        yield client


def test_a_service_says_what_keeps_it_from_working_until_nothing_does(client: ServiceClient) -> None:
    assert client.what_is_missing() == '"the schema is not up to date"'
    assert client.what_is_missing() == "status 503"
    assert not client.what_is_missing()


def test_waiting_ends_when_the_service_is_ready(client: ServiceClient, tmp_path: Path) -> None:
    Launcher(Supervisor(tmp_path), {}).wait_until_ready(client)


def test_waiting_ends_with_the_reason_when_time_is_up(nobody: ServiceClient, tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"graph is not ready after 0 s: .*refused"):
        Launcher(Supervisor(tmp_path), {}, ready_within=0).wait_until_ready(nobody)


@pytest.mark.parametrize(
    ("key", "accepted"), [("good", True), ("revoked", False), ("two\nlines", False), ("é", False)]
)
def test_a_key_is_accepted_only_if_it_is_good(client: ServiceClient, key: str, accepted: bool) -> None:
    assert client.accepts(key) is accepted


def test_an_error_is_told_in_the_words_of_the_service(client: ServiceClient) -> None:
    with pytest.raises(FleetError, match=r"graph answered GET /api/v1/x with 401: .no such key"):
        client.get("/api/v1/x")


def test_a_service_that_is_away_is_named(nobody: ServiceClient) -> None:
    with pytest.raises(FleetError, match=r"graph did not answer POST /x: .*refused"):
        nobody.post("/x", {})
