"""What asyncpg and the network raise, one by one, in the words of whoever asked."""

from typing import Any

import asyncpg
import pytest

from coldquery.connections.failures import HINTS, connecting, translated
from coldquery.errors import ColdQueryError, DatabaseAway, Refused, StatementFailed, TimedOut


def told(error: Exception) -> ColdQueryError:
    """What `error` is told as."""
    with pytest.raises(ColdQueryError) as failure, translated():
        raise error
    assert failure.value.__cause__ is error
    return failure.value


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (
            asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
            DatabaseAway,
        ),
        (asyncpg.AdminShutdownError("terminating connection"), DatabaseAway),
        (asyncpg.InterfaceError("connection is closed"), DatabaseAway),
        (
            asyncpg.InterfaceError("the underlying connection has been released back to the pool"),
            DatabaseAway,
        ),
        (asyncpg.InternalClientError("unexpected message"), DatabaseAway),
        (ConnectionResetError("reset by peer"), DatabaseAway),
        (TimeoutError(), TimedOut),
        (asyncpg.UnsupportedClientFeatureError("cannot decode"), Refused),
        (asyncpg.OutdatedSchemaCacheError("changed"), StatementFailed),
        (asyncpg.UniqueViolationError("duplicate key"), StatementFailed),
    ],
    ids=lambda given: f"{type(given).__name__} {given}" if isinstance(given, Exception) else given.__name__,
)
def test_each_error_is_told_as_what_it_is(error: Exception, kind: type[ColdQueryError]) -> None:
    assert type(told(error)) is kind


def test_what_only_a_defect_explains_goes_through_as_it_is() -> None:
    with pytest.raises(asyncpg.InterfaceError, match="another operation"), translated():
        raise asyncpg.InterfaceError("another operation is in progress")


@pytest.mark.parametrize("sqlstate", sorted(HINTS))
def test_some_errors_have_a_hint_of_ours_where_postgresql_has_none(sqlstate: str) -> None:
    error: Any = asyncpg.PostgresError("it failed")
    error.sqlstate = sqlstate
    assert told(error).hint == HINTS[sqlstate]
    error.hint = "its own"
    assert told(error).hint == "its own"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError("planted"), "did not answer in time"),
        (asyncpg.InvalidPasswordError("planted"), "did not let this server in"),
        (asyncpg.InvalidAuthorizationSpecificationError("planted"), "did not let this server in"),
        (asyncpg.InvalidCatalogNameError("planted"), "no database of the name"),
        (asyncpg.TooManyConnectionsError("planted"), "no connection left"),
        (asyncpg.CannotConnectNowError("planted"), "starting or stopping"),
        (asyncpg.AdminShutdownError("planted"), "starting or stopping"),
        (asyncpg.InternalServerError("planted"), "cannot be reached"),
        (OSError("planted"), "cannot be reached"),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, Exception) else given,
)
def test_why_there_is_no_connection_is_told_in_other_words_than_the_drivers(
    error: Exception, words: str
) -> None:
    with pytest.raises(DatabaseAway, match=words) as failure, connecting():
        raise error
    assert "planted" not in f"{failure.value} {failure.value.hint}"
