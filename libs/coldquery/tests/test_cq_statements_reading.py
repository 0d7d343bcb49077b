import asyncpg
import pytest
from cq_corpus import CORPUS

from coldquery.errors import Refused
from coldquery.statements.builtins import DANGEROUS, HARMLESS
from coldquery.statements.parsing import parse
from coldquery.statements.reading import Reached, require_harmless, require_read

GROUND = (CORPUS / "escapes" / "ground.sql").read_text("utf-8")


async def _pass(connection: asyncpg.Connection, sql: str) -> None:
    await require_harmless(connection, require_read(parse(sql)))


async def _refusal(connection: asyncpg.Connection, sql: str) -> Refused:
    with pytest.raises(Refused) as raised:
        await _pass(connection, sql)
    return raised.value


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select bump()", "The function public.bump may do more than read"),
        ("select pg_reload_conf()", "The function pg_reload_conf may"),
        ("select 1 <+> 2", "The function public.noisy (reached by the operator <+>)"),
        ("select noisy_sum(id) from customer", "public.noisy (reached by the function noisy_sum)"),
        ("select 1::public.noisy_number", "public.noisy (reached by the type public.noisy_number)"),
        ("select c.nickname from customer c", "public.nickname (reached by the notation .nickname)"),
        ("table over_view", "public.noisy (reached by the relation over_view)"),
        ("table guarded", "public.noisy (reached by the relation guarded)"),
    ],
)
async def test_a_refusal_names_the_function_and_how_it_is_reached(
    admin: asyncpg.Connection, sql: str, told: str
) -> None:
    await admin.execute(GROUND)
    refusal = await _refusal(admin, sql)
    assert told in refusal.message
    assert "`write`" in str(refusal.hint)


async def test_the_snapshot_is_taken_also_if_nothing_has_to_be_looked_up(admin: asyncpg.Connection) -> None:
    for reached in (Reached(), require_read(parse("select lower(name) from customer"))):
        await admin.execute("begin read only")
        await require_harmless(admin, reached)
        with pytest.raises(asyncpg.ActiveSQLTransactionError):
            await admin.execute("set transaction read write")
        await admin.execute("rollback")


async def test_a_name_that_is_nowhere_is_left_to_postgres(admin: asyncpg.Connection) -> None:
    await _pass(admin, "select nosuch(1), nosuch.f(), a.b.c.d @@@ 3, x::nosuch from nosuch")


async def test_a_function_that_hides_behind_one_of_postgres_is_not_meant(admin: asyncpg.Connection) -> None:
    # As the extensions pgcrypto makes one.
    await admin.execute("create function gen_random_uuid() returns uuid language sql as 'select null::uuid'")
    await _pass(admin, "select gen_random_uuid()")
    await _refusal(admin, "select public.gen_random_uuid()")
    await admin.execute("set search_path = public, pg_catalog")
    await _refusal(admin, "select gen_random_uuid()")


async def test_a_function_that_somebody_put_beside_those_of_postgres_is_not_one_of_them(
    admin: asyncpg.Connection,
) -> None:
    await admin.execute(
        "create function pg_catalog.random(of text) returns int language sql as 'select public.bump()'"
    )
    await _pass(admin, "select random()")
    await _refusal(admin, "select random('x')")


async def test_named_arguments_find_a_function_behind_one_of_postgres(admin: asyncpg.Connection) -> None:
    await admin.execute("create function abs(given int) returns int language sql as 'select bump()'")
    await _pass(admin, "select abs(1)")
    await _refusal(admin, "select abs(given => 1)")


async def test_overloads_that_take_another_number_of_arguments_are_not_meant(
    admin: asyncpg.Connection,
) -> None:
    await admin.execute("create function lower(a int, b int) returns int language sql as 'select bump()'")
    await _pass(admin, "select lower(name) from customer")
    await _refusal(admin, "select lower(1, 2)")


async def test_a_function_in_a_schema_off_the_path_is_not_meant(admin: asyncpg.Connection) -> None:
    await admin.execute(
        "create schema aside; create function aside.f() returns int language sql as 'select bump()'"
    )
    await _pass(admin, "select f()")
    await _refusal(admin, "select aside.f()")


async def test_a_temporary_function_and_view_are_found(admin: asyncpg.Connection) -> None:
    await admin.execute("create function pg_temp.f() returns int language sql as 'select bump()'")
    await admin.execute("create temp view seen as select bump()")
    await _refusal(admin, "select pg_temp.f()")
    await _refusal(admin, "table seen")
    await _refusal(admin, "table pg_temp.seen")


