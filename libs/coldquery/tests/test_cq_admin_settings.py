"""pg_admin settings."""

from collections.abc import AsyncGenerator, Generator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cq_asking import as_reader, asking, audit_of
from cq_shapes import shaped

from coldquery.actions.admin.settings import settings
from coldquery.actions.catalogue import looking
from coldquery.actions.context import Context
from coldquery.actions.query.write import write
from coldquery.actions.schema.change import alter
from coldquery.connections.timeout import Timeout
from coldquery.errors import NotAllowed, Refused, StatementFailed
from coldquery.statements.reading import Reached
from embedded_services import EmbeddedPostgres

FAST_AND_FORGETFUL = {"fsync": "off", "synchronous_commit": "off"}


async def told(context: Context, **asked: Any) -> Any:
    return shaped(settings, await settings(context, **asked))


async def now(context: Context, name: str, session_id: str | None = None) -> Any:
    """What a read sees."""
    timeout = Timeout.asked(None, context.limits)
    async with context.connections.reading(context.caller, session_id, timeout, Reached()) as work:
        return await work.connection.fetchval("select current_setting($1)", name)


async def begun(context: Context) -> str:
    session = await context.connections.sessions.begin(context.caller, read_only=False)
    return session.session_id


async def test_one_setting_is_told_by_its_name_in_any_case(shop_to_read: str) -> None:
    async with asking(shop_to_read) as context:
        answer = await told(context, setting_name="WORK_mem")
    assert answer["setting"] == {
        "name": "work_mem",
        "value": "4MB",
        "category": "Resource Usage / Memory",
        "description": "Sets the maximum memory to be used for query workspaces.",
        "type": "integer",
        "unit": "kB",
        "source": "default",
        "default": "4096",
        "minimum": "64",
        "maximum": "2147483647",
        "allowed": None,
        "settable": "by anyone",
        "pending_restart": False,
    }


async def test_a_category_is_told_by_a_part_of_its_name(shop_to_read: str) -> None:
    async with asking(shop_to_read) as context:
        answer = await told(context, category="vacuum")
        all_of_them = await told(context, category="")
    names = {setting["name"] for setting in answer["settings"]}
    assert "autovacuum" in names
    assert "work_mem" not in names
    assert answer["categories"] is None
    assert len(all_of_them["settings"]) == 200 < all_of_them["total"]


async def test_without_a_name_the_settings_that_were_changed_and_all_categories_are_told(
    shop_to_read: str,
) -> None:
    async with asking(shop_to_read) as context:
        answer = await told(context)
    names = {setting["name"] for setting in answer["settings"]}
    assert "max_connections" in names
    assert "enable_seqscan" not in names
    assert "Resource Usage / Memory" in {category["name"] for category in answer["categories"]}


async def test_a_value_in_a_session_holds_until_its_transaction_ends(shop_to_read: str) -> None:
    async with asking(shop_to_read) as context:
        session = await begun(context)
        answer = await told(context, setting_name="work_mem", setting_value="7MB", session_id=session)
        inside = await now(context, "work_mem", session)
        outside = await now(context, "work_mem")
        assert await told(context, setting_name="work_mem", session_id=session)
        await context.connections.sessions.rollback(
            context.caller, session, Timeout.asked(None, context.limits)
        )
        written = audit_of(context).written
    assert (answer["before"], answer["value"]) == ("4MB", "7MB")
    assert "transaction ends" in answer["holds"]
    assert (inside, outside) == ("7MB", "4MB")
    assert written == [("writer", session, "SET \"work_mem\" = '7MB'", None)]


@pytest.fixture
async def own_role(shop: str, admin: asyncpg.Connection) -> AsyncGenerator[None]:
    """What is set for the role is not, afterwards."""
    yield
    database = await admin.fetchval("select quote_ident(current_database())")
    await admin.execute(f"alter role current_user in database {database} reset all")


@pytest.mark.parametrize("undoing", [write, alter])
async def test_a_value_with_autocommit_holds_from_the_next_call_on_and_can_be_undone(
    shop: str, own_role: None, undoing: Any
) -> None:
    async with asking(shop) as context:
        assert await now(context, "work_mem") == "4MB"
        answer = await told(context, setting_name="work_mem", setting_value="9MB", autocommit=True)
        assert await now(context, "work_mem") == "9MB"
        undo = answer["undo"].removeprefix("pg_query write: ")
        await undoing(context, sql=undo, autocommit=True)
        assert await now(context, "work_mem") == "4MB"
    assert (answer["before"], answer["value"]) == ("4MB", "9MB")
    assert "new connections" in answer["holds"]


