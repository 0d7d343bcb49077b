"""What the tests of several parts share: forges at the wire, a client of agents, one that is dead."""

import signal
import socket
from collections.abc import AsyncGenerator, Generator

import pytest
import respx
from collected_git import Children
from fake_github import FakeGitHub
from fake_gitlab import FakeGitLab
from read_agents import TOKEN

from fleet_metadata.client import FleetClient


@pytest.fixture
def github_wire(github: FakeGitHub) -> Generator[None]:
    """The `github` of a test answers at api.github.com."""
    with respx.mock(assert_all_called=False) as mocked:
        mocked.route(host="api.github.com").mock(side_effect=github.on_the_wire)
        yield


@pytest.fixture
def gitlab_wire(gitlab: FakeGitLab) -> Generator[None]:
    """The `gitlab` of a test answers at gitlab.com."""
    with respx.mock(assert_all_called=False) as mocked:
        mocked.route(host="gitlab.com").mock(side_effect=gitlab.on_the_wire)
        yield


@pytest.fixture
async def client() -> AsyncGenerator[FleetClient]:
    async with FleetClient(TOKEN, timeout=5.0) as client:
        yield client


@pytest.fixture
def dead_url() -> str:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def children() -> Children:
    """Those of this process that a test starts."""
    return Children()


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> Generator[None]:
    """What runs in the background of a script ignores Ctrl-C, and so would the commands that tests start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
