"""pg_schema list."""

from urllib.parse import urlsplit

import asyncpg
import pytest
from cq_asking import as_reader, asking
from cq_shapes import shaped

from coldquery.actions.schema.list_objects import TARGETS, list_objects
from coldquery.connections.timeout import Timeout
from coldquery.errors import Refused
from coldquery.limits import Limits

MORE = """
create schema "Other.Schema";
create table "Other.Schema"."a.b" (id int);
comment on table "Other.Schema"."a.b" is 'has dots';
create materialized view totals as select 1 as one;
create table measured (at date) partition by range (at);
create table measured_2026 partition of measured for values from ('2026-01-01') to ('2027-01-01');
insert into measured select '2026-05-05' from generate_series(1, 1000);
create procedure tidy() language sql as 'delete from purchase';
"""


async def test_tables_are_listed_by_schema_and_name_with_what_they_are(
    shop: str, admin: asyncpg.Connection
) -> None:
    await admin.execute(MORE)
    async with asking(shop) as context:
        listed = shaped(list_objects, await list_objects(context))
    assert [(item["schema"], item["name"], item["kind"]) for item in listed["items"]] == [
        ("Other.Schema", "a.b", "table"),
        ("public", "customer", "table"),
        ("public", "measured", "partitioned table"),
        ("public", "measured_2026", "partition"),
        ("public", "purchase", "table"),
    ]
    assert listed["items"][0]["comment"] == "has dots"
    assert listed["items"][1] == {
        "schema": "public",
        "name": "customer",
        "kind": "table",
        "row_estimate": 100,
        "readable": True,
        "comment": None,
        "total_bytes": None,
    }
    assert (listed["target"], listed["total"], listed["next_offset"]) == ("tables", 5, None)


@pytest.mark.parametrize("target", TARGETS)
async def test_each_target_is_listed_with_its_shape_and_without_the_systems_own(
    shop: str, admin: asyncpg.Connection, target: str
) -> None:
    await admin.execute(MORE)
    async with asking(shop) as context:
        listed = shaped(list_objects, await list_objects(context, target=target))
    names = {item["name"] for item in listed["items"]}
    expected = {
        "tables": {"customer", "purchase", "a.b", "measured", "measured_2026"},
        "views": {"spending", "totals"},
        "indexes": {"customer_pkey", "customer_email_key", "purchase_pkey", "purchase_of"},
        "functions": {"bump", "tidy"},
        "schemas": {"public", "Other.Schema"},
        "extensions": {"plpgsql"},
        "sequences": {"purchase_id_seq", "ticket"},
    }
    assert names == expected[target]
    assert listed["total"] == len(names)


async def test_a_system_schema_is_listed_where_it_is_named(shop_to_read: str) -> None:
    async with asking(shop_to_read) as context:
        listed = await list_objects(context, schema="pg_catalog", limit=1000)
        schemas = await list_objects(context, target="schemas", schema="information_schema")
    assert "pg_class" in {item["name"] for item in listed["items"]}
    assert [item["name"] for item in schemas["items"]] == ["information_schema"]


async def test_pages_go_on_at_the_next_offset_until_the_end(shop: str, admin: asyncpg.Connection) -> None:
    await admin.execute(MORE)
    names: list[str] = []
    async with asking(shop) as context:
        offset: int | None = 0
        while offset is not None:
            page = await list_objects(context, limit=2, offset=offset)
            names += [item["name"] for item in page["items"]]
            assert page["total"] == 5
            offset = page["next_offset"]
        past = await list_objects(context, offset=5)
    assert names == ["a.b", "customer", "measured", "measured_2026", "purchase"]
    assert past["items"] == []
    assert past["total"] == 5
    assert past["next_offset"] is None


