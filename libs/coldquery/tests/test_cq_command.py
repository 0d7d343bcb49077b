"""The command line, as operators and agents start it."""

import asyncio
import json
import socket
import subprocess
from collections.abc import Generator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cq_command import COMMAND, WITHIN_SECONDS, environment, run, serving, talk, until
from cq_server import ask
from fastmcp import Client

from embedded_services.server import free_port

HELLO: tuple[dict[str, Any], ...] = (
    {
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    },
    {"method": "notifications/initialized"},
)


def query(**arguments: object) -> dict[str, Any]:
    return {"id": 2, "method": "tools/call", "params": {"name": "pg_query", "arguments": arguments}}


@pytest.fixture
def shop_url(shop: str) -> str:
    return shop


@pytest.fixture
async def role(admin: asyncpg.Connection, shop: str) -> Any:
    name = f"reader_{shop.rpartition('_')[2]}"
    yield name
    if await admin.fetchval("select true from pg_roles where rolname = $1", name):
        await admin.execute(f"drop owned by {name}; drop role {name}")


def test_the_version_is_shown() -> None:
    assert run("--version") == (f"coldquery {version('coldquery')}\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["serve", "grants", "migrate", "api-keys"]),
        (["serve", "--help"], ["--stdio", "DATABASE_URL", "DB_HOST", "coldquery grants", "/mcp"]),
        (["grants", "--help"], ["--role", "--read", "--write", "--apply", "COLDQUERY_ROLE_PASSWORD"]),
    ],
)
def test_help_says_what_there_is(arguments: list[str], words: list[str]) -> None:
    shown, _ = run(*arguments)
    assert [word for word in words if word not in shown] == []


def test_a_wrong_setting_is_told_in_a_line() -> None:
    assert run("serve", exit_code=2, MAX_SESSIONS="0") == (
        "",
        "Error: MAX_SESSIONS: Input should be greater than or equal to 1\n",
    )


def test_a_port_in_use_is_named_with_what_to_do(shop_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ended = subprocess.run(
            [*COMMAND, "serve", "--port", port],
            env=environment({"DATABASE_URL": shop_url, "COLDQUERY_DATA_DIR": str(tmp_path)}),
            capture_output=True,
            text=True,
            timeout=WITHIN_SECONDS,
            check=False,
        )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use. "
        "Name another with --host and --port, or COLDQUERY_HOST and COLDQUERY_PORT.\n"
    )


def test_keys_are_made_in_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    # No `fleet up` is looked for where the tests run.
    nowhere = ("--data-dir", str(tmp_path))
    key, _ = run("api-keys", "create", "--name", "agent", *nowhere, COLDQUERY_DATA_DIR=str(folder))
    listed, _ = run("api-keys", "list", "--json", *nowhere, COLDQUERY_DATA_DIR=str(folder))
    [told] = json.loads(listed)
    assert told["key_id"] in key
    assert told["scopes"] == ["read"]
    assert (folder / "coldquery_keys.db").stat().st_mode & 0o777 == 0o600
    assert run("migrate", COLDQUERY_DATA_DIR=str(folder)) == (
        "",
        "The database of the API keys is up to date.\n",
    )


def test_keys_that_cannot_be_made_are_told_in_a_line_without_the_password() -> None:
    for command in (["migrate"], ["api-keys", "list"]):
        _, told = run(*command, exit_code=1, ACCESS_DATABASE_URL="postgresql://me:hidden@127.0.0.1:9/keys")
        assert told.startswith("Error: ")
        assert told.count("\n") == 1
        assert "hidden" not in told


async def test_grants_are_printed_or_applied(shop: str, role: str, admin: asyncpg.Connection) -> None:
    printed, told = await asyncio.to_thread(run, "grants", "--role", role)
    assert told == ""
    assert f'GRANT SELECT ON ALL TABLES IN SCHEMA "public" TO "{role}"' in printed
    assert "INSERT" not in printed
    written, _ = await asyncio.to_thread(run, "grants", "--role", role, "--write", "public")
    assert "INSERT" in written
    await admin.execute(printed)
    _, told = await asyncio.to_thread(
        run,
        *("grants", "--role", role, "--write", "public", "--apply"),
        DATABASE_URL=shop,
        COLDQUERY_ROLE_PASSWORD="hidden",
    )
    assert told == f"The role {role} is ready.\n"
    own = await asyncpg.connect(shop, user=role, password="hidden")
    try:
        await own.execute("delete from purchase; create table own ()")
    finally:
        await own.close()
    _, told = await asyncio.to_thread(run, "grants", "--role", role, "--apply", DATABASE_URL=shop)
    assert told.endswith(" a new role has none: COLDQUERY_ROLE_PASSWORD.\n")