async def test_a_temporary_function_hides_none(admin: asyncpg.Connection) -> None:
    # PostgreSQL finds it with its schema only.
    await admin.execute(
        "create function pg_temp.bump() returns int language sql immutable as 'select 1';"
        "create operator public.<+> (leftarg = int, rightarg = int, function = int4pl);"
        "create operator pg_temp.<-> (leftarg = int, rightarg = int, function = int4pl)"
    )
    await admin.execute(
        "create function noisy(int, int) returns int language sql as 'select bump()';"
        "create operator public.<-> (leftarg = int, rightarg = int, function = noisy)"
    )
    await _refusal(admin, "select bump()")
    await _refusal(admin, "select 1 <-> 2")
    await _pass(admin, "select pg_temp.bump(), 1 <+> 2")


@pytest.mark.parametrize(
    ("name", "arguments", "call"),
    [
        ("json", "of text", "json('1')"),
        ("json_exists", "of text, path text", "json_exists('1', '$')"),
        ("json_query", "of text, path text", "json_query('1', '$')"),
        ("json_scalar", "of text", "json_scalar('1')"),
        ("json_serialize", "of text", "json_serialize('1')"),
        ("json_value", "of text, path text", "json_value('1', '$')"),
        ("merge_action", "", "merge_action()"),
    ],
)
async def test_a_function_of_postgres_16_may_have_a_name_that_is_a_keyword_later(
    admin: asyncpg.Connection, name: str, arguments: str, call: str
) -> None:
    await _pass(admin, f"select {call}")
    await admin.execute(
        f"create function public.\"{name}\"({arguments}) returns int language sql as 'select bump()'"
    )
    assert f"public.{name}" in (await _refusal(admin, f"select {call}")).message


async def test_types_made_of_others_pass_if_no_cast_is_volatile(admin: asyncpg.Connection) -> None:
    await admin.execute(
        """create type mood as enum ('glad');
        create function mood_number(of mood[]) returns int language sql immutable as 'select 1';
        create cast (mood[] as int) with function mood_number (mood[]) as implicit;
        create domain small as int check (value < 9);
        create type span as range (subtype = int);
        create table diary (felt mood, number small, numbers small[], whole span, parts span_multirange);
        create function feelings(out felt mood, out number small) language sql stable
            as 'select null::mood, 1::small'"""
    )
    await _pass(admin, "select abs(array_agg(felt)) from diary")
    await _pass(admin, "select d, number, numbers, '{1}'::small[], whole, parts, '[1,2)'::span from diary d")
    await _pass(admin, "select * from feelings()")


async def test_functions_of_ones_own_pass_if_they_are_not_volatile(admin: asyncpg.Connection) -> None:
    await admin.execute(
        """create function twice(n int) returns int language sql immutable as 'select 2 * n';
        create function newest() returns setof customer language sql stable as 'select * from customer';
        create aggregate product (int) (sfunc = int4mul, stype = int);
        create domain positive as int check (twice(value) > 0);
        create operator |+| (leftarg = int, rightarg = int, function = int4pl);
        create type mood as enum ('glad', 'sad');
        create table diary (felt mood, number positive, moods mood[], span int4range);
        alter table diary enable row level security;
        create policy mine on diary using (current_user is not null);
        create view numbers as select twice(number), felt::text, product(number) over () from diary"""
    )
    await _pass(admin, "select twice(1), product(id) from newest() group by id having 1 |+| 2 > 1")
    await _pass(admin, "select d.number, 'glad'::mood, felt, 1::positive from diary d, numbers")


async def test_a_volatile_policy_of_writes_does_not_concern_reads(admin: asyncpg.Connection) -> None:
    await admin.execute(
        "alter table customer enable row level security;"
        "create policy bumping on customer for update using (bump() = 1)"
    )
    await _pass(admin, "table customer")


async def test_a_materialized_view_is_only_read(admin: asyncpg.Connection) -> None:
    await admin.execute(
        "create materialized view bumped as select 1 as n; create view volatile as select bump()"
    )
    await _pass(admin, "table bumped")
    await _refusal(admin, "select * from bumped, volatile")


async def test_a_read_that_is_only_explained_may_name_volatile_functions(admin: asyncpg.Connection) -> None:
    await _pass(admin, "explain insert into customer select nextval('ticket'), bump()::text")
    await _refusal(admin, "explain analyze select nextval('ticket')")
    await _refusal(admin, "explain select query_to_xml('select bump()', true, true, '')")


async def test_checking_input_passes_for_types_of_postgres_only(admin: asyncpg.Connection) -> None:
    await _pass(admin, "select pg_input_is_valid('1', 'integer')")
    await _refusal(admin, "select pg_input_is_valid('1', 'mine')")
    await _refusal(admin, "select pg_input_is_valid('1', name) from customer")


