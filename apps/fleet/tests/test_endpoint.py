import socket

import pytest

from fleet.endpoint import Endpoint
from fleet.errors import FleetError
from fleet.services import GRAPH


def test_port_0_becomes_a_free_port() -> None:
    endpoint = Endpoint.claim(GRAPH, "127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", endpoint.port)):
        pass


def test_a_taken_port_is_refused_with_the_option_to_change() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            FleetError, match=rf"port {port} of 127.0.0.1: Address already in use.*--graph-port"
        ):
            Endpoint.claim(GRAPH, "127.0.0.1", port)


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