async def test_a_search_path_is_kept_as_a_list(shop: str, admin: asyncpg.Connection, own_role: None) -> None:
    value = '"$user", "A b", public'
    async with asking(shop) as context:
        await told(context, setting_name="search_path", setting_value=value, autocommit=True)
        assert await now(context, "search_path") == value
        async with looking(context) as catalogue:
            assert catalogue.path == ["pg_catalog", "public"]


async def test_a_setting_of_ones_own_is_set_and_told(shop: str, own_role: None) -> None:
    async with asking(shop) as context:
        await told(context, setting_name="shop.mood", setting_value='it\'s "glad"; drop', autocommit=True)
        answer = await told(context, setting_name="shop.mood")
    assert answer["setting"]["value"] == 'it\'s "glad"; drop'


@pytest.mark.parametrize(
    ("name", "value", "sqlstate"),
    [
        ("work_mem", "much", "22023"),
        ("nothing", "1", "42704"),
        ("max_connections", "7", "55P02"),
        ("log_destination", "csvlog", "55P02"),
    ],
)
@pytest.mark.parametrize("in_session", [True, False])
async def test_what_cannot_be_set_fails_in_postgresqls_words_and_the_session_goes_on(
    shop_to_read: str, name: str, value: str, sqlstate: str, in_session: bool
) -> None:
    async with asking(shop_to_read) as context:
        session = await begun(context) if in_session else None
        where: Any = {"session_id": session, "autocommit": not in_session}
        with pytest.raises(StatementFailed) as failed:
            await settings(context, setting_name=name, setting_value=value, **where)
        assert await now(context, "work_mem", session) == "4MB"
        assert len(audit_of(context).failures) == 1
    assert failed.value.sqlstate == sqlstate


@pytest.mark.parametrize("name", ["shop.api_key", "shop.PASSWORD", "shop.jwt_secret", "shop.conninfo"])
async def test_a_secret_is_told_nowhere(shop: str, own_role: None, name: str) -> None:
    async with asking(shop) as context:
        answer = await told(context, setting_name=name, setting_value="s3cret", autocommit=True)
        again = await told(context, setting_name=name, setting_value="s3cret2", autocommit=True)
        one = await told(context, setting_name=name)
        logged = str(audit_of(context).written)
        assert (await now(context, name)) == "s3cret2"
    assert one["setting"]["value"] == "***"
    assert "s3cret" not in f"{answer}{again}{one}{logged}"


@pytest.fixture
def standby_to_be(tmp_path: Path) -> Generator[str]:
    """The URL of a server that knows a password."""
    secret = {**FAST_AND_FORGETFUL, "primary_conninfo": "host=127.0.0.1 password=s3cret"}
    with EmbeddedPostgres(tmp_path, settings=secret) as server:
        yield server.url


async def test_the_servers_own_secrets_are_masked(standby_to_be: str) -> None:
    async with asking(standby_to_be) as context:
        one = await told(context, setting_name="primary_conninfo")
        listed = await told(context, category="Replication / Standby")
        changed = await told(context)
    assert one["setting"]["value"] == "***"
    assert "primary_conninfo" in str(listed)
    assert "primary_conninfo" in str(changed)
    assert "s3cret" not in f"{one}{listed}{changed}"


async def test_a_secret_that_is_not_set_is_empty(shop_to_read: str) -> None:
    async with asking(shop_to_read) as context:
        assert (await told(context, setting_name="primary_conninfo"))["setting"]["value"] == ""


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"setting_value": "1"}, "no name"),
        ({"setting_name": "work_mem", "category": "Memory"}, "Both"),
        ({"setting_name": "work_me"}, "no setting"),
        ({"setting_name": "a.b"}, "no setting"),
        ({"setting_name": "not a name.!"}, "no setting"),
        ({"setting_name": ""}, "no setting"),
        ({"category": "nonsense"}, "No category"),
        ({"setting_name": "work_mem", "setting_value": "1MB"}, "autocommit"),
        ({"setting_name": "shop.x", "setting_value": "\0", "autocommit": True}, "NUL"),
        ({"setting_name": "a..b", "setting_value": "1", "autocommit": True}, "empty"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    shop_to_read: str, asked: Mapping[str, Any], words: str
) -> None:
    async with asking(shop_to_read) as context:
        with pytest.raises(Refused, match=words):
            await settings(context, **asked)


async def test_a_name_that_is_nearly_right_is_answered_with_those_there_are(shop_to_read: str) -> None:
    async with asking(shop_to_read) as context:
        with pytest.raises(Refused) as refused:
            await settings(context, setting_name="work_me")
    assert "work_mem" in (refused.value.hint or "")


async def test_a_value_needs_the_scope_write_and_a_look_does_not(shop_to_read: str) -> None:
    async with asking(shop_to_read) as context:
        reader = as_reader(context)
        assert await told(reader, setting_name="work_mem")
        with pytest.raises(NotAllowed):
            await settings(reader, setting_name="work_mem", setting_value="1MB", autocommit=True)
