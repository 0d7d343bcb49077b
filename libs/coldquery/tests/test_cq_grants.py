"""The role that `coldquery grants` makes, tried out as that role."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from api_access import asyncpg_url
from coldquery.database import connect_arguments
from coldquery.errors import Refused
from coldquery.grants import Grants, scram_verifier

DENIED = asyncpg.InsufficientPrivilegeError
PASSWORD = "good enough"


@pytest.fixture
async def role(admin: asyncpg.Connection) -> AsyncGenerator[str]:
    """A name that PostgreSQL allows and that is hard to quote; dropped in the end, as roles are of the server."""
    name = f"""o'r"o\\l$$e:schema {secrets.token_hex(4)}"""
    yield name
    quoted = '"' + name.replace('"', '""') + '"'
    if await admin.fetchval("select true from pg_roles where rolname = $1", name):
        await admin.execute(f"drop owned by {quoted} cascade; drop role {quoted}")


@pytest.fixture
async def as_admin(shop: str, admin: asyncpg.Connection) -> dict[str, Any]:
    await admin.execute(
        """create schema "o'th""er"; create table "o'th""er".t (i int); create schema secret; create table secret.t (i int)"""
    )
    return connect_arguments(asyncpg_url(shop))


async def connected(as_admin: dict[str, Any], role: str) -> asyncpg.Connection:
    arguments: dict[str, Any] = {**as_admin, "user": role, "password": PASSWORD}
    return await asyncpg.connect(**arguments)


async def test_the_role_reads_what_it_may_and_nothing_else(as_admin: dict[str, Any], role: str) -> None:
    await Grants(role, read=["public", """o'th"er"""]).apply(as_admin, PASSWORD)
    connection = await connected(as_admin, role)
    try:
        assert await connection.fetchval("select count(*) from customer") == 100
        assert await connection.fetchval("select last_value from ticket") == 1
        assert await connection.fetchval("""select count(*) from "o'th""er".t""") == 0
        for statement in (
            "select * from secret.t",
            "delete from customer",
            "insert into customer values (0, '')",
            "truncate customer",
            "create table own ()",
            "create schema own",
            "select nextval('ticket')",
            "select pg_read_file('PG_VERSION')",
            "copy customer to program 'cat'",
            "alter system set work_mem = '1MB'",
        ):
            with pytest.raises(DENIED):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_with_write_it_also_writes_and_creates_there_only(as_admin: dict[str, Any], role: str) -> None:
    await Grants(role, read=["""o'th"er"""], write=["public"]).apply(as_admin, PASSWORD)
    connection = await connected(as_admin, role)
    try:
        await connection.execute("insert into purchase (customer_id, amount) values (1, 1)")
        await connection.execute(
            "update customer set name = ''; delete from purchase; select nextval('ticket')"
        )
        await connection.execute("create table own (i int); insert into own values (1)")
        for statement in (
            """insert into "o'th""er".t values (1)""",
            """create table "o'th""er".own ()""",
            "drop table customer",
        ):
            with pytest.raises(DENIED):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_what_is_made_later_is_covered_too(
    as_admin: dict[str, Any], role: str, admin: asyncpg.Connection
) -> None:
    await Grants(role, read=["secret"], write=["public"]).apply(as_admin, PASSWORD)
    await admin.execute("create table later (i serial); create table secret.later (i int)")
    connection = await connected(as_admin, role)
    try:
        await connection.execute("insert into later default values; select * from secret.later")
        with pytest.raises(DENIED):
            await connection.execute("insert into secret.later values (1)")
    finally:
        await connection.close()


async def test_it_may_be_run_again_and_by_several_at_once_and_the_last_password_counts(
    as_admin: dict[str, Any], role: str
) -> None:
    grants = Grants(role, read=["public"], write=["public"])
    async with asyncio.timeout(60):
        await asyncio.gather(*(grants.apply(as_admin, "another") for _ in range(4)))
        await grants.apply(as_admin, PASSWORD)
        await grants.apply(as_admin)
    await (await connected(as_admin, role)).close()