async def test_sizes_are_told_where_asked_for_and_of_partitions_together(
    shop: str, admin: asyncpg.Connection
) -> None:
    await admin.execute(MORE)
    async with asking(shop) as context:
        listed = shaped(list_objects, await list_objects(context, include_sizes=True))
        indexes = await list_objects(context, target="indexes", include_sizes=True)
    sizes = {item["name"]: item["total_bytes"] for item in listed["items"]}
    assert sizes["purchase"] == await admin.fetchval("select pg_total_relation_size('purchase')")
    assert sizes["measured"] == sizes["measured_2026"] > 0
    assert all(item.get("total_bytes") for item in indexes["items"])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"target": "triggers"}, "tables, views"),
        ({"target": "functions", "include_sizes": True}, "include_sizes"),
        ({"limit": 0}, "offset"),
        ({"limit": 11}, "offset"),
        ({"offset": -1}, "first"),
        ({"offset": 2**63}, "first"),
    ],
)
async def test_what_cannot_be_listed_is_refused_with_what_can(
    shop_to_read: str, asked: dict[str, object], words: str
) -> None:
    async with asking(shop_to_read, Limits(max_rows=10)) as context:
        with pytest.raises(Refused) as refused:
            await list_objects(context, **asked)  # pyright: ignore[reportArgumentType]  # parametrized
    assert words in (refused.value.hint or "")


async def test_the_limit_may_be_as_large_as_the_servers_and_the_offset_as_postgresqls(
    shop_to_read: str,
) -> None:
    async with asking(shop_to_read, Limits(max_rows=10)) as context:
        assert (await list_objects(context, limit=10))["total"] == 2
        assert (await list_objects(context, offset=2**63 - 1))["items"] == []


async def test_a_target_may_be_said_in_the_singular(shop_to_read: str) -> None:
    async with asking(shop_to_read) as context:
        assert (await list_objects(context, target="Index"))["target"] == "indexes"


async def test_a_table_that_the_role_may_not_read_is_told_as_such(
    shop: str, admin: asyncpg.Connection
) -> None:
    role = f"reads_{await admin.fetchval('select current_database()')}"
    await admin.execute(f'create role "{role}" login password \'x\'; grant select on customer to "{role}"')
    try:
        async with asking(_as(shop, role)) as context:
            listed = await list_objects(as_reader(context))
        assert {item["name"]: item.get("readable") for item in listed["items"]} == {
            "customer": True,
            "purchase": False,
        }
    finally:
        await admin.execute(f'drop owned by "{role}"; drop role "{role}"')


async def test_in_a_session_it_lists_what_the_session_created_and_leaves_its_search_path(
    shop: str, admin: asyncpg.Connection
) -> None:
    async with asking(shop) as context:
        session = await context.connections.sessions.begin(context.caller, read_only=False)
        timeout = Timeout.asked(None, context.limits)
        async with context.connections.writing(
            context.caller, session.session_id, autocommit=False, timeout=timeout
        ) as work:
            await work.connection.execute("create temp table mine (id int)")
            await work.connection.execute("create table fresh (id int); set search_path = pg_temp, public")
        listed = await list_objects(context, session_id=session.session_id)
        async with context.connections.writing(
            context.caller, session.session_id, autocommit=False, timeout=timeout
        ) as work:
            path = await work.connection.fetchval("show search_path")
        outside = await list_objects(context)
    assert {"mine", "fresh"} <= {item["name"] for item in listed["items"]}
    assert path == "pg_temp, public"
    assert {item["name"] for item in outside["items"]} == {"customer", "purchase"}


async def test_functions_of_others_do_not_pass_for_postgresqls_own(
    shop: str, admin: asyncpg.Connection
) -> None:
    await admin.execute("""
        create function public.obj_description(oid, text) returns text language sql as $$ select 'fooled' $$;
        create function public.has_table_privilege(oid, text) returns bool language sql as $$ select false $$;
    """)
    database = await admin.fetchval("select quote_ident(current_database())")
    await admin.execute(f"alter database {database} set search_path = public, pg_catalog")
    async with asking(shop) as context:
        listed = await list_objects(context)
    assert {(item["comment"], item.get("readable")) for item in listed["items"] if "comment" in item} == {
        (None, True)
    }


def _as(url: str, role: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{role}:x@{parts.hostname}:{parts.port}").geturl()
