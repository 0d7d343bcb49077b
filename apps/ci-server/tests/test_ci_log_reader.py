"""Readers of one log each get all of it, at their own pace."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_server.storage.log_reader import AT_MOST, LogFollowers, LogReader, LogTexts

LONG = 30.0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def followers() -> LogFollowers:
    return LogFollowers(interval=0.001)


def _append(log: Path, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data)


def _times_open(log: Path) -> int:
    return sum(link.exists() and link.samefile(log) for link in Path("/proc/self/fd").iterdir())


async def _until(reader: LogReader, size: int) -> bytes:
    read = b""
    while len(read) < size:
        assert await reader.grown(len(read), LONG)
        read += await reader.read(len(read), 7)
    return read


async def test_a_reader_gets_what_is_there_from_an_offset_on(log: Path, followers: LogFollowers) -> None:
    _append(log, b"0123456789")
    async with followers.follow(log) as reader:
        assert reader.size == 10
        assert await reader.read(0) == b"0123456789"
        assert await reader.read(4, 3) == b"456"
        assert await reader.read(10) == b""
        assert await reader.read(11) == b""


async def test_a_read_has_a_bound(log: Path, followers: LogFollowers) -> None:
    _append(log, bytes(AT_MOST + 1))
    async with followers.follow(log) as reader:
        assert len(await reader.read(0)) == AT_MOST
        assert len(await reader.read(AT_MOST)) == 1


async def test_a_log_that_is_not_there_yet_is_empty_until_it_is(log: Path, followers: LogFollowers) -> None:
    async with followers.follow(log) as reader:
        assert (reader.size, await reader.read(0)) == (0, b"")
        waiting = asyncio.create_task(reader.grown(0, LONG))
        await asyncio.sleep(0)
        _append(log, b"first")
        assert await waiting
        assert await reader.read(0) == b"first"


async def test_one_who_waits_for_growth_is_woken_by_it(log: Path, followers: LogFollowers) -> None:
    _append(log, b"abc")
    async with followers.follow(log) as reader:
        assert await reader.grown(2, LONG)
        waiting = asyncio.create_task(reader.grown(4, LONG))
        await asyncio.sleep(0)
        _append(log, b"d")
        assert not await reader.grown(4, 0.02)
        assert not waiting.done()
        _append(log, b"e")
        assert await waiting


async def test_waiting_ends_after_its_time(log: Path, followers: LogFollowers) -> None:
    async with followers.follow(log) as reader:
        assert not await reader.grown(0, 0)
        assert not await reader.grown(0, 0.01)


async def test_all_readers_get_all_at_their_own_pace(log: Path, followers: LogFollowers) -> None:
    async def read_all() -> bytes:
        async with followers.follow(log) as reader:
            return await _until(reader, 2000)

    readers = [asyncio.create_task(read_all()) for _ in range(50)]
    async with followers.follow(log) as one_that_reads_nothing:
        for number in range(200):
            _append(log, b"%9d\n" % number)
            await asyncio.sleep(0)
        whole = b"".join(b"%9d\n" % number for number in range(200))
        assert await asyncio.gather(*readers) == [whole] * 50
        assert one_that_reads_nothing.size == 2000


async def test_a_thousand_readers_of_a_log_share_a_file_and_a_task(
    log: Path, followers: LogFollowers
) -> None:
    _append(log, b"x")
    tasks_before = len(asyncio.all_tasks())
    contexts = [followers.follow(log) for _ in range(1000)]
    readers = [await context.__aenter__() for context in contexts]
    assert [await reader.read(0) for reader in readers] == [b"x"] * 1000
    assert _times_open(log) == 1
    assert len(asyncio.all_tasks()) == tasks_before + 1
    for context in contexts:
        await context.__aexit__(None, None, None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert _times_open(log) == 0
    assert len(asyncio.all_tasks()) == tasks_before


async def test_a_log_can_be_followed_again(log: Path, followers: LogFollowers) -> None:
    for number in range(3):
        async with followers.follow(log) as reader:
            _append(log, b"x")
            assert await reader.grown(number, LONG)


async def test_one_reader_that_leaves_takes_nothing_from_another(log: Path, followers: LogFollowers) -> None:
    _append(log, b"x")
    async with followers.follow(log) as staying:
        async with followers.follow(log) as leaving:
            assert await leaving.read(0) == b"x"
        _append(log, b"y")
        assert await staying.grown(1, LONG)
        assert await staying.read(0) == b"xy"


async def test_a_log_that_cannot_be_read_is_told(tmp_path: Path, followers: LogFollowers) -> None:
    async with followers.follow(tmp_path) as reader:
        with pytest.raises(IsADirectoryError):
            await reader.read(0)


async def test_a_character_is_held_until_it_is_whole(log: Path, followers: LogFollowers) -> None:
    euro = "€".encode()
    _append(log, b"1 " + euro[:1])
    async with followers.follow(log) as reader:
        texts = LogTexts(reader, 0)
        assert [text async for text in texts.there()] == [("1 ", 2)]
        assert not await texts.grown(0.01)
        _append(log, euro[1:2])
        assert await texts.grown(LONG)
        assert [text async for text in texts.there()] == []
        _append(log, euro[2:] + b"!")
        assert await texts.grown(LONG)
        assert [text async for text in texts.there()] == [("€!", 6)]
        assert texts.offset == 6


async def test_a_character_that_never_becomes_whole_is_replaced_at_the_end(
    log: Path, followers: LogFollowers
) -> None:
    _append(log, b"x" + "€".encode()[:2])
    async with followers.follow(log) as reader:
        texts = LogTexts(reader, 0)
        assert [text async for text in texts.there()] == [("x", 1)]
        assert [text async for text in texts.there(final=True)] == [("\ufffd", 3)]
        assert [text async for text in texts.there(final=True)] == []


@given(st.text(max_size=30).map(str.encode) | st.binary(max_size=40), st.integers(1, 9))
def test_a_log_gives_the_same_text_however_it_is_cut_and_from_any_offset_that_was_given(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, at_most: int
) -> None:
    log = tmp_path_factory.mktemp("log") / "log"
    _append(log, data)
    whole = data.decode(errors="replace")

    async def read() -> None:
        async with LogFollowers().follow(log) as reader:
            events = [event async for event in LogTexts(reader, 0).there(final=True, at_most=at_most)]
            assert "".join(text for text, _ in events) == whole
            told = ""
            for text, offset in events:
                told += text
                rest = [text async for text, _ in LogTexts(reader, offset).there(final=True)]
                assert told + "".join(rest) == whole
            assert not events or events[-1][1] == len(data)

    asyncio.run(read())


async def test_a_line_of_any_length_comes_in_parts(log: Path, followers: LogFollowers) -> None:
    line = "ä" * 100_000
    _append(log, line.encode())
    async with followers.follow(log) as reader:
        parts = [part async for part in LogTexts(reader, 0).there()]
    assert "".join(text for text, _ in parts) == line
    assert max(len(text.encode()) for text, _ in parts) <= AT_MOST
