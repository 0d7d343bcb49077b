"""pg_query read on a real database."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import asyncpg
import pytest
from cq_asking import READER, as_reader, asking, audit_of
from pydantic import TypeAdapter

from coldquery.actions.context import Context
from coldquery.actions.query.answers import ReadAnswer
from coldquery.actions.query.read import read
from coldquery.actions.query.write import write
from coldquery.actions.transactions.begin import begin
from coldquery.actions.transactions.ending import commit
from coldquery.errors import ColdQueryError, NoSuchCursor, Refused, StatementFailed, TimedOut
from coldquery.limits import Limits


@pytest.fixture
async def context(common_shop: str) -> AsyncGenerator[Context]:
    async with asking(common_shop) as context:
        yield context


@pytest.fixture
async def onlooker(common_shop: str) -> AsyncGenerator[asyncpg.Connection]:
    """A bare connection to the same."""
    connection = await asyncpg.connect(common_shop)
    yield connection
    await connection.close()


async def test_a_read_gives_columns_with_types_and_rows_as_arrays(context: Context) -> None:
    answer = await read(context, sql="select id, name, joined from customer where id <= 2 order by id")
    assert answer == {
        "columns": [
            {"name": "id", "type": "int4"},
            {"name": "name", "type": "text"},
            {"name": "joined", "type": "date"},
        ],
        "rows": [[1, "customer 1", "2026-01-01"], [2, "customer 2", "2026-01-01"]],
        "row_count": 2,
        "truncated": False,
        "cursor": None,
    }


async def test_an_answer_is_of_the_shape_that_is_promised(context: Context) -> None:
    answer = await read(context, sql="select * from purchase limit 3")
    assert TypeAdapter(ReadAnswer).validate_python(answer) == answer


async def test_two_columns_of_one_name_both_survive(context: Context) -> None:
    answer = await read(context, sql="select 1 as a, 2 as a, 'x' as a")
    assert [column["name"] for column in answer["columns"]] == ["a", "a", "a"]
    assert answer["rows"] == [[1, 2, "x"]]


async def test_a_read_without_rows_has_its_columns(context: Context) -> None:
    answer = await read(context, sql="select id from customer where false")
    assert (answer["columns"], answer["rows"], answer["row_count"]) == (
        [{"name": "id", "type": "int4"}],
        [],
        0,
    )


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "with a as (select 1) select * from a",
        "values (1)",
        "table customer",
        "show server_version",
        "explain select 1",
        "select 1 -- and a comment",
        " ; select 1 ; ",
        "(select 1)",
    ],
)
async def test_what_reads_is_read(context: Context, sql: str) -> None:
    assert (await read(as_reader(context), sql=sql))["row_count"] >= 1


ESCAPES = [
    "select 1; drop table purchase",
    "commit; drop table purchase",
    "set transaction read write",
    "select pg_read_file('/etc/passwd')",
    "select * from pg_read_file('/etc/passwd')",
    "copy (select 1) to program 'true'",
    "select lo_create(0)",
    "select set_config('statement_timeout', '0', false)",
    "with gone as (delete from purchase returning 1) select * from gone",
    "explain analyze insert into customer values (1000, 'x')",
    "do $$ begin delete from purchase; end $$",
    "/* select */ delete from purchase",
    "select bump()",
    "select nextval('ticket')",
    "select pg_terminate_backend(pg_backend_pid())",
    "select pg_advisory_lock(1)",
    "select * into stolen from customer",
    "select * from customer for update",
    "create table t as select 1",
]


@pytest.mark.parametrize("sql", ESCAPES)
async def test_what_is_more_than_a_read_is_refused_and_changes_nothing(
    context: Context, onlooker: asyncpg.Connection, sql: str
) -> None:
    before = await _all_of(onlooker)
    with pytest.raises(Refused):
        await read(context, sql=sql)
    assert await _all_of(onlooker) == before


@pytest.mark.parametrize("sql", ESCAPES)
async def test_what_is_more_than_a_read_is_refused_in_a_session_that_may_write_too(
    context: Context, onlooker: asyncpg.Connection, sql: str
) -> None:
    before = await _all_of(onlooker)
    session_id = (await begin(context, read_only=False))["session_id"]
    with pytest.raises(Refused):
        await read(context, sql=sql, session_id=session_id)
    await commit(context, session_id=session_id)
    assert await _all_of(onlooker) == before


async def _all_of(onlooker: asyncpg.Connection) -> Sequence[Any]:
    return [
        await onlooker.fetch("select * from customer order by id"),
        await onlooker.fetch("select * from purchase order by id"),
        await onlooker.fetch(
            "select relname from pg_class where relnamespace = 'public'::regnamespace order by 1"
        ),
        await onlooker.fetch("select last_value, is_called from ticket"),
        await onlooker.fetch("select oid from pg_largeobject_metadata"),
    ]


@pytest.mark.parametrize(
    ("sql", "params", "row"),
    [
        ("select $1::int + 1", [41], [42]),
        ("select $1::text", ["it's; -- $1"], ["it's; -- $1"]),
        ("select $1::numeric", ["1.10"], ["1.10"]),
        ("select $1::bigint", ["9007199254740993"], ["9007199254740993"]),
        ("select $1::date + 1", ["2026-02-28"], ["2026-03-01"]),
        ("select $1::timestamptz", ["2026-11-22T10:00:00+01:00"], ["2026-11-22T09:00:00+00:00"]),
        ("select $1::interval", ["1 day 2 hours"], ["P1DT2H"]),
        (
            "select $1::uuid",
            ["00000000-0000-0000-0000-00000000000a"],
            ["00000000-0000-0000-0000-00000000000a"],
        ),
        ("select $1::jsonb -> 'a'", [{"a": [1, None]}], [[1, None]]),
        ("select $1::bytea", ["AAE="], ["AAE="]),
        ("select $1::bool, $2::float8", [True, 0.5], [True, 0.5]),
        ("select 2 = any($1::int[])", [[1, 2]], [True]),
        ("select $1::text[]", [["a", None, '"']], [["a", None, '"']]),
        ("select $1::int4range", ["[1,3)"], ["[1,3)"]),
        ("select $1::inet", ["10.0.0.1"], ["10.0.0.1"]),
        ("select $1::int", [None], [None]),
        ("select name from customer where id = $1", [7], ["customer 7"]),
    ],
)
async def test_params_are_what_the_statement_needs(
    context: Context, sql: str, params: list[Any], row: list[Any]
) -> None:
    assert (await read(context, sql=sql, params=params))["rows"] == [row]


@pytest.mark.parametrize("params", [None, [], [1, 2]])
async def test_a_wrong_number_of_params_is_refused(context: Context, params: list[Any] | None) -> None:
    with pytest.raises(Refused):
        await read(context, sql="select $1::int", params=params)


async def test_a_param_of_the_wrong_type_is_named(context: Context) -> None:
    with pytest.raises(ColdQueryError, match="1"):
        await read(context, sql="select $1::int, $2::date", params=[1, "no date"])


@pytest.mark.parametrize("max_rows", [1, 999, 1000])
async def test_max_rows_may_be_from_one_to_the_limit(context: Context, max_rows: int) -> None:
    answer = await read(context, sql="select generate_series(1, 1001)", max_rows=max_rows)
    assert (len(answer["rows"]), answer["row_count"], answer["truncated"]) == (max_rows, max_rows, True)


@pytest.mark.parametrize("max_rows", [0, -1, 1001])
async def test_max_rows_beyond_the_limit_is_refused(context: Context, max_rows: int) -> None:
    with pytest.raises(Refused, match="1 to 1000"):
        await read(context, sql="select 1", max_rows=max_rows)


@pytest.mark.parametrize(("rows", "truncated"), [(3, False), (4, True)])
async def test_an_answer_is_truncated_only_if_there_is_more(
    context: Context, rows: int, truncated: bool
) -> None:
    answer = await read(context, sql=f"select generate_series(1, {rows})", max_rows=3)
    assert (answer["row_count"], answer["truncated"], answer["cursor"] is not None) == (
        3,
        truncated,
        truncated,
    )


async def in_pages(
    context: Context, sql: str, session_id: str | None = None, max_rows: int | None = None
) -> list[list[list[Any]]]:
    """The rows of each page."""
    answer = await read(context, sql=sql, session_id=session_id, max_rows=max_rows)
    pages = [answer["rows"]]
    while answer["cursor"]:
        columns = answer["columns"]
        answer = await read(context, cursor=answer["cursor"], session_id=session_id, max_rows=max_rows)
        assert answer["columns"] == columns
        pages.append(answer["rows"])
    assert not answer["truncated"]
    return pages


async def test_ten_thousand_rows_come_in_pages_each_once_and_in_order(context: Context) -> None:
    pages = await in_pages(context, "select i, 'row ' || i from generate_series(1, 10000) i")
    assert [len(page) for page in pages] == [1000] * 10
    assert [row for page in pages for row in page] == [[i, f"row {i}"] for i in range(1, 10001)]


async def test_pages_in_a_session_survive_its_other_reads_and_writes(context: Context) -> None:
    session_id = (await begin(context))["session_id"]
    answer = await read(context, sql="select generate_series(1, 10)", max_rows=4, session_id=session_id)
    await write(context, sql="delete from purchase", session_id=session_id)
    with pytest.raises(StatementFailed):
        await read(context, sql="select 1 / 0", session_id=session_id)
    answer = await read(context, cursor=answer["cursor"], max_rows=4, session_id=session_id)
    assert answer["rows"] == [[5], [6], [7], [8]]
    answer = await read(context, cursor=answer["cursor"], max_rows=4)
    assert (answer["rows"], answer["cursor"]) == ([[9], [10]], None)


async def test_pages_show_the_table_as_it_was_when_the_read_began(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with asking(shop) as context:
        answer = await read(context, sql="select id from customer order by id", max_rows=99)
        await admin.execute("delete from purchase; delete from customer")
        assert (await read(context, cursor=answer["cursor"]))["rows"] == [[100]]


async def test_a_cursor_goes_in_once(context: Context) -> None:
    cursor = (await read(context, sql="select generate_series(1, 3)", max_rows=1))["cursor"]
    await read(context, cursor=cursor)
    with pytest.raises(NoSuchCursor):
        await read(context, cursor=cursor)


async def test_a_cursor_is_for_the_caller_it_was_given_to(context: Context) -> None:
    cursor = (await read(context, sql="select generate_series(1, 3)", max_rows=1))["cursor"]
    with pytest.raises(NoSuchCursor):
        await read(as_reader(context), cursor=cursor)
    assert (await read(context, cursor=cursor))["rows"] == [[2], [3]]


async def test_an_unknown_cursor_is_refused(context: Context) -> None:
    with pytest.raises(NoSuchCursor):
        await read(context, cursor="unknown")


async def test_a_cursor_goes_in_alone_or_with_its_own_statement(context: Context) -> None:
    sql = "select generate_series(1, 4)"
    cursor = (await read(context, sql=sql, max_rows=1))["cursor"]
    with pytest.raises(Refused, match="belongs to another statement"):
        await read(context, cursor=cursor, sql="select 1")
    second = await read(context, cursor=cursor, sql=sql, max_rows=1)
    assert second["rows"] == [[2]]
    assert (await read(context, cursor=second["cursor"]))["rows"] == [[3], [4]]


async def test_a_read_needs_a_statement_or_a_cursor(context: Context) -> None:
    with pytest.raises(Refused, match="needs sql"):
        await read(context)


# A row of one text of 100 characters is 104 bytes of JSON, and a comma and a space.
ROW_BYTES = 106


@pytest.mark.parametrize(("max_bytes", "rows"), [(3 * ROW_BYTES, 3), (3 * ROW_BYTES - 1, 2)])
async def test_an_answer_has_as_many_rows_as_fit_into_its_bytes(
    common_shop: str, max_bytes: int, rows: int
) -> None:
    async with asking(common_shop, Limits(max_bytes=max_bytes, wait_seconds=20)) as context:
        sql = "select lpad(i::text, 100) from generate_series(1, 10) i"
        answer = await read(context, sql=sql)
        assert (answer["row_count"], answer["truncated"]) == (rows, True)
        pages = await in_pages(context, sql)
        assert [int(row[0]) for page in pages for row in page] == list(range(1, 11))


async def test_a_single_row_is_answered_however_long_it_is(common_shop: str) -> None:
    async with asking(common_shop, Limits(max_bytes=10, wait_seconds=20)) as context:
        pages = await in_pages(context, "select repeat('x', 1000) from generate_series(1, 3)")
        assert pages == [[["x" * 1000]]] * 3


async def test_a_read_that_takes_too_long_is_cancelled(context: Context) -> None:
    with pytest.raises(TimedOut, match="statement timeout"):
        await read(context, sql="select pg_sleep(60)", timeout_ms=1)


async def test_the_timeout_is_capped_by_the_servers_own(common_shop: str) -> None:
    async with asking(common_shop, Limits(timeout_ms=2345, wait_seconds=20)) as context:
        shown = [
            (await read(context, sql="show statement_timeout", timeout_ms=asked))["rows"]
            for asked in (2344, 2345, 2346, 10**12, None)
        ]
        assert shown == [[["2344ms"]], [["2345ms"]], [["2345ms"]], [["2345ms"]], [["2345ms"]]]


async def test_a_timeout_below_a_millisecond_is_refused(context: Context) -> None:
    with pytest.raises(Refused):
        await read(context, sql="select 1", timeout_ms=0)


async def test_an_error_has_postgresqls_words_code_and_position(context: Context) -> None:
    with pytest.raises(StatementFailed) as failure:
        await read(context, sql="select nme from customer")
    error = failure.value
    assert (error.sqlstate, error.position) == ("42703", 8)
    assert error.message == 'column "nme" does not exist'
    assert "customer.name" in str(error.hint)


async def test_a_position_counts_characters(context: Context) -> None:
    with pytest.raises(StatementFailed) as failure:
        await read(context, sql="select 'äöü', nme from customer")
    assert failure.value.position == 15


async def test_a_syntax_error_has_its_position(context: Context) -> None:
    with pytest.raises(Refused) as failure:
        await read(context, sql="select 'ä' frm customer cross")
    assert failure.value.position is not None


async def test_a_read_in_a_session_sees_its_writes_and_leaves_it_writing(context: Context) -> None:
    session_id = (await begin(context))["session_id"]
    await write(context, sql="delete from purchase", session_id=session_id)
    assert (await read(context, sql="select count(*) from purchase", session_id=session_id))["rows"] == [[0]]
    answer = await write(context, sql="insert into customer values (1000, 'x')", session_id=session_id)
    assert answer["rows_affected"] == 1


async def test_a_failed_read_leaves_the_transaction_of_its_session_whole(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with asking(shop) as context:
        session_id = (await begin(context))["session_id"]
        await write(context, sql="delete from purchase where id = 1", session_id=session_id)
        with pytest.raises(StatementFailed):
            await read(context, sql="select 1 / 0", session_id=session_id)
        await commit(context, session_id=session_id)
    assert await admin.fetchval("select count(*) from purchase") == 999


async def test_a_read_is_no_matter_for_the_audit_log(context: Context) -> None:
    await read(context, sql="select 1")
    with pytest.raises(Refused):
        await read(context, sql="delete from purchase")
    assert (audit_of(context).written, audit_of(context).failures) == ([], [])


async def test_a_caller_that_may_not_write_reads(context: Context) -> None:
    reader = as_reader(context)
    assert reader.caller == READER
    assert (await read(reader, sql="select count(*) from customer"))["rows"] == [[100]]
