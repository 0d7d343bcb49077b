"""How actions are found and called, with handlers that do nothing."""

from typing import Any, NotRequired

import pytest
from typing_extensions import TypedDict

from coldquery.actions.context import Context
from coldquery.audit import LoggedAudit
from coldquery.caller import LOCAL
from coldquery.connections.owner import Connections
from coldquery.errors import Refused
from coldquery.limits import Limits
from coldquery.mcp.registry import Registry


class Found(TypedDict):
    asked: dict[str, Any]


class Changed(TypedDict):
    count: int
    hint: NotRequired[str]


async def find(context: Context, *, name: str, limit: int = 7, exact: bool | None = None) -> Found:
    return Found(asked={"name": name, "limit": limit, "exact": exact, "key_id": context.caller.key_id})


async def change(_context: Context, *, name: str, sql: str) -> Changed | Found:
    return Changed(count=len(name + sql))


async def rest(_context: Context) -> Found:
    return Found(asked={})


@pytest.fixture
def registry() -> Registry:
    return Registry({"pg_thing": {"find": find, "change": change, "rest": rest}, "pg_other": {"rest": rest}})


@pytest.fixture
def context() -> Context:
    return Context(LOCAL, Connections({}, Limits()), Limits(), LoggedAudit())


async def refusal(registry: Registry, context: Context, action: str, **given: object) -> str:
    with pytest.raises(Refused) as refused:
        await registry.run("pg_thing", action, context, given)
    return f"{refused.value.message} {refused.value.hint}"


async def test_an_action_gets_what_was_given_and_its_own_defaults_for_the_rest(
    registry: Registry, context: Context
) -> None:
    answer = await registry.run("pg_thing", "find", context, {"name": "a", "limit": None, "sql": None})
    assert answer == {"asked": {"name": "a", "limit": 7, "exact": None, "key_id": "local"}}
    answer = await registry.run("pg_thing", "find", context, {"name": "", "limit": 0, "exact": False})
    assert answer == {"asked": {"name": "", "limit": 0, "exact": False, "key_id": "local"}}


async def test_what_an_action_does_not_take_is_refused_with_what_it_takes(
    registry: Registry, context: Context
) -> None:
    assert await refusal(registry, context, "find", name="a", sql="b", cascade=False) == (
        "pg_thing find does not take cascade, sql. Leave it out; it takes name, limit, exact."
    )
    assert await refusal(registry, context, "rest", name="a") == (
        "pg_thing rest does not take name. Leave it out; it takes none."
    )


async def test_what_an_action_cannot_do_without_is_named(registry: Registry, context: Context) -> None:
    assert await refusal(registry, context, "change") == (
        "pg_thing change needs name, sql. It takes name, sql."
    )
    assert await refusal(registry, context, "change", sql="a", name=None) == (
        "pg_thing change needs name. It takes name, sql."
    )


async def test_an_action_that_is_not_there_is_refused_with_those_that_are(
    registry: Registry, context: Context
) -> None:
    assert await refusal(registry, context, "drop") == (
        "pg_thing has no action 'drop'. Its actions are find, change, rest."
    )


def test_the_answer_of_a_tool_is_that_of_any_of_its_actions(registry: Registry) -> None:
    assert registry.answer("pg_thing") == Found | Changed
    assert registry.answer("pg_other") is Found
