"""One leader among all processes, and what happens when it goes."""

import asyncio
import re
import signal
from collections.abc import AsyncGenerator, Callable, Generator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from running_service import RunningService, make_key_with_limits, until
from small_server import SmallServer, Told, small_server
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from api_access import asyncpg_url
from dependency_graph.infrastructure import leadership
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.leadership import Leadership

HAND_OVER_SECONDS = 30
PROCESSES = 3
_HANG_UP = text(
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1818583396"
)

_REFUSED = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'"
    " AND query LIKE 'SELECT pg_try_advisory_lock(1818583396,%' AND query_start > :moment"
)


class _Office:
    def __init__(self) -> None:
        self.held = False
        self.terms = 0

    def start(self) -> None:
        self.held = True
        self.terms += 1

    def stop(self) -> None:
        self.held = False


@pytest.fixture
async def stand(database: Database) -> AsyncGenerator[Callable[[], tuple[_Office, Leadership]]]:
    """Stands for election with an office that is new."""
    standing: list[Leadership] = []

    def start() -> tuple[_Office, Leadership]:
        office = _Office()
        standing.append(Leadership(database, office))
        standing[-1].start()
        return office, standing[-1]

    yield start
    for candidate in standing:
        await candidate.stop()


async def _eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(HAND_OVER_SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


async def test_one_leads_and_the_next_one_follows_a_stop(
    stand: Callable[[], tuple[_Office, Leadership]],
) -> None:
    first, leading = stand()
    await _eventually(lambda: first.held)
    second, _ = stand()
    await leading.stop()
    assert not first.held
    await _eventually(lambda: second.held)
    assert (first.terms, second.terms) == (1, 1)


async def test_who_loses_the_connection_steps_down_at_once_and_stands_again(
    stand: Callable[[], tuple[_Office, Leadership]],
    database: Database,
    patience: pytest.MonkeyPatch,
    skip_ahead: Callable[[float], None],
) -> None:
    # Who has to ask before it knows of the loss does not know of it for an hour.
    patience.setattr(leadership, "AGAIN_SECONDS", 3600.0)
    office, _ = stand()
    await _eventually(lambda: office.held)
    async with database.write() as connection:
        await connection.execute(_HANG_UP)
    await _eventually(lambda: not office.held)
    patience.setattr(leadership, "AGAIN_SECONDS", 2.0)
    skip_ahead(3600)
    await _eventually(lambda: office.terms == 2)
    assert office.held


@pytest.fixture
def prometheus() -> Generator[SmallServer]:
    """What is asked in the place of Prometheus: it refuses."""
    with small_server(lambda _asked: Told(b"", 503)) as server:
        yield server


@pytest.fixture
def pair(
    database_url: str, prometheus: SmallServer, tmp_path: Path
) -> Generator[tuple[RunningService, RunningService]]:
    """Two services on one database, one of them with two workers."""
    settings = {"DATABASE_URL": database_url, "PROMETHEUS_URL": prometheus.url}
    with (
        RunningService(tmp_path, **settings) as first,
        RunningService(tmp_path, **settings, API_WORKERS="1") as second,
    ):
        yield first, second


def _leads(service: RunningService) -> bool:
    metrics = httpx.get(f"{service.url}/metrics", trust_env=False, timeout=60).text
    return re.search(r"^schedule_leader(\{.*\})? 1\.0$", metrics, re.MULTILINE) is not None


def _leader_of(pair: tuple[RunningService, RunningService]) -> tuple[RunningService, RunningService]:
    """The leader and the other one."""
    until(lambda: any(_leads(service) for service in pair))
    first, second = pair
    return (first, second) if _leads(first) else (second, first)


def _ask(database_url: str, question: str, **told: Any) -> Any:
    async def ask() -> Any:
        engine = create_async_engine(asyncpg_url(database_url), poolclass=NullPool)
        async with engine.connect() as connection:
            return await connection.scalar(text(question), told)

    return asyncio.run(ask())


def _refused_since(moment: datetime, database_url: str) -> int:
    """How many processes have stood for election since then, in vain: whoever wins asks other things."""
    return _ask(database_url, _REFUSED, moment=moment)


def _has_failed(service: RunningService, key: str) -> bool:
    """Whether Prometheus was asked in vain."""
    answer = httpx.get(f"{service.url}/api/v1/sync", headers={"X-API-Key": key}, trust_env=False, timeout=60)
    [run] = [s["last_run"] for s in answer.json()["sources"] if s["source"] == "otel_service_graph"]
    return run is not None and run["status"] == "failed"


def test_one_of_all_processes_leads_and_another_one_takes_over_from_the_dead(
    pair: tuple[RunningService, RunningService], prometheus: SmallServer, database_url: str
) -> None:
    key = make_key_with_limits(database_url)
    leader, other = _leader_of(pair)
    assert not _leads(other)
    until(lambda: _has_failed(other, key))
    leader.kill()
    until(lambda: _leads(other), HAND_OVER_SECONDS)
    # The next try after a failure is due half a minute after it, whoever leads then.
    assert len(prometheus.asked) == 1
    leader.start()
    began = _ask(database_url, "SELECT now()")
    until(lambda: _refused_since(began, database_url) == PROCESSES - 1)
    assert (_leads(leader), _leads(other)) == (False, True)


def test_a_leader_that_is_stopped_hands_over_and_ends_well(
    pair: tuple[RunningService, RunningService],
) -> None:
    leader, other = _leader_of(pair)
    leader.signal(signal.SIGTERM)
    assert leader.exit_code() == 0
    until(lambda: _leads(other), HAND_OVER_SECONDS)
    assert "schedule_leader_stepped_down" in leader.log
    assert "Traceback" not in leader.log