async def test_nothing_that_the_role_made_is_called_when_it_is_run_again(
    as_admin: dict[str, Any], role: str, admin: asyncpg.Connection
) -> None:
    grants = Grants(role, read=[], write=["public"])
    await grants.apply(as_admin, PASSWORD)
    connection = await connected(as_admin, role)
    try:
        # They would be the better match: PostgreSQL's own take a bigint, and whatever type.
        await connection.execute(
            """create table caught (who text); grant insert on caught to public;
            create function pg_advisory_xact_lock(int) returns void language sql as
                'insert into public.caught values (current_user)';
            create function format(text, text) returns text language sql as
                'insert into public.caught values (current_user); select pg_catalog.format($1, variadic array[$2])';
            create function format(text, name, text) returns text language sql as
                'insert into public.caught values (current_user); select pg_catalog.format($1, variadic array[$2, $3])'"""
        )
    finally:
        await connection.close()
    await grants.apply(as_admin, PASSWORD)
    await admin.execute(grants.sql())
    assert await admin.fetch("select * from caught") == []


async def test_what_is_printed_is_one_script_that_makes_the_same_role(
    admin: asyncpg.Connection, role: str
) -> None:
    script = Grants(role, read=["public"]).sql()
    for _ in range(2):
        await admin.execute(script)
    found = await admin.fetchrow(
        "select rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,"
        " pg_has_role(rolname, 'pg_read_all_stats', 'usage') as sees_all, pg_has_role(rolname, 'pg_monitor', 'usage')"
        " as monitors from pg_roles where rolname = $1",
        role,
    )
    assert found is not None
    assert [name for name, value in found.items() if value] == ["rolcanlogin", "sees_all"]


async def test_a_role_that_could_do_anything_is_refused_and_nothing_is_changed(
    as_admin: dict[str, Any], admin: asyncpg.Connection
) -> None:
    before = await admin.fetchval("select rolpassword from pg_authid where rolname = 'postgres'")
    with pytest.raises(asyncpg.RaiseError, match="may do more than any grant can take from it"):
        await Grants("postgres", read=["public"]).apply(as_admin, PASSWORD)
    assert await admin.fetchval("select rolpassword from pg_authid where rolname = 'postgres'") == before


@pytest.mark.parametrize("of", ["postgres", "pg_execute_server_program", "pg_write_all_data"])
async def test_a_role_that_is_a_member_of_one_that_could_is_refused(
    as_admin: dict[str, Any], admin: asyncpg.Connection, role: str, of: str
) -> None:
    grants = Grants(role, read=["public"])
    await grants.apply(as_admin, PASSWORD)
    quoted = '"' + role.replace('"', '""') + '"'
    await admin.execute(f"grant {of} to {quoted}")
    with pytest.raises(asyncpg.RaiseError, match="may do more than any grant can take from it"):
        await grants.apply(as_admin)
    await admin.execute(f"revoke {of} from {quoted}")
    await grants.apply(as_admin)


async def test_a_schema_that_is_not_there_leaves_no_role_behind(
    as_admin: dict[str, Any], admin: asyncpg.Connection, role: str
) -> None:
    with pytest.raises(asyncpg.InvalidSchemaNameError, match="nowhere"):
        await Grants(role, read=["nowhere"]).apply(as_admin, PASSWORD)
    assert not await admin.fetchval("select true from pg_roles where rolname = $1", role)


def test_the_password_itself_is_in_no_statement() -> None:
    assert PASSWORD not in Grants("reader", read=["public"]).sql(PASSWORD)


@pytest.mark.parametrize("password", ["", "é", "a\nb", "a\0b"])
def test_a_password_that_would_have_to_be_prepared_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        scram_verifier(password)


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 64])
def test_a_name_that_postgresql_cannot_have_is_refused(name: str) -> None:
    for grants in (
        Grants(name, read=["public"]),
        Grants("r", read=[name]),
        Grants("r", read=[], write=[name]),
    ):
        with pytest.raises(Refused):
            grants.sql()