async def test_functions_of_extensions_that_run_sql_are_refused(admin: asyncpg.Connection) -> None:
    # None of those extensions is here; their functions are known by name and language.
    await admin.execute(
        "create function crosstab(text, bool, bool, text) returns xml stable language internal as 'query_to_xml';"
        "create function crosstab2(n int) returns int immutable language sql as 'select n'"
    )
    await _refusal(admin, "select crosstab('select bump()', true, true, '')")
    await _pass(admin, "select crosstab2(1)")


async def test_a_hostile_search_path_does_not_fool_the_look_up(admin: asyncpg.Connection) -> None:
    await admin.execute(
        """create schema hostile;
        create function hostile.never(name, name) returns bool language sql immutable as 'select false';
        create function hostile.never(oid, oid) returns bool language sql immutable as 'select false';
        create function hostile.never("char", "char") returns bool language sql immutable as 'select false';
        create function hostile.never(text, text) returns bool language sql immutable as 'select false';
        create operator hostile.= (leftarg = name, rightarg = name, function = hostile.never);
        create operator hostile.= (leftarg = oid, rightarg = oid, function = hostile.never);
        create operator hostile.= (leftarg = "char", rightarg = "char", function = hostile.never);
        create operator hostile.= (leftarg = text, rightarg = text, function = hostile.never);
        create operator hostile.<> (leftarg = oid, rightarg = oid, function = hostile.never);
        create domain hostile.text as pg_catalog.text check (false);
        create domain hostile.name as pg_catalog.name check (false);
        create domain hostile.oid as pg_catalog.oid check (false);
        create function hostile.unnest(anyarray) returns setof int language sql immutable as 'select 1 where false';
        create function hostile.current_schemas(bool) returns name[] language sql stable as 'select null::name[]';
        create table hostile.pg_proc (); create table hostile.pg_type (); create table hostile.pg_class ();
        create view over_bump as select bump();
        set search_path = hostile, pg_catalog, public"""
    )
    await _refusal(admin, "select bump()")
    await _refusal(admin, "table over_bump")
    await _pass(admin, "select count(*) from customer")


async def test_many_names_are_looked_up_at_once(admin: asyncpg.Connection) -> None:
    calls = ", ".join(f"f{number}(x.a{number})" for number in range(4000))
    await _pass(admin, f"select {calls} from customer")
    assert "bump" in (await _refusal(admin, f"select {calls}, bump() from customer")).message


async def test_what_postgres_brings_leads_to_nothing_volatile_of_its_own(admin: asyncpg.Connection) -> None:
    # So PostgreSQL's own operators, casts, types and aggregates need no closer look.
    volatile = await admin.fetch(
        """select p.proname from pg_proc p where p.provolatile = 'v' and p.oid < 16384 and p.oid in (
            select oprcode::oid from pg_operator union all select castfunc from pg_cast
            union all select unnest(array[typinput, typoutput])::oid from pg_type
            union all select unnest(array[aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn,
                aggmtransfn, aggminvtransfn, aggmfinalfn])::oid from pg_aggregate)"""
    )
    assert volatile == []


async def test_each_listed_function_is_one_of_postgres(admin: asyncpg.Connection) -> None:
    rows = await admin.fetch(
        "select proname, bool_or(provolatile = 'v') from pg_proc"
        " where pronamespace = 'pg_catalog'::regnamespace group by 1"
    )
    known = {row[0]: row[1] for row in rows}
    newer = {"pg_get_aios", "pg_get_loaded_modules", "pg_get_multixact_members", "pg_get_sequence_data"}
    newer |= {"pg_get_shmem_allocations_numa", "pg_get_wait_events", "pg_get_wal_summarizer_state"}
    newer |= {"pg_stat_get_backend_io", "pg_stat_get_backend_wal", "uuidv4", "uuidv7"}
    assert {name for name in HARMLESS if not known.get(name)} <= newer | {"pg_tablespace_databases"}
    assert set(known) >= DANGEROUS
    assert not HARMLESS & DANGEROUS


async def test_postgres_has_no_volatile_function_that_nobody_has_judged(admin: asyncpg.Connection) -> None:
    """A new version of PostgreSQL shows here what is to be gone through; all of it is refused until then."""
    judged = set((CORPUS / "volatile.txt").read_text("utf-8").split()) | HARMLESS | DANGEROUS
    found = await admin.fetch(
        "select distinct proname from pg_proc where pronamespace = 'pg_catalog'::regnamespace"
        " and provolatile = 'v' and not prorettype = any ("
        "'{trigger,event_trigger,internal,language_handler,fdw_handler,tsm_handler,table_am_handler,"
        "index_am_handler}'::regtype[])"
    )
    assert {row["proname"] for row in found} - judged == set()
