"""Reading what may block: never on the event loop, and never twice at a time."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic

import pytest

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.workspace.own_thread import OwnThread

WELL_BEYOND = 60.0
HANGS = """
import asyncio, threading
from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.workspace.own_thread import OwnThread

async def ask():
    try:
        await OwnThread("a dead mount", threading.Event().wait).result(0.05)
    except CollectionFailed as failed:
        print(failed)

asyncio.run(ask())
"""


def _threads(name: str) -> int:
    return sum(thread.name == f"reading {name}" for thread in threading.enumerate())


async def test_what_is_read_is_told() -> None:
    assert await OwnThread("a number", lambda: 7).result(WELL_BEYOND) == 7


async def test_it_is_read_anew_each_time_and_in_another_thread() -> None:
    seen: list[threading.Thread] = []
    thread = OwnThread("a number", lambda: seen.append(threading.current_thread()))
    await thread.result(WELL_BEYOND)
    await thread.result(WELL_BEYOND)
    assert len(seen) == 2
    assert threading.main_thread() not in seen


async def test_a_reading_that_hangs_is_not_begun_again_and_holds_nobody_up() -> None:
    goes_on, calls = threading.Event(), list[None]()

    def hang() -> str:
        calls.append(None)
        goes_on.wait()
        return "back"

    thread = OwnThread("a dead mount", hang)
    try:
        for _ in range(5):
            before = monotonic()
            with pytest.raises(CollectionFailed, match=r"^a dead mount: no answer for 0\.02 s$"):
                await thread.result(0.02)
            assert monotonic() - before < WELL_BEYOND
        while not calls:
            await asyncio.sleep(0.001)
        assert (len(calls), _threads("a dead mount")) == (1, 1)
    finally:
        goes_on.set()
    assert await thread.result(WELL_BEYOND) == "back"


async def test_the_event_loop_goes_on_while_a_reading_hangs() -> None:
    goes_on, thread_began = threading.Event(), threading.Event()
    waiting = asyncio.create_task(
        OwnThread("a FIFO", lambda: (thread_began.set(), goes_on.wait())).result(WELL_BEYOND)
    )
    for _ in range(100):
        await asyncio.sleep(0)
    while not thread_began.is_set():
        await asyncio.sleep(0)
    assert not waiting.done()
    goes_on.set()
    await waiting


async def test_one_who_goes_away_ends_the_reading_for_nobody_else() -> None:
    goes_on = threading.Event()
    thread = OwnThread("a file", lambda: goes_on.wait(WELL_BEYOND))
    gone, stays = (asyncio.create_task(thread.result(WELL_BEYOND)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    goes_on.set()
    assert await stays is True


async def test_an_error_of_the_system_is_told_by_its_kind() -> None:
    thread = OwnThread("the file", Path("/nowhere/at/all").read_text)
    with pytest.raises(CollectionFailed, match=r"^the file: No such file or directory$"):
        await thread.result(WELL_BEYOND)


async def test_who_waits_is_told_of_a_fault_in_the_code_that_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[object]()
    monkeypatch.setattr(threading, "excepthook", told.append)
    with pytest.raises(CollectionFailed, match="the file: a fault in the reading"):
        await OwnThread("the file", lambda: 1 // 0).result(WELL_BEYOND)
    while not told:
        await asyncio.sleep(0.001)


def test_a_reading_that_never_comes_back_does_not_keep_the_process_alive() -> None:
    # Without coverage, which would follow into it: its tracer there breaks asyncio.timeout of Python 3.11.
    ended = subprocess.run(
        [sys.executable, "-c", HANGS], env={}, capture_output=True, text=True, timeout=60, check=True
    )
    assert (ended.stdout, ended.stderr) == ("a dead mount: no answer for 0.05 s\n", "")
