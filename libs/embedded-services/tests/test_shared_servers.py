"""The fixtures of the repository's root, which the tests of all members use."""

import asyncio
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from embedded_services.postgres_installation import answers_query

CreateDatabase = Callable[..., str]
DropDatabase = Callable[[str], None]
Query = Callable[[str, str], str]


def test_a_database_can_be_created_copied_and_dropped(
    create_database: CreateDatabase, drop_database: DropDatabase, query: Query
) -> None:
    template = create_database()
    query(template, "CREATE TABLE note AS SELECT 'copied' AS text")
    copy = create_database(template)
    assert query(copy, "SELECT text FROM note") == "copied"
    assert query(create_database(), "SELECT count(*) FROM pg_tables WHERE tablename = 'note'") == "0"
    drop_database(template)
    assert not answers_query(template)
    assert answers_query(copy)


async def test_a_database_can_be_created_on_a_running_event_loop(create_database: CreateDatabase) -> None:
    assert await asyncio.to_thread(answers_query, create_database())


def test_the_cache_is_there(valkey_url: str) -> None:
    address = urlsplit(valkey_url)
    with socket.create_connection((address.hostname or "", address.port or 0), 30):
        assert address.scheme == "redis"
