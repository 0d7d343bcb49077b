"""What the README shows runs as it stands, but for ports, hosts and passwords, and its tables are whole."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Generator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cq_command import WITHIN_SECONDS, environment, serving
from fastmcp import Client

from coldquery.mcp.registered import REGISTRY
from coldquery.settings import Settings
from embedded_services import EmbeddedPostgres
from embedded_services.server import free_port

README = (Path(__file__).parents[1] / "README.md").read_text()
SERVED, ASKED, OF_YOURS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
[PYTHON] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
OVER_HTTP, ON_STREAMS = map(json.loads, re.findall(r"```json\n(.*?)```", README, re.DOTALL))
BIN = Path(sys.executable).parent
PASSWORD = "for-the-readme"

[TABLE] = re.findall(r"## Settings\n(.*?)\n## ", README, re.DOTALL)
ROWS = re.findall(r"^\| (`[A-Z`_, ]+`) \| (.*?) ?\| ", TABLE, re.MULTILINE)
SETTINGS = {
    name.strip("`"): default
    for names, defaults in ROWS
    for name, default in zip_longest(names.split(", "), defaults.split(", "), fillvalue="")
}
MEANT = {"db_port": "5432", "db_user": "postgres", "db_database": "postgres", "rate_limit_query": "600/min"}
"""Defaults that the settings do not hold as the table has them."""


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_setting_is_in_the_table_with_its_default(name: str) -> None:
    default = Settings.model_fields[name].get_default(call_default_factory=True, validated_data={})
    meant = MEANT.get(name, f"{default:g}" if isinstance(default, float) else str(default or ""))
    assert SETTINGS[name.upper()] == meant


def test_nothing_else_is_in_the_table_of_settings() -> None:
    assert set(SETTINGS) == {name.upper() for name in Settings.model_fields}


def test_the_table_of_tools_has_every_action() -> None:
    rows = re.findall(r"^\| `(pg_\w+)` \| (.*) \|$", README, re.MULTILINE)
    assert {tool: re.findall(r"\w+", actions) for tool, actions in rows} == {
        tool: list(actions) for tool, actions in REGISTRY.tools().items()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


@pytest.fixture(scope="module")
def served(folder: Path) -> Generator[str]:
    """What the first command does."""
    assert SERVED.partition("#")[0].split() == ["uv", "run", "coldquery", "serve"]
    data = str(folder / "coldquery_data")
    with serving(free_port(), folder / "log", COLDQUERY_DATA_DIR=data) as url:
        yield url


@pytest.fixture(scope="module")
def asked(folder: Path, served: str) -> list[str]:
    """What the second block prints, and the key that it makes."""
    return bash(f'{ASKED}\necho; echo "$COLDQUERY_KEY"', folder, served).splitlines()


def bash(script: str, folder: Path, url: str, **given: str) -> str:
    """What it prints, in `folder`; each of its commands has to succeed."""
    script = script.replace("uv run coldquery", f"{BIN}/coldquery").replace("http://127.0.0.1:8003", url)
    return subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env=environment(given),
        capture_output=True,
        text=True,
        check=True,
        timeout=WITHIN_SECONDS,
    ).stdout


def test_the_first_question_is_answered(asked: list[str]) -> None:
    assert json.loads(asked[0])["result"]["structuredContent"]["rows"] == [[42]]


def test_the_example_in_python_prints_the_rows(asked: list[str], served: str, folder: Path) -> None:
    command = f"{sys.executable} -c '{PYTHON}'"
    assert bash(command, folder, served, COLDQUERY_KEY=asked[-1]) == "[['2026-02-01']]\n"


async def test_an_agent_connects_over_http_as_it_is_told_to(asked: list[str], served: str) -> None:
    told = json.dumps(OVER_HTTP).replace("http://127.0.0.1:8003", served)
    async with Client(json.loads(told.replace("fleet_\\u2026", asked[-1])), timeout=WITHIN_SECONDS) as agent:
        assert len(await agent.list_tools()) == 5


@pytest.fixture(scope="module")
def of_yours(folder: Path) -> Generator[str]:
    """The URL of a database with something in it, by its role that the third block makes."""
    admin, serve = (of_block(line) for line in OF_YOURS.splitlines()[1:])
    assert serve[1:] == ["uv", "run", "coldquery", "serve"]
    with EmbeddedPostgres(folder / "postgres") as postgres:
        asyncio.run(sell(postgres.url))
        address = postgres.url.rpartition("@")[2]
        given = {"DATABASE_URL": postgres.url, "COLDQUERY_ROLE_PASSWORD": PASSWORD}
        bash(" ".join(admin[1:]), folder, "", **given)
        yield f"postgresql://coldquery:{PASSWORD}@{address}"


def of_block(line: str) -> list[str]:
    words = line.split()
    assert words[0].startswith("DATABASE_URL=postgresql://")
    return words


async def sell(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("create table purchase (amount int); insert into purchase values (7)")
    await connection.close()


async def test_on_a_database_of_yours_an_agent_on_standard_streams_reads_and_cannot_write(
    of_yours: str, folder: Path
) -> None:
    config: dict[str, Any] = json.loads(json.dumps(ON_STREAMS))
    server = config["mcpServers"]["coldquery"]
    assert server["env"]["DATABASE_URL"].startswith("postgresql://coldquery:")
    server["command"] = f"{BIN}/{server['command']}"
    server["env"] = environment({"DATABASE_URL": of_yours, "COLDQUERY_DATA_DIR": str(folder / "own")})
    async with Client(config, timeout=WITHIN_SECONDS, init_timeout=WITHIN_SECONDS) as agent:
        read = await agent.call_tool("pg_query", {"action": "read", "sql": "table purchase"})
        write = {"action": "write", "sql": "delete from purchase", "autocommit": True}
        refused = await agent.call_tool("pg_query", write, raise_on_error=False)
    assert (read.structured_content or {})["rows"] == [[7]]
    assert (refused.structured_content or {})["error"]["sqlstate"] == "42501"
