"""A ToolHive that moves is found again, and one that is away is not looked for all the time."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count

import pytest
from counted_waits import Waits
from loopback_http import Told
from toolhive_server import VERSION, WORKLOADS, ToolhiveServer

from toolhive_client import Places, ToolhiveClient, ToolhiveNotFound, ToolhiveUnavailable
from toolhive_client.discovery.address import FoundAddress

AWAY = ToolhiveNotFound("It is away; look for it.")
NOWHERE = "http://127.0.0.1:1"


class Search:
    """Finds these one after the other, None being nothing; `now` is the time."""

    def __init__(self, *urls: str | None) -> None:
        self.urls: list[str | None] = list(urls)
        self.count = 0
        self.now = 1000.0

    async def find(self) -> str:
        self.count += 1
        await asyncio.sleep(0)
        url = self.urls.pop(0)
        if url is None:
            raise AWAY
        return url


def address_of(search: Search) -> FoundAddress:
    return FoundAddress(search.find, lambda: search.now)


async def test_what_is_found_is_kept() -> None:
    search = Search("a")
    address = address_of(search)
    assert [await address.url() for _ in range(3)] == ["a"] * 3
    assert search.count == 1


async def test_many_at_once_look_for_it_once() -> None:
    search = Search("a")
    address = address_of(search)
    assert await asyncio.gather(*(address.url() for _ in range(50))) == ["a"] * 50
    assert search.count == 1


async def test_a_pause_doubles_from_one_second_to_thirty() -> None:
    search = Search(*[None] * 8)
    address = address_of(search)
    for searches, pause in enumerate([1, 2, 4, 8, 16, 30, 30], start=1):
        with pytest.raises(ToolhiveUnavailable, match="away"):
            await address.url()
        search.now += pause - 0.01
        with pytest.raises(ToolhiveNotFound, match="away"):
            await address.url()
        assert search.count == searches
        search.now += 0.01


async def test_of_what_was_found_the_pause_is_short_again() -> None:
    search = Search(None, None, "a", "b")
    address = address_of(search)
    for _ in range(2):
        with pytest.raises(ToolhiveUnavailable):
            await address.url()
        search.now += 2
    assert await address.url() == "a"
    address.forget(ToolhiveUnavailable("gone"))
    with pytest.raises(ToolhiveUnavailable, match="gone"):
        await address.url()
    search.now += 1
    assert await address.url() == "b"


async def test_who_asked_at_an_old_address_does_not_spoil_the_new_one() -> None:
    search = Search("new")
    address = address_of(search)
    assert await address.url() == "new"
    address.forget(AWAY, "old")
    assert await address.url() == "new"


def client_of(ports: Sequence[int], waits: Waits, clock: Callable[[], float] = lambda: 0) -> ToolhiveClient:
    return ToolhiveClient(places=Places(None, NOWHERE, ports), timeout_seconds=30, sleep=waits, clock=clock)


async def test_one_that_moved_is_found_where_it_is_now(waits: Waits) -> None:
    minutes = count(step=60)
    with ToolhiveServer() as later:
        pass
    with ToolhiveServer() as first:
        client = client_of([first.port, later.port], waits, lambda: next(minutes))
        assert await client.get_version() == first.version
    async with client:
        with ToolhiveServer(port=later.port, version="v2.0.0"):
            assert await client.get_version() == "v2.0.0"


async def test_one_that_is_away_is_not_looked_for_at_every_request(waits: Waits) -> None:
    with ToolhiveServer() as stranger:
        stranger.fail("*", 404)
        async with client_of([stranger.port], waits) as client:
            for _ in range(5):
                with pytest.raises(ToolhiveNotFound, match="No ToolHive was found"):
                    await client.list_workloads()
        assert stranger.asked == {VERSION: 1}
    assert not waits.seconds


async def test_one_that_went_just_now_is_not_waited_for(waits: Waits) -> None:
    with ToolhiveServer() as server:
        client = client_of([server.port], waits)
        await client.get_version()
    async with client:
        with pytest.raises(ToolhiveUnavailable, match="cannot be reached"):
            await client.get_version()
        tried = len(waits.seconds)
        with pytest.raises(ToolhiveUnavailable, match="cannot be reached"):
            await client.get_version()
    assert len(waits.seconds) == tried


async def test_a_lost_connection_is_no_reason_to_look_elsewhere(
    toolhive: ToolhiveServer, waits: Waits
) -> None:
    async with client_of([toolhive.port], waits) as client:
        toolhive.fail(f"{WORKLOADS}/*", 0, times=2)
        toolhive.add("plain", image="plain:1")
        assert (await client.get_workload_details("plain")).name == "plain"
    assert toolhive.asked[VERSION] == 1


async def test_a_stranger_at_its_old_address_is_not_asked_for_ever(
    toolhive: ToolhiveServer, waits: Waits
) -> None:
    async with client_of([toolhive.port], waits) as client:
        assert (await client.list_workloads()).workloads == ()
        toolhive.answer_instead("*", Told(200, b"<html>"))
        with pytest.raises(ToolhiveUnavailable, match="not ToolHive"):
            await client.list_workloads()
        asked = toolhive.asked.total()
        with pytest.raises(ToolhiveUnavailable, match="not ToolHive"):
            await client.list_workloads()
        assert toolhive.asked.total() == asked
