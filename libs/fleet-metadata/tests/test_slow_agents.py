"""Agents that take their time, and readers that do not."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest
from agent_servers import agent, silence, told
from read_agents import GOOD, TOKEN, unreadable, until

from fleet_metadata.agents.name_lookup import NameLookup
from fleet_metadata.agents.workspace_metadata import metadata_of
from fleet_metadata.client import FleetClient, Kind, Unreadable, WorkspaceMetadata


async def test_time_is_bounded_for_the_whole_of_an_agent(skip_ahead: Callable[[float], None]) -> None:
    async def dripping(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    with socket.create_server(("127.0.0.1", 0), backlog=1) as black_hole:
        hole = f"http://127.0.0.1:{black_hole.getsockname()[1]}"
        async with agent(dripping) as drips, agent(silence) as silent, FleetClient(timeout=600) as client:
            agents = {"hole": hole, "drips": drips.url, "silent": silent.url}
            reading = asyncio.create_task(client.read(agents))
            await until(lambda: drips.asked and silent.asked)
            # All three have been asked then.
            await asyncio.sleep(0.1)
            skip_ahead(600)
            results = await asyncio.wait_for(reading, 30)
            await until(lambda: drips.open == silent.open == 0)
    for result in results.values():
        assert isinstance(result, Unreadable)
        assert result.kind is Kind.TIMEOUT
        assert "600 s" in result.why


async def test_a_connection_that_is_never_taken_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        async with FleetClient(timeout=0.3) as client:
            result = await unreadable(client, f"http://127.0.0.1:{address[1]}")
        for one in waiting:
            one.close()
    assert result.kind is Kind.TIMEOUT


async def test_time_counts_from_when_an_agent_has_its_turn(skip_ahead: Callable[[float], None]) -> None:
    async with (
        agent(silence) as silent,
        agent(told(GOOD)) as well,
        FleetClient(timeout=600, concurrency=1) as client,
    ):
        agents = {f"silent-{number}": silent.url for number in range(3)} | {"well": well.url}
        reading = asyncio.create_task(client.read(agents))
        for number in range(3):
            await until(lambda number=number: len(silent.asked) == number + 1)
            skip_ahead(600)
        results = await reading
    assert [isinstance(result, WorkspaceMetadata) for result in results.values()] == [False] * 3 + [True]


@pytest.mark.parametrize("places", [1, 3])
async def test_no_more_agents_are_asked_at_once_than_is_said(places: int) -> None:
    going, most = 0, 0
    all_in = asyncio.Event()

    async def counted(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal going, most
        going += 1
        most = max(most, going)
        if going == places:
            all_in.set()
        async with asyncio.timeout(30):
            await all_in.wait()
        going -= 1
        writer.write(told(GOOD))
        await writer.drain()

    async with agent(counted) as busy, FleetClient(timeout=60, concurrency=places) as client:
        results = await client.read({str(number): busy.url for number in range(9)})
    assert all(isinstance(result, WorkspaceMetadata) for result in results.values())
    assert most == places


async def test_a_slow_agent_delays_no_other(client: FleetClient) -> None:
    others_are_in = asyncio.Event()

    async def slow(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await others_are_in.wait()
        writer.write(told(GOOD))
        await writer.drain()

    names: list[str] = []
    async with agent(slow) as late, agent(told(GOOD)) as well:
        agents = {"late": late.url} | {f"well-{number}": well.url for number in range(20)}
        async for name, result in client.stream(agents):
            assert isinstance(result, WorkspaceMetadata)
            names.append(name)
            if len(names) == 20:
                others_are_in.set()
    assert (names[-1], set(names)) == ("late", set(agents))


async def test_names_that_nobody_answers_for_delay_no_other() -> None:
    answered = threading.Event()

    def look_up(host: str, port: int | None) -> object:
        if host == "localhost":
            return socket.getaddrinfo(host, port)
        answered.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    lookup = NameLookup(look_up)
    async with agent(told(GOOD)) as well, FleetClient(timeout=60, lookup=lookup) as client:
        # More than there are threads in an event loop.
        agents = {f"late-{number}": f"http://late-{number}.invalid" for number in range(50)}
        agents["well"] = well.url.replace("127.0.0.1", "localhost")
        results: dict[str, WorkspaceMetadata | Unreadable] = {}
        async for name, result in client.stream(agents):
            results[name] = result
            if name == "well":
                answered.set()
    assert next(iter(results)) == "well"
    assert results.pop("well") == metadata_of(GOOD)
    assert {
        result.why.partition(" ")[2] for result in results.values() if isinstance(result, Unreadable)
    } == {"is not known: its name has no address."}


async def test_names_that_hang_take_no_place_from_those_that_are_read_later(
    skip_ahead: Callable[[float], None],
) -> None:
    answered = threading.Event()
    asked: list[str] = []

    def look_up(host: str, port: int | None) -> object:
        asked.append(host)
        return socket.getaddrinfo(host, port) if host == "localhost" else answered.wait(30)

    client = FleetClient(timeout=600, concurrency=2, lookup=NameLookup(look_up))
    async with agent(told(GOOD)) as well, client:
        late = {f"late-{number}": f"http://late-{number}.invalid" for number in range(2)}
        for _ in range(2):
            reading = asyncio.create_task(client.read(late))
            await until(lambda: len(asked) == 2)
            # Both wait for their names then.
            await asyncio.sleep(0.1)
            skip_ahead(600)
            results = (await reading).values()
            assert [result.kind for result in results if isinstance(result, Unreadable)] == [Kind.TIMEOUT] * 2
        url = well.url.replace("127.0.0.1", "localhost")
        assert isinstance((await client.read({"well": url}))["well"], WorkspaceMetadata)
    # Who is being looked up already is not looked up again.
    assert sorted(asked) == ["late-0.invalid", "late-1.invalid", "localhost"]
    answered.set()


async def test_who_has_heard_enough_leaves_nothing_behind() -> None:
    async with agent(silence) as silent, agent(told(GOOD)) as well, FleetClient(timeout=60) as client:
        agents = {str(number): silent.url for number in range(5)} | {"well": well.url}
        async with asyncio.timeout(30), aclosing(client.stream(agents)) as answers:
            async for name, _ in answers:
                assert name == "well"
                break
        await until(lambda: silent.open == 0)
        assert _tasks_of_clients() == []


async def test_a_reader_that_is_cancelled_takes_its_requests_along() -> None:
    async with agent(silence) as silent, FleetClient(timeout=60) as client:
        reading = asyncio.create_task(client.read({str(number): silent.url for number in range(5)}))
        await until(lambda: silent.open == 5)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(reading, 30)
        await until(lambda: silent.open == 0)
        assert _tasks_of_clients() == []


@pytest.mark.parametrize("places", [2, 100])
async def test_a_client_that_is_closed_ends_what_is_under_way(places: int) -> None:
    client = FleetClient(timeout=60, concurrency=places)
    async with agent(silence) as silent:
        agents = {str(number): silent.url for number in range(5)}
        readings = [asyncio.create_task(client.read(agents)) for _ in range(2)]
        await until(lambda: silent.open == min(places, 10))
        await client.aclose()
        for reading in readings:
            with pytest.raises(RuntimeError, match="this client was closed"):
                await asyncio.wait_for(reading, 30)
        await until(lambda: silent.open == 0)
    with pytest.raises(RuntimeError, match="this client is closed"):
        await client.read({"it": silent.url})
    await client.aclose()
    assert _tasks_of_clients() == []


async def test_a_hundred_agents_with_five_dead_ones_are_all_read_at_once(dead_url: str) -> None:
    going, all_in = 0, asyncio.Event()

    async def together(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal going
        going += 1
        if going == 95:
            all_in.set()
        await all_in.wait()
        writer.write(told(GOOD))
        await writer.drain()

    # How long that takes is measured by the benchmarks.
    async with AsyncExitStack() as stack, FleetClient(TOKEN, timeout=60) as client:
        well = [await stack.enter_async_context(agent(together)) for _ in range(95)]
        agents = {str(number): one.url for number, one in enumerate(well)}
        agents |= {f"dead-{number}": dead_url for number in range(5)}
        results = await client.read(agents)
    assert sum(isinstance(result, WorkspaceMetadata) for result in results.values()) == 95


def _tasks_of_clients() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if "FleetClient" in repr(task)]
