"""Tools as an agent finds them, in memory."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from mcp_agent import Agent, ask, refusal
from stored_inventory import OWN_GITHUB, store

from dependency_graph.infrastructure.database import Database

READING = {
    "query_dependencies": {"service_id": "a"},
    "find_services": {},
    "analyze_impact": {"service_id": "c"},
    "find_paths": {"source": "a", "target": "c"},
    "list_circular_dependencies": {},
    "list_mcp_servers": {},
    "get_mcp_server": {"name": "github"},
}
EDGES = [{"source": "a", "target": "b"}, {"source": "b", "target": "a"}, {"source": "b", "target": "b"}]
WRITING = {"ingest_dependencies": {"source": "kubernetes", "nodes": [{"service_id": "n"}], "edges": EDGES}}


async def _output_schema(agent: Agent, tool: str) -> dict[str, Any]:
    return next(known.output_schema or {} for known in await agent.list_tools() if known.name == tool)


def _keys(schema: Any) -> Iterator[str]:
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _keys(inner)
    if isinstance(schema, dict):
        yield from schema


async def test_every_tool_tells_what_it_is_takes_and_answers(agent: Agent) -> None:
    tools = {tool.name: tool for tool in await agent.list_tools()}
    assert tools.keys() == READING.keys() | WRITING.keys()
    for tool in tools.values():
        assert tool.title
        assert len(tool.description or "") > 100
        assert tool.input_schema["additionalProperties"] is False
        assert "default" not in set(_keys(tool.output_schema))
        assert tool.output_schema is not None
        assert len(tool.output_schema["properties"]) == len(tool.output_schema["required"])


async def test_only_the_tool_that_ingests_says_that_it_writes(agent: Agent) -> None:
    for tool in await agent.list_tools():
        assert tool.annotations is not None
        hints = tool.annotations.model_dump(exclude={"title"})
        writes = tool.name in WRITING
        assert hints == {
            "read_only_hint": not writes,
            "destructive_hint": writes,
            "idempotent_hint": not writes,
            "open_world_hint": False,
        }


@pytest.mark.parametrize(("tool", "arguments"), (READING | WRITING).items())
async def test_every_answer_is_as_the_output_schema_says(
    agent: Agent, database: Database, cyclic: None, tool: str, arguments: dict[str, Any]
) -> None:
    await store(database, [OWN_GITHUB])
    schema = await _output_schema(agent, tool)
    answer = await ask(agent, tool, **arguments)
    jsonschema.validate(answer, schema, format_checker=jsonschema.FormatChecker())
    assert answer.keys() == schema["properties"].keys()


async def test_a_truncated_answer_is_as_the_output_schema_says(agent: Agent, cyclic: None) -> None:
    answer = await ask(agent, "query_dependencies", service_id="a", limit=1)
    jsonschema.validate(answer, await _output_schema(agent, "query_dependencies"))
    assert answer["truncated"]
    assert answer["statistics"]["omitted_nodes"] == 1


async def test_reading_tools_find_what_is_there(agent: Agent, cyclic: None) -> None:
    walked = await ask(agent, "query_dependencies", service_id="a", direction="downstream", depth=1)
    assert [node["service_id"] for node in walked["nodes"]] == ["b"]
    impact = await ask(agent, "analyze_impact", service_id="c")
    assert [(one["service_id"], one["impact"]) for one in impact["impacted"]] == [
        ("b", "fails"),
        ("a", "fails"),
    ]
    assert (await ask(agent, "find_paths", source="a", target="c"))["paths"] == [["a", "b", "c"]]
    found = await ask(agent, "find_services", q="A", team="t")
    assert [one["service_id"] for one in found["services"]] == ["a"]
    cycles = await ask(agent, "list_circular_dependencies", status="open")
    assert [one["cycle_path"] for one in cycles["circular_dependencies"]] == [["a", "b", "c", "a"]]


async def test_lists_go_on_where_a_page_ended(agent: Agent, cyclic: None) -> None:
    first = await ask(agent, "find_services", limit=2)
    second = await ask(agent, "find_services", limit=2, cursor=first["next_cursor"])
    pages = [[one["service_id"] for one in page["services"]] for page in (first, second)]
    assert (pages, second["next_cursor"]) == ([["a", "b"], ["c"]], None)
    assert "not a cursor" in await refusal(agent, "find_services", cursor="rubbish")


@pytest.mark.parametrize(
    ("tool", "argument", "least", "most"),
    [
        ("query_dependencies", "depth", 1, 10),
        ("query_dependencies", "limit", 1, 10000),
        ("query_dependencies", "min_confidence", 0, 1),
        ("analyze_impact", "depth", 1, 1000),
        ("analyze_impact", "limit", 1, 10000),
        ("find_services", "limit", 1, 1000),
        ("list_circular_dependencies", "limit", 1, 1000),
        ("list_mcp_servers", "limit", 1, 1000),
    ],
)
async def test_numbers_have_the_limits_of_the_http_api(
    agent: Agent, cyclic: None, tool: str, argument: str, least: int, most: int
) -> None:
    for within in (least, most):
        assert await ask(agent, tool, **READING[tool] | {argument: within})
    for beyond in (least - 1, most + 1):
        assert (await refusal(agent, tool, **READING[tool] | {argument: beyond})).startswith(f"{argument}: ")


async def test_an_ingest_at_a_given_time_counts_once_and_one_without_at_each_call(agent: Agent) -> None:
    told = WRITING["ingest_dependencies"] | {"timestamp": "2026-02-14T10:00:00Z"}
    answers = [await ask(agent, "ingest_dependencies", **told) for _ in range(2)]
    assert [(a["nodes_upserted"], a["edges_upserted"], a["generation"]) for a in answers] == [
        (3, 2, 1),
        (0, 0, 1),
    ]
    assert [found["new"] for a in answers for found in a["circular_dependencies_detected"]] == [True, False]
    assert "1 edge from a service to itself was left out" in answers[0]["warnings"]
    assert (await ask(agent, "ingest_dependencies", **WRITING["ingest_dependencies"]))["edges_upserted"] == 2
