"""pg_monitor size, index_health and vacuum_health."""

from urllib.parse import urlsplit

import asyncpg
from cq_asking import asking
from cq_shapes import shaped

from coldquery.actions.monitor.size import size
from coldquery.actions.monitor.upkeep import index_health, vacuum_health

INDEXES = """
create table part (
    id int primary key, customer_id int references customer, of int references part, other int references part
);
create index part_of on part (of);
create index first_twin on part (lower(id::text)) where of > 1;
create index second_twin on part (lower(id::text)) where of > 1;
create index no_twin on part (lower(id::text)) where of > 2;
create index of_both on part (other, id);
create index invalid on part (other);
update pg_index set indisvalid = false where indexrelid = 'invalid'::regclass;
"""


async def test_size_tells_the_largest_databases_and_tables(shop: str, admin: asyncpg.Connection) -> None:
    database = urlsplit(shop).path.removeprefix("/")
    async with asking(shop) as context:
        told = shaped(size, await size(context))
        here = await size(context, database=database, limit=1)
    assert database in {found["name"] for found in told["databases"]}
    sizes = [found["bytes"] for found in told["databases"]]
    assert sizes == sorted(sizes, reverse=True)
    assert [table["name"] for table in told["tables"]] == ["purchase", "customer"]
    assert told["tables"][0]["total_bytes"] == await admin.fetchval(
        "select pg_total_relation_size('purchase')"
    )
    assert told["tables"][0]["row_estimate"] == 1000
    assert [found["name"] for found in here["databases"]] == [database]
    assert (len(here["tables"]), here["total"]) == (1, 2)


async def test_size_does_not_wait_for_whoever_has_a_table_locked(
    shop: str, admin: asyncpg.Connection
) -> None:
    await admin.execute("begin; lock table purchase in access exclusive mode")
    async with asking(shop) as context:
        told = shaped(size, await size(context))
    await admin.execute("rollback")
    measured = {table["name"]: table["measured"] for table in told["tables"]}
    assert measured == {"purchase": False, "customer": True}


async def test_indexes_that_need_care_are_told_by_what_is_wrong(shop: str, admin: asyncpg.Connection) -> None:
    await admin.execute(INDEXES)
    async with asking(shop) as context:
        told = shaped(index_health, await index_health(context))
    assert {index["name"] for index in told["unused"]} == {
        "purchase_of",
        "part_of",
        "first_twin",
        "second_twin",
        "no_twin",
        "of_both",
    }
    assert [twins["names"] for twins in told["duplicates"]] == [["first_twin", "second_twin"]]
    assert [index["name"] for index in told["invalid"]] == ["invalid"]
    assert [key["columns"] for key in told["unindexed_foreign_keys"]] == [["customer_id"]]


async def test_an_index_that_was_used_is_not_told_as_unused(shop: str, admin: asyncpg.Connection) -> None:
    await admin.execute("set enable_seqscan = off; select * from purchase where customer_id = 3")
    await admin.execute("select pg_stat_force_next_flush()")
    async with asking(shop) as context:
        told = await index_health(context)
    assert told["unused"] == []


async def test_tables_with_dead_rows_are_told_with_whether_a_vacuum_is_due(
    shop: str, admin: asyncpg.Connection
) -> None:
    # By the table's own settings: 10 dead rows are enough there, the server would wait for 50 and a fifth.
    await admin.execute("""
        alter table customer set (
            autovacuum_enabled = off, autovacuum_vacuum_threshold = 9, autovacuum_vacuum_scale_factor = 0
        );
        alter table purchase set (autovacuum_enabled = off);
        update customer set name = 'x' where id <= 10;
    """)
    await admin.execute("update purchase set amount = 1 where id <= 250; select pg_stat_force_next_flush()")
    async with asking(shop) as context:
        told = shaped(vacuum_health, await vacuum_health(context))
        await admin.execute("vacuum customer")
        after = await vacuum_health(context)
    tables = {table["name"]: table for table in told["tables"]}
    assert list(tables) == ["purchase", "customer"]
    assert (tables["customer"]["dead_rows"], tables["customer"]["due"]) == (10, True)
    assert (tables["purchase"]["dead_rows"], tables["purchase"]["due"]) == (250, False)
    assert tables["customer"]["autovacuum"] is False
    assert tables["customer"]["last_vacuum"] is None
    vacuumed = {table["name"]: table for table in after["tables"]}["customer"]
    assert (vacuumed["dead_rows"], vacuumed["due"]) == (0, False)
    assert (vacuumed["last_vacuum"] or "").endswith("+00:00")
    assert told["freeze_max_age"] == 200_000_000
    assert urlsplit(shop).path.removeprefix("/") in {found["name"] for found in told["databases"]}