@pytest.mark.parametrize(
    ("arguments", "given", "exit_code", "words"),
    [
        (["--role", ""], {}, 2, "A name is empty."),
        (["--apply"], {}, 2, "there is no database to run it on; set DATABASE_URL"),
        (["--apply", "--read", "nowhere"], {"DATABASE_URL": "shop"}, 1, 'schema "nowhere" does not exist'),
        (["--apply", "--role", "postgres"], {"DATABASE_URL": "shop"}, 1, "may do more than any grant"),
        (
            ["--apply"],
            {"DATABASE_URL": "shop", "COLDQUERY_ROLE_PASSWORD": "hídden"},
            2,
            "COLDQUERY_ROLE_PASSWORD: the password must be of printable ASCII characters",
        ),
        (
            ["--apply"],
            {"DATABASE_URL": "postgresql://me:hidden@127.0.0.1:9/x"},
            1,
            "the database cannot be reached; see DATABASE_URL",
        ),
    ],
)
def test_grants_that_cannot_be_made_are_told_in_a_line(
    shop_url: str, arguments: list[str], given: dict[str, str], exit_code: int, words: str
) -> None:
    given = {name: shop_url if value == "shop" else value for name, value in given.items()}
    _, told = run("grants", *arguments, exit_code=exit_code, **given)
    assert told.startswith("Error: ")
    assert words in told
    assert told.count("\n") == 1
    assert "hidden" not in told


def test_on_standard_streams_the_output_is_the_protocol_alone_and_the_log_goes_to_standard_error(
    shop_url: str, tmp_path: Path
) -> None:
    sql = "delete from purchase where id = 1"
    (_, answer), log = talk(
        *HELLO,
        query(action="write", sql=sql, autocommit=True),
        DATABASE_URL=shop_url,
        COLDQUERY_DATA_DIR=str(tmp_path),
    )
    assert answer["result"]["structuredContent"]["rows_affected"] == 1
    [audited] = [line for line in map(json.loads, log.splitlines()) if line["event"] == "write"]
    assert (audited["key_id"], audited["rows"]) == ("local", 1)
    assert audited["statement"] == sql


@pytest.fixture
def served(tmp_path: Path) -> Generator[tuple[str, Path]]:
    """The address of a server with a database of its own, and its data folder."""
    folder = tmp_path / "data"
    with serving(free_port(), tmp_path / "log", COLDQUERY_DATA_DIR=str(folder)) as url:
        yield url, folder


async def test_without_a_database_it_starts_one_and_works_as_a_role_that_may_do_little(
    served: tuple[str, Path],
) -> None:
    url, folder = served
    log = map(json.loads, (folder.parent / "log").read_text().splitlines())
    [listening] = [line for line in log if line["event"] == "listening"]
    assert url == f"http://{listening['host']}:{listening['port']}"
    key, _ = await asyncio.to_thread(
        run,
        *("api-keys", "create", "--name", "agent", "--scope", "read", "--scope", "write"),
        COLDQUERY_DATA_DIR=str(folder),
    )
    async with Client(f"{url}/mcp", auth=key.strip(), timeout=60) as agent:
        who = "select current_user::text, rolsuper from pg_roles where rolname = current_user"
        assert (await ask(agent, "pg_query", "read", sql=who))["rows"] == [["coldquery", False]]
        await ask(agent, "pg_query", "write", sql="create table note (i int)", autocommit=True)
        refused = await agent.call_tool(
            "pg_query",
            {"action": "write", "sql": "create schema own", "autocommit": True},
            raise_on_error=False,
        )
        assert refused.is_error
    # Another one of the same folder shares it.
    (_, answer), _ = await asyncio.to_thread(
        talk, *HELLO, query(action="read", sql="table note"), COLDQUERY_DATA_DIR=str(folder)
    )
    assert answer["result"]["structuredContent"]["row_count"] == 0


def test_without_keys_of_its_own_those_of_a_running_fleet_up_are_worked_on(
    shop_url: str, tmp_path: Path
) -> None:
    run("migrate", ACCESS_DATABASE_URL=shop_url)
    fleet, own = tmp_path / "fleet", str(tmp_path / "own")
    fleet.mkdir()
    (fleet / "database-url").write_text(f"{shop_url}\n")
    create = ("api-keys", "create", "--data-dir", str(fleet), "--name")
    run(*create, "shared", COLDQUERY_DATA_DIR=own)
    run("migrate", COLDQUERY_DATA_DIR=own)
    run(*create, "alone", COLDQUERY_DATA_DIR=own)
    assert names_of_keys(ACCESS_DATABASE_URL=shop_url) == ["shared"]
    assert names_of_keys(COLDQUERY_DATA_DIR=own) == ["alone"]


def names_of_keys(**given: str) -> list[str]:
    listed, _ = run("api-keys", "list", "--json", exit_code=0, **given)
    return [key["name"] for key in json.loads(listed)]


def test_a_server_on_standard_streams_ends_at_once_with_all_that_it_started(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "serve", "--stdio"],
        env=environment({"COLDQUERY_DATA_DIR": str(tmp_path)}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"jsonrpc": "2.0", **HELLO[0]}) + "\n")
        process.stdin.flush()
        until(lambda: (tmp_path / "database-url").exists() or process.poll() is not None)
        assert json.loads(process.stdout.readline())["id"] == 1
        process.terminate()
        assert process.wait(WITHIN_SECONDS) == 0
        assert not (tmp_path / "database-url").exists()
    finally:
        process.kill()
        process.communicate()
