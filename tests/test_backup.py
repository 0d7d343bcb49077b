"""A backup that is restored below a running service: it has what it had, and comes back by itself."""

import subprocess
from collections.abc import Callable, Generator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from ci_storage import PASSED
from factories import body
from running_service import API, INGEST, UNLIMITED, RunningService, make_key_with_limits, until

from ci_server.storage.migrating import migrate as migrate_jobs
from dependency_graph.infrastructure.migrating import migrate
from embedded_services.postgres_installation import postgres_program

INSERT_JOB = f"""
INSERT INTO ci.jobs (job_id, user_name, submitted_time, latest, timeout, memory, cpus, priority, network,
                     artifacts, env)
VALUES ('{"a" * 32}', 'ann', now(), 1, 600, 1, 1, 0, false, '[]', '{{}}');
INSERT INTO ci.attempts (job_id, number, status, success, queued_time, started)
VALUES ('{"a" * 32}', 1, '{PASSED.status.value}', true, now(), true);
"""


def _postgres(program: str, *arguments: str | Path) -> str:
    command = [postgres_program(program), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def _rows(url: str) -> list[str]:
    """All data of the database; the lines that differ from dump to dump are left out."""
    lines = _postgres("pg_dump", "--data-only", url).splitlines()
    return [line for line in lines if not line.startswith(("\\restrict", "\\unrestrict"))]


@pytest.fixture
def database_url(create_database: Callable[[], str], drop_database: Callable[[str], None]) -> Generator[str]:
    url = create_database()
    migrate(url)
    migrate_jobs(url)
    _postgres("psql", "-Xqc", INSERT_JOB, url)
    yield url
    drop_database(url)


def _lose(url: str) -> None:
    name = urlsplit(url).path.removeprefix("/")
    server = urlsplit(url)._replace(path="/postgres").geturl()
    _postgres("psql", "-Xqc", f'DROP DATABASE "{name}" WITH (FORCE)', server)
    _postgres("psql", "-Xqc", f'CREATE DATABASE "{name}"', server)


def _told(client: httpx.Client) -> object:
    return client.get(f"{API}/services/a/dependencies?direction=downstream").raise_for_status().json()


def test_after_a_restore_graph_keys_and_jobs_are_what_they_were_and_the_service_goes_on(
    database_url: str, tmp_path: Path
) -> None:
    key = make_key_with_limits(database_url, query=UNLIMITED, ingestion=UNLIMITED)
    backup = tmp_path / "fleet.dump"
    with (
        RunningService(tmp_path, DATABASE_URL=database_url, API_WORKERS="1") as service,
        httpx.Client(base_url=service.url, headers={"X-API-Key": key}, timeout=60, trust_env=False) as client,
    ):
        client.post(INGEST, json=body("ab", "bc")).raise_for_status()
        told = _told(client)
        _postgres("pg_dump", "--format=custom", f"--file={backup}", database_url)
        client.post(INGEST, json=body("ad")).raise_for_status()
        _lose(database_url)
        until(lambda: not service.is_ready())
        _postgres("pg_restore", "--exit-on-error", f"--dbname={database_url}", backup)
        until(service.is_ready)
        assert _told(client) == told
        assert client.post(INGEST, json=body("ae")).json()["generation"] == 2


def test_a_restored_database_has_every_row_of_the_one_that_was_saved(
    database_url: str,
    create_database: Callable[[], str],
    drop_database: Callable[[str], None],
    tmp_path: Path,
) -> None:
    backup = tmp_path / "fleet.dump"
    _postgres("pg_dump", "--format=custom", f"--file={backup}", database_url)
    fresh = create_database()
    _postgres("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={fresh}", backup)
    assert f"{'a' * 32}\tann" in "\n".join(_rows(fresh))
    assert _rows(fresh) == _rows(database_url)
    drop_database(fresh)
