"""A registry that is given by pages only, one that needs a login, and one that is away."""

from typing import Any

import pytest
from counted_waits import Waits
from loopback_http import Told
from toolhive_answers import SECRET, upstream_server
from toolhive_server import PAGES, PAGES_OF_OPENAPI, REGISTRY, ToolhiveServer

from toolhive_client import RegistryUnavailable, ToolhiveClient, ToolhiveUnavailable
from toolhive_client.registry.fetching import MOST_PAGES


def servers(number: int, first: int = 0) -> list[Any]:
    return [upstream_server(f"example/notes-{each}") for each in range(first, first + number)]


async def refusal(client: ToolhiveClient) -> RegistryUnavailable:
    with pytest.raises(RegistryUnavailable) as refused:
        await client.get_registry()
    assert SECRET not in repr(refused.value)
    assert not isinstance(refused.value, ToolhiveUnavailable)
    return refused.value


@pytest.mark.parametrize("number", [0, 1, 199, 200, 201, 450])
async def test_all_pages_are_read(client: ToolhiveClient, toolhive: ToolhiveServer, number: int) -> None:
    toolhive.servers = servers(number)
    registry = await client.get_registry()
    assert [server.name for server in registry.servers] == [f"example/notes-{each}" for each in range(number)]
    assert registry.unreadable == 0
    assert toolhive.asked[PAGES] == max(1, -(-number // 200))
    assert toolhive.asked[REGISTRY] == 1


async def test_they_are_where_the_openapi_has_them_as_well(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.servers, toolhive.pages = servers(250), (PAGES_OF_OPENAPI,)
    assert len((await client.get_registry()).servers) == 250
    assert (toolhive.asked[PAGES], toolhive.asked[PAGES_OF_OPENAPI]) == (1, 2)


async def test_where_there_are_none_the_registry_has_to_be_converted(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.servers, toolhive.pages = [], ()
    refused = await refusal(client)
    assert refused.code == "registry_legacy_format"
    assert "502 (registry_legacy_format); convert its registry with `thv registry convert`" in str(refused)
    assert toolhive.asked[REGISTRY] == 1


async def test_a_server_may_give_fewer_to_a_page_than_are_asked_for(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.fail(REGISTRY, 502, {"code": "registry_legacy_format"})
    for first in (4, 2, 0):
        page = {"servers": servers(2, first), "metadata": {"total": 6, "limit": 2}}
        toolhive.fail(PAGES, 200, page, times=1)
    assert len((await client.get_registry()).servers) == 6
    assert [target.partition("?")[2] for target in toolhive.targets[1:]] == [
        "limit=200",
        "limit=200&page=2",
        "limit=200&page=3",
    ]


async def test_pages_may_be_named_by_cursors(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    toolhive.fail(REGISTRY, 502, {"code": "registry_legacy_format"})
    toolhive.fail(PAGES, 200, {"servers": servers(2, 2), "metadata": {"nextCursor": "", "count": 2}}, times=1)
    toolhive.fail(PAGES, 200, {"servers": servers(2), "metadata": {"nextCursor": "a&b"}}, times=1)
    assert len((await client.get_registry()).servers) == 4
    assert toolhive.targets[-1] == f"{PAGES}?limit=200&cursor=a%26b"


async def test_a_page_that_comes_again_is_not_read_for_ever(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.fail(REGISTRY, 502, {"code": "registry_legacy_format"})
    toolhive.fail(PAGES, 200, {"servers": servers(2), "metadata": {"total": 1000}})
    assert "pages of its registry without an end" in str(await refusal(client))
    assert toolhive.asked[PAGES] == 2


@pytest.mark.parametrize(("pages", "is_read"), [(MOST_PAGES, True), (MOST_PAGES + 1, False)])
async def test_so_many_pages_are_read(
    client: ToolhiveClient, toolhive: ToolhiveServer, pages: int, is_read: bool
) -> None:
    toolhive.fail(REGISTRY, 502, {"code": "registry_legacy_format"})
    for number in range(pages, 0, -1):
        page = {"servers": servers(1, number), "metadata": {"total": pages}}
        toolhive.fail(PAGES, 200, page, times=1)
    if is_read:
        assert len((await client.get_registry()).servers) == MOST_PAGES
    else:
        assert "without an end (100 so far)" in str(await refusal(client))


async def test_servers_that_are_on_no_page_count_as_unreadable(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.fail(REGISTRY, 502, {"code": "registry_legacy_format"})
    toolhive.fail(PAGES, 200, {"servers": [], "metadata": {"total": 5}}, times=1)
    toolhive.fail(PAGES, 200, {"servers": [*servers(2), 7], "metadata": {"total": 5}}, times=1)
    registry = await client.get_registry()
    assert (len(registry.servers), registry.unreadable) == (2, 3)


async def test_a_page_that_fails_fails_the_registry(client: ToolhiveClient, toolhive: ToolhiveServer) -> None:
    toolhive.servers = servers(250)
    toolhive.fail(PAGES, 500, SECRET)
    toolhive.fail(PAGES, 200, {"servers": servers(200), "metadata": {"total": 250}}, times=1)
    assert "500; look at its log" in str(await refusal(client))


@pytest.mark.parametrize(
    ("status", "code", "words", "tries"),
    [
        (503, "registry_auth_required", "log in with `thv registry login`", 1),
        (401, "registry_auth_required", "log in with `thv registry login`", 1),
        (503, "registry_unavailable", "ToolHive does not reach its registry", 3),
        (500, "internal_error", "500 (internal_error); look at its log", 3),
        (404, "not_found", "404 (not_found); check that TOOLHIVE_URL", 1),
    ],
)
async def test_a_refusal_tells_its_code_and_what_to_do(
    client: ToolhiveClient, toolhive: ToolhiveServer, status: int, code: str, words: str, tries: int
) -> None:
    toolhive.fail(REGISTRY, status, {"code": code, "message": SECRET})
    refused = await refusal(client)
    assert refused.code == code
    assert words in str(refused)
    assert toolhive.asked[REGISTRY] == tries


@pytest.mark.parametrize("body", ["", SECRET, "{", "[]", '{"code": 7}', f'{{"code": "{SECRET} {SECRET}"}}'])
async def test_the_text_of_a_refusal_may_be_plain(
    client: ToolhiveClient, toolhive: ToolhiveServer, body: str
) -> None:
    toolhive.fail(REGISTRY, 503, body)
    assert (await refusal(client)).code is None


@pytest.mark.parametrize(
    ("status", "code", "tries"),
    [
        (503, "registry_auth_required", 1),
        (503, "registry_unavailable", 3),
        (502, "registry_legacy_format", 1),
    ],
)
async def test_a_code_that_is_known_is_found_in_plain_text(
    client: ToolhiveClient, toolhive: ToolhiveServer, status: int, code: str, tries: int
) -> None:
    toolhive.pages = ()
    toolhive.fail(REGISTRY, status, f"{SECRET}: {code}: {SECRET}")
    assert (await refusal(client)).code == code
    assert toolhive.asked[REGISTRY] == tries


@pytest.mark.parametrize("text", ["my_registry_unavailable", "registry_unavailable_2", "registry_unknown"])
async def test_another_word_is_no_code(client: ToolhiveClient, toolhive: ToolhiveServer, text: str) -> None:
    toolhive.fail(REGISTRY, 503, text)
    assert (await refusal(client)).code is None


async def test_pages_are_read_where_plain_text_says_that_there_are_some(
    client: ToolhiveClient, toolhive: ToolhiveServer
) -> None:
    toolhive.servers = servers(3)
    toolhive.fail(REGISTRY, 502, "registry_legacy_format")
    assert len((await client.get_registry()).servers) == 3


async def test_a_toolhive_that_is_away_is_not_only_its_registry(
    client: ToolhiveClient, toolhive: ToolhiveServer, waits: Waits
) -> None:
    toolhive.answer_instead(REGISTRY, Told(0))
    with pytest.raises(ToolhiveUnavailable):
        await client.get_registry()
    assert len(waits.seconds) == 2
