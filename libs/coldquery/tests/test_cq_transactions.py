"""pg_tx on a real database."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from cq_asking import as_reader, asking, audit_of
from pydantic import TypeAdapter, ValidationError

from coldquery.actions.context import Context
from coldquery.actions.query.read import read
from coldquery.actions.query.write import write
from coldquery.actions.transactions.answers import BegunAnswer, IsolationLevel, SessionsAnswer
from coldquery.actions.transactions.begin import begin
from coldquery.actions.transactions.ending import commit, rollback
from coldquery.actions.transactions.listing import list_sessions
from coldquery.actions.transactions.savepoints import release, savepoint
from coldquery.errors import NoSuchSession, NotAllowed, Refused, StatementFailed
from coldquery.limits import Limits


@pytest.fixture
async def context(shop: str) -> AsyncGenerator[Context]:
    async with asking(shop) as context:
        yield context


TOTAL = "select sum(amount) from purchase"
BUY = "insert into purchase (customer_id, amount) values (1, 1)"
End = Callable[..., Awaitable[Any]]
RENAME = "update customer set name = $1 where id = 1"


async def name_in(context: Context, session_id: str) -> str:
    answer = await read(context, sql="select name from customer where id = 1", session_id=session_id)
    return answer["rows"][0][0]


async def name_committed(admin: asyncpg.Connection) -> str | None:
    return await admin.fetchval("select name from customer where id = 1")


async def test_begin_gives_a_session_that_writes_if_the_caller_may(context: Context) -> None:
    answer = await begin(context)
    assert answer == {
        "session_id": answer["session_id"],
        "isolation_level": "read committed",
        "read_only": False,
        "expires_in_seconds": 1800,
    }
    TypeAdapter(BegunAnswer).validate_python(answer)


async def test_begin_gives_a_reading_session_to_a_caller_that_may_not_write(context: Context) -> None:
    assert (await begin(as_reader(context)))["read_only"] is True


async def test_a_caller_that_may_not_write_cannot_begin_a_writing_session(context: Context) -> None:
    with pytest.raises(NotAllowed):
        await begin(as_reader(context), read_only=False)


async def test_a_session_that_only_reads_is_begun_as_asked_and_writes_nothing(context: Context) -> None:
    session_id = (await begin(context, read_only=True))["session_id"]
    with pytest.raises(Refused, match="read_only"):
        await write(context, sql=RENAME, params=["x"], session_id=session_id)


@pytest.mark.parametrize(
    ("asked", "level"),
    [
        ("read committed", "read committed"),
        ("REPEATABLE READ", "repeatable read"),
        ("repeatable_read", "repeatable read"),
        ("Serializable", "serializable"),
        ("read-committed", "read committed"),
    ],
)
async def test_an_isolation_level_may_be_written_in_several_ways(
    context: Context, asked: IsolationLevel, level: str
) -> None:
    assert TypeAdapter(IsolationLevel).validate_python(asked) == level
    answer = await begin(context, isolation_level=asked)
    assert answer["isolation_level"] == level
    shown = await read(context, sql="show transaction_isolation", session_id=answer["session_id"])
    assert shown["rows"] == [[level]]


async def test_what_is_no_isolation_level_is_refused_with_those_there_are(context: Context) -> None:
    level: IsolationLevel = "read uncommitted"  # pyright: ignore[reportAssignmentType]
    with pytest.raises(Refused, match="read committed, repeatable read, serializable"):
        await begin(context, isolation_level=level)
    with pytest.raises(ValidationError):
        TypeAdapter(IsolationLevel).validate_python(7)


async def test_a_session_sees_what_it_wrote_and_others_after_its_commit(
    context: Context, admin: asyncpg.Connection
) -> None:
    session_id = (await begin(context))["session_id"]
    await write(context, sql=RENAME, params=["Ada"], session_id=session_id)
    assert await name_in(context, session_id) == "Ada"
    assert await name_committed(admin) == "customer 1"
    assert await commit(context, session_id=session_id) == {"session_id": session_id, "outcome": "committed"}
    assert await name_committed(admin) == "Ada"


async def test_rollback_undoes_everything(context: Context, admin: asyncpg.Connection) -> None:
    session_id = (await begin(context))["session_id"]
    await write(context, sql=RENAME, params=["Ada"], session_id=session_id)
    assert await rollback(context, session_id=session_id) == {
        "session_id": session_id,
        "outcome": "rolled back",
    }
    assert await name_committed(admin) == "customer 1"


@pytest.mark.parametrize("end", [commit, rollback])
async def test_a_session_is_gone_when_it_ended(context: Context, end: End) -> None:
    session_id = (await begin(context))["session_id"]
    await end(context, session_id=session_id)
    with pytest.raises(NoSuchSession):
        await read(context, sql="select 1", session_id=session_id)
    with pytest.raises(NoSuchSession):
        await end(context, session_id=session_id)


async def test_going_back_to_a_savepoint_undoes_what_came_after_it(
    context: Context, admin: asyncpg.Connection
) -> None:
    session_id = (await begin(context))["session_id"]
    await write(context, sql=RENAME, params=["before"], session_id=session_id)
    assert await savepoint(context, session_id=session_id, savepoint_name="here") == {
        "session_id": session_id,
        "savepoint_name": "here",
        "outcome": "set",
    }
    await write(context, sql=RENAME, params=["after"], session_id=session_id)
    assert await rollback(context, session_id=session_id, savepoint_name="here") == {
        "session_id": session_id,
        "savepoint_name": "here",
        "outcome": "rolled back to",
    }
    await commit(context, session_id=session_id)
    assert await name_committed(admin) == "before"


async def test_a_released_savepoint_keeps_what_came_after_it_and_cannot_be_gone_back_to(
    context: Context,
) -> None:
    session_id = (await begin(context))["session_id"]
    await savepoint(context, session_id=session_id, savepoint_name="here")
    await write(context, sql=RENAME, params=["after"], session_id=session_id)
    answer = await release(context, session_id=session_id, savepoint_name="here")
    assert answer["outcome"] == "released"
    assert await name_in(context, session_id) == "after"
    with pytest.raises(StatementFailed) as failure:
        await rollback(context, session_id=session_id, savepoint_name="here")
    assert failure.value.sqlstate == "3B001"


@pytest.mark.parametrize("name", ['a "quoted" name', "select; drop table customer", "Ünïcode", "x" * 63])
async def test_a_savepoint_may_have_any_name_that_postgresql_allows(context: Context, name: str) -> None:
    session_id = (await begin(context))["session_id"]
    await savepoint(context, session_id=session_id, savepoint_name=name)
    await write(context, sql=RENAME, params=["after"], session_id=session_id)
    await rollback(context, session_id=session_id, savepoint_name=name)
    assert await name_in(context, session_id) == "customer 1"


@pytest.mark.parametrize("name", ["", "x" * 64, "a\0b"])
async def test_a_savepoint_of_a_name_that_postgresql_would_not_keep_is_refused(
    context: Context, name: str
) -> None:
    session_id = (await begin(context))["session_id"]
    with pytest.raises(Refused):
        await savepoint(context, session_id=session_id, savepoint_name=name)


async def test_a_failed_transaction_goes_on_from_its_savepoint(
    context: Context, admin: asyncpg.Connection
) -> None:
    session_id = (await begin(context))["session_id"]
    await write(context, sql=RENAME, params=["kept"], session_id=session_id)
    await savepoint(context, session_id=session_id, savepoint_name="here")
    with pytest.raises(StatementFailed) as failure:
        await write(context, sql="insert into customer values (1, 'again')", session_id=session_id)
    assert failure.value.sqlstate == "23505"
    with pytest.raises(StatementFailed) as after:
        await write(context, sql=RENAME, params=["x"], session_id=session_id)
    assert after.value.sqlstate == "25P02"
    assert "rollback" in str(after.value.hint)
    await rollback(context, session_id=session_id, savepoint_name="here")
    await commit(context, session_id=session_id)
    assert await name_committed(admin) == "kept"


async def test_commit_of_a_failed_transaction_is_an_error(
    context: Context, admin: asyncpg.Connection
) -> None:
    session_id = (await begin(context))["session_id"]
    await write(context, sql=RENAME, params=["lost"], session_id=session_id)
    with pytest.raises(StatementFailed):
        await write(context, sql="select 1 / 0", session_id=session_id)
    with pytest.raises(StatementFailed, match="Nothing was committed"):
        await commit(context, session_id=session_id)
    assert await name_committed(admin) == "customer 1"
    assert audit_of(context).failures[-1][2] == "COMMIT"


async def test_list_tells_the_sessions_of_the_caller_the_oldest_first(context: Context) -> None:
    first = (await begin(context, isolation_level="serializable"))["session_id"]
    second = (await begin(context, read_only=True))["session_id"]
    await begin(as_reader(context))
    answer = await list_sessions(context)
    TypeAdapter(SessionsAnswer).validate_python(answer)
    assert [session["session_id"] for session in answer["sessions"]] == [first, second]
    assert [session["isolation_level"] for session in answer["sessions"]] == [
        "serializable",
        "read committed",
    ]
    assert [session["read_only"] for session in answer["sessions"]] == [False, True]


async def test_list_is_empty_without_a_session(context: Context) -> None:
    assert await list_sessions(context) == {"sessions": []}


async def test_list_tells_of_a_failed_transaction_and_of_open_cursors(context: Context) -> None:
    failed = (await begin(context))["session_id"]
    paging = (await begin(context))["session_id"]
    with pytest.raises(StatementFailed):
        await write(context, sql="select 1 / 0", session_id=failed)
    await read(context, sql="select * from customer", max_rows=1, session_id=paging)
    told = {session["session_id"]: session for session in (await list_sessions(context))["sessions"]}
    assert (told[failed]["state"], told[failed]["open_cursors"]) == ("failed", 0)
    assert (told[paging]["state"], told[paging]["open_cursors"]) == ("idle in transaction", 1)
    assert 0 <= told[paging]["idle_seconds"] <= told[paging]["age_seconds"]
    assert told[paging]["expires_in_seconds"] <= 1800


@pytest.mark.parametrize("action", [commit, rollback])
async def test_nobody_ends_the_session_of_another(context: Context, action: End) -> None:
    session_id = (await begin(context))["session_id"]
    with pytest.raises(NoSuchSession):
        await action(as_reader(context), session_id=session_id)
    assert await name_in(context, session_id) == "customer 1"


async def test_a_session_that_is_about_to_expire_says_so(shop: str) -> None:
    async with asking(shop, Limits(session_seconds=299, wait_seconds=20)) as context:
        session_id = (await begin(context))["session_id"]
        assert "commit" in (await read(context, sql="select 1", session_id=session_id)).get("hint", "")
        written = await write(context, sql=RENAME, params=["x"], session_id=session_id)
        assert "commit" in written.get("hint", "")
        for action in (savepoint, rollback, release):
            marked: Any = await action(context, session_id=session_id, savepoint_name="here")
            assert "commit" in marked["hint"]


async def test_a_session_that_is_not_about_to_expire_says_nothing(context: Context) -> None:
    session_id = (await begin(context))["session_id"]
    assert "hint" not in await read(context, sql="select 1", session_id=session_id)
    assert "hint" not in await write(context, sql=RENAME, params=["x"], session_id=session_id)
    assert "hint" not in await savepoint(context, session_id=session_id, savepoint_name="here")


async def test_the_audit_log_is_told_how_a_session_ended(context: Context) -> None:
    first = (await begin(context))["session_id"]
    await savepoint(context, session_id=first, savepoint_name='a"b')
    await rollback(context, session_id=first, savepoint_name='a"b')
    await commit(context, session_id=first)
    second = (await begin(context))["session_id"]
    await rollback(context, session_id=second)
    assert audit_of(context).written == [
        ("writer", first, 'ROLLBACK TO SAVEPOINT "a""b"', None),
        ("writer", first, "COMMIT", None),
        ("writer", second, "ROLLBACK", None),
    ]


async def test_a_serializable_transaction_that_another_was_in_the_way_of_is_to_be_tried_again_whole(
    context: Context,
) -> None:
    sessions = [(await begin(context, isolation_level="serializable"))["session_id"] for _ in range(2)]
    for session_id in sessions:
        await write(context, sql=BUY, session_id=session_id)
        await read(context, sql=TOTAL, session_id=session_id)
    await commit(context, session_id=sessions[0])
    with pytest.raises(StatementFailed) as failure:
        await commit(context, session_id=sessions[1])
    assert failure.value.sqlstate == "40001"
    assert "whole transaction again" in str(failure.value.hint)


async def test_a_serializable_transaction_that_reads_first_is_serializable_too(context: Context) -> None:
    sessions = [(await begin(context, isolation_level="serializable"))["session_id"] for _ in range(2)]
    for session_id in sessions:
        await read(context, sql=TOTAL, session_id=session_id)
        await write(context, sql=BUY, session_id=session_id)
    await commit(context, session_id=sessions[0])
    with pytest.raises(StatementFailed):
        await commit(context, session_id=sessions[1])
