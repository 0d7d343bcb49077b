"""compose/ci-role.sql: the CI server works as that role, and a job that comes by its password gets no further."""

import asyncio
import json
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from ci_api_factories import make_key, zipped
from ci_running_server import RunningServer, until
from ci_wheelhouse import installs_from, wheelhouse

from ci_server.storage.database import Database
from ci_server.storage.migrating import migrate as migrate_jobs
from dependency_graph.infrastructure.migrating import migrate as migrate_graph
from embedded_services.postgres_installation import postgres_program

FILE = Path(__file__).parents[1] / "compose" / "ci-role.sql"
PASSWORD = 'it\'s "secret" \\ $1'
PROJECT = zipped({"run.py": "print('hello')"})
OUT_OF_BOUNDS = [
    "INSERT INTO access.api_keys SELECT * FROM access.api_keys",
    "UPDATE access.api_keys SET scopes = '{admin}'",
    "UPDATE access.api_keys SET revoked_at = NULL",
    "DELETE FROM access.api_keys",
    "SELECT * FROM graph.edges",
    "UPDATE ci.alembic_version SET version_num = '9999'",
    "DROP TABLE ci.jobs",
    "CREATE TABLE ci.mine ()",
    "CREATE TABLE public.mine ()",
    "CREATE ROLE mine",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
]


def _psql(url: str, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [postgres_program("psql"), "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]
    return subprocess.run(
        [*command, "--set=ON_ERROR_STOP=1", url, *arguments],
        env={"CI_ROLE_PASSWORD": PASSWORD, "PGPASSWORD": PASSWORD},
        check=check,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def owner(create_database: Callable[[], str]) -> Generator[str]:
    """The URL of its owner; the role was made twice, as it is each time that compose starts."""
    url = create_database()
    migrate_graph(url)
    migrate_jobs(url)
    for _ in range(2):
        _psql(url, "--file", FILE)
    yield url
    _psql(url, "--command=DROP OWNED BY ci", "--command=DROP ROLE ci")


@pytest.fixture(scope="module")
def role(owner: str) -> str:
    """The URL of the role, without its password."""
    parts = urlsplit(owner)
    return parts._replace(netloc=f"ci@{parts.netloc.rpartition('@')[2]}").geturl()


async def _key(owner: str) -> dict[str, str]:
    database = Database(owner)
    try:
        return await make_key(database)
    finally:
        await database.close()


def test_the_ci_server_does_all_its_work_as_the_role(owner: str, role: str, tmp_path: Path) -> None:
    header = asyncio.run(_key(owner))
    given = {"CI_DATABASE_URL": role, "ACCESS_DATABASE_URL": role, "PGPASSWORD": PASSWORD}
    given |= installs_from(wheelhouse(tmp_path))
    with RunningServer(tmp_path, **given) as server, server.client(header) as client:
        fields = {"command": "python run.py"}
        streamed = client.post("/submit", files={"file": PROJECT}, data=fields).raise_for_status().text
        assert "hello" in streamed
        assert '"status": "completed"' in streamed
        assert len(client.get("/jobs").raise_for_status().json()) == 1
        until(
            lambda: (
                _psql(owner, "--command=SELECT last_used_at IS NOT NULL FROM access.api_keys").stdout == "t\n"
            )
        )
    assert [line for line in map(json.loads, server.log.splitlines()) if line["level"] != "info"] == []


@pytest.mark.parametrize("statement", OUT_OF_BOUNDS)
def test_the_role_gets_no_further(statement: str, role: str) -> None:
    refused = _psql(role, f"--command={statement}", check=False)
    assert refused.returncode != 0
    assert "permission denied" in refused.stderr or "must be owner" in refused.stderr, refused.stderr
