import socket

import pytest

from fleet.endpoint import Endpoint
from fleet.errors import FleetError
from fleet.services import GRAPH, METADATA


def test_port_0_becomes_a_free_port_for_each_service() -> None:
    graph, metadata = Endpoint.claim("127.0.0.1", {GRAPH: 0, METADATA: 0})
    with (
        socket.create_server(("127.0.0.1", graph.port)),
        socket.create_server(("127.0.0.1", metadata.port)),
    ):
        pass


def test_a_taken_port_is_refused_with_the_option_to_change() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            FleetError, match=rf"port {port} of 127.0.0.1: Address already in use.*--graph-port"
        ):
            Endpoint.claim("127.0.0.1", {GRAPH: port})


def test_one_port_for_two_services_is_refused_with_the_option_to_change() -> None:
    port = Endpoint.claim("127.0.0.1", {GRAPH: 0})[0].port
    with pytest.raises(FleetError, match=rf"metadata service cannot listen on port {port} .*--metadata-port"):
        Endpoint.claim("127.0.0.1", {GRAPH: port, METADATA: port})


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("fd00::1", "http://[fd00::1]:8000"),
    ],
)
def test_the_url_is_one_that_this_machine_reaches(host: str, url: str) -> None:
    assert Endpoint(GRAPH, host, 8000).url == url
