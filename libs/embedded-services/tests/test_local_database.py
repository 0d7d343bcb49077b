from collections.abc import Callable
from pathlib import Path

import pytest

from embedded_services import DataFolderInUse, EmbeddedPostgres, local_database
from embedded_services.postgres_installation import answers_query

STALE = "postgresql://postgres:gone@127.0.0.1:1/postgres"


def test_the_server_of_a_running_fleet_is_used(running: EmbeddedPostgres, tmp_path: Path) -> None:
    (tmp_path / "database-url").write_text(f"{running.url}\n")
    with local_database(tmp_path) as url:
        assert url == running.url
    assert answers_query(url)
    assert not (tmp_path / "postgres").exists()


def test_without_an_address_that_answers_a_server_runs_for_the_context(
    tmp_path: Path, query: Callable[[str, str], str]
) -> None:
    with local_database(tmp_path / "new") as url:
        query(url, "CREATE TABLE note AS SELECT 'kept' AS text")
        with local_database(tmp_path / "new") as shared:
            assert shared == url
    assert not answers_query(url)
    assert not (tmp_path / "new" / "database-url").exists()
    (tmp_path / "new" / "database-url").write_text(STALE)
    with local_database(tmp_path / "new") as url:
        assert query(url, "SELECT text FROM note") == "kept"


def test_a_fleet_that_is_about_to_start_is_named(running: EmbeddedPostgres) -> None:
    with (
        pytest.raises(DataFolderInUse, match="Stop that process"),
        local_database(running._folder.path.parent),
    ):
        pass


@pytest.mark.parametrize(
    "text", [STALE, "", "fleet", "--help", "postgresql://[half", "postgresql://a\x00b/c"]
)
def test_what_is_no_address_of_a_server_does_not_answer(text: str) -> None:
    assert not answers_query(text)
