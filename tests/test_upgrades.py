"""An upgrade with two versions at work at once: the database first, then one replica after the other."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from signal import SIGTERM

import asyncpg
import httpx
import pytest
from alembic.script import Script, ScriptDirectory
from factories import body
from migration_rules import narrowing, says_so, statements_of
from running_service import API, INGEST, UNLIMITED, RunningService, make_key_with_limits, until

from dependency_graph.infrastructure.migrating import migrate

ROOT = Path(__file__).parents[1]
REVISIONS: dict[str, Script] = {
    f"{folder.parent.name}-{script.revision}": script
    for folder in sorted(ROOT.glob("*/*/src/**/migrations"))
    for script in ScriptDirectory(str(folder)).walk_revisions()
}


@pytest.mark.parametrize("revision", sorted(REVISIONS))
def test_a_migration_leaves_the_release_before_at_work_or_says_that_it_contracts(revision: str) -> None:
    module = REVISIONS[revision].module
    assert says_so(module.__doc__) or narrowing(statements_of(module.upgrade)) == []


def test_the_migrations_of_every_schema_are_looked_at() -> None:
    assert {name.rpartition("-")[0] for name in REVISIONS} == {"api_access", "dependency_graph", "storage"}


@pytest.mark.parametrize(
    ("statement", "is_narrowing"),
    [
        ("CREATE TABLE graph.notes (id uuid PRIMARY KEY, text text NOT NULL)", False),
        ("CREATE UNIQUE INDEX notes_text ON graph.notes (text)", False),
        ("DROP INDEX graph.notes_text", False),
        ("ALTER TABLE graph.notes ADD COLUMN at timestamptz NOT NULL DEFAULT now()", False),
        ("ALTER TABLE graph.notes ADD COLUMN at timestamptz", False),
        ("ALTER TABLE graph.notes ALTER COLUMN at SET DEFAULT now()", False),
        ("ALTER TABLE graph.notes ADD COLUMN at timestamptz NOT NULL", True),
        ("ALTER TABLE graph.notes DROP COLUMN at", True),
        ("ALTER TABLE graph.notes ALTER COLUMN at SET NOT NULL", True),
        ("ALTER TABLE graph.notes ALTER COLUMN at TYPE date", True),
        ("ALTER TABLE graph.notes RENAME TO notices", True),
        ("ALTER TABLE graph.notes ADD CONSTRAINT short CHECK (length(text) < 9)", True),
        ("drop table graph.notes", True),
        ("UPDATE graph.notes SET text = ''", True),
    ],
)
def test_what_the_release_before_would_not_survive_is_told_from_what_it_would(
    statement: str, is_narrowing: bool
) -> None:
    assert (narrowing([statement]) == [statement]) is is_narrowing


@pytest.mark.parametrize(
    ("docstring", "says"),
    [("Contract: drops what 0004 left unused.", True), ("Adds notes.", False), (None, False)],
)
def test_a_contracting_migration_is_told_by_its_docstring(docstring: str | None, says: bool) -> None:
    assert says_so(docstring) is says


@pytest.fixture
def database_url(create_database: Callable[[], str], drop_database: Callable[[str], None]) -> Generator[str]:
    url = create_database()
    migrate(url)
    yield url
    drop_database(url)


@pytest.fixture
def replicas(database_url: str, tmp_path: Path) -> Generator[list[RunningService]]:
    settings = {"DATABASE_URL": database_url, "API_WORKERS": "1"}

    def start(_number: int) -> RunningService:
        return RunningService(tmp_path, **settings)

    with ThreadPoolExecutor() as threads, ExitStack() as stack:
        yield [stack.enter_context(replica) for replica in threads.map(start, range(2))]


class Load:
    """Clients that write and read all the time, at whichever of `serving` is next, as a load balancer has it."""

    def __init__(self, serving: list[RunningService], key: str) -> None:
        self.serving = serving
        self.answers: Counter[int] = Counter()
        self.leaders: set[int] = set()
        self._key = key

    async def client(self, name: str) -> None:
        async with httpx.AsyncClient(headers={"X-API-Key": self._key}, timeout=60, trust_env=False) as client:
            while True:
                url = self.serving[sum(self.answers.values()) % len(self.serving)].url
                written = body((name, f"{name}-{self.answers.total() % 20}"))
                self.answers[(await client.post(f"{url}{INGEST}", json=written)).status_code] += 1
                self.answers[(await client.get(f"{url}{API}/services")).status_code] += 1

    async def go_on(self, requests: int = 20) -> None:
        """Until so many more requests are answered."""
        enough = self.answers.total() + requests
        async with asyncio.timeout(60):
            while self.answers.total() < enough:
                await asyncio.sleep(0.01)
        self.leaders.add(await asyncio.to_thread(lambda: sum(map(_leads, self.serving))))


def _leads(service: RunningService) -> bool:
    metrics = httpx.get(f"{service.url}/metrics", trust_env=False, timeout=60, verify=False).text
    return re.search(r"^schedule_leader 1\.0$", metrics, re.MULTILINE) is not None


@asynccontextmanager
async def under_load(serving: list[RunningService], key: str) -> AsyncGenerator[Load]:
    """A client that fails to get an answer at all fails the test when the load ends."""
    load = Load(list(serving), key)
    clients = [asyncio.create_task(load.client(f"client-{number}")) for number in range(2)]
    await load.go_on()
    yield load
    await load.go_on()
    for client in clients:
        client.cancel()
    ended = await asyncio.gather(*clients, return_exceptions=True)
    assert [error for error in ended if not isinstance(error, asyncio.CancelledError)] == []


async def _is_of_a_newer_release(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    for schema in ("graph", "access"):
        await connection.execute(f"UPDATE {schema}.alembic_version SET version_num = '9999'")
    await connection.close()


def _restart(replica: RunningService) -> None:
    replica.signal(SIGTERM)
    assert replica.exit_code() == 0
    replica.start()


async def test_no_request_is_lost_while_the_database_is_migrated_and_each_replica_replaced(
    replicas: list[RunningService], database_url: str
) -> None:
    key = await asyncio.to_thread(make_key_with_limits, database_url, query=UNLIMITED, ingestion=UNLIMITED)
    async with under_load(replicas, key) as load:
        for _ in range(2):
            await asyncio.to_thread(migrate, database_url)
        await _is_of_a_newer_release(database_url)
        for replica in replicas:
            load.serving.remove(replica)
            await load.go_on()
            await asyncio.to_thread(_restart, replica)
            load.serving.append(replica)
            await load.go_on()
    assert load.answers.keys() == {200, 202}
    assert max(load.leaders) <= 1
    await asyncio.to_thread(until, lambda: sum(map(_leads, replicas)) == 1)


def test_the_release_before_can_be_put_back_on_a_database_that_a_newer_one_has_migrated(
    database_url: str,
) -> None:
    asyncio.run(_is_of_a_newer_release(database_url))
    migrate(database_url)
