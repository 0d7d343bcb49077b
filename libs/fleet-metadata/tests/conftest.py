"""What the tests of several parts share: forges at the wire, a client of agents, one that is dead, and patience."""

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
from fleet_metadata.collection.board import Board

WITHIN_SECONDS = (
    "collectors.git.repository.CHECKOUT_WITHIN_SECONDS",
    "collectors.toolhive.toolhive_collector._DETAILS_SECONDS",
    "collectors.toolhive.toolhive_collector._SECONDS",
    "collectors.workspace.coder_tasks._PATIENCE_SECONDS",
    "collectors.workspace.resources.READ_WITHIN_SECONDS",
    "collectors.workspace.task_file.READ_WITHIN_SECONDS",
    "collectors.workspace.task_processes.READ_WITHIN_SECONDS",
)


@pytest.fixture(autouse=True)
def patience() -> Generator[pytest.MonkeyPatch]:
    """What has to be done within a second or two has half a minute: on a busy machine two may just pass.

    Call its `undo` for the real bounds.
    """
    with pytest.MonkeyPatch.context() as patience:
        for name in WITHIN_SECONDS:
            patience.setattr(f"fleet_metadata.{name}", 30.0)
        patience.setitem(Board.__init__.__kwdefaults__ or {}, "deadline_seconds", 30.0)
        yield patience


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
    async with FleetClient(TOKEN, timeout=30.0) as client:
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
