import io
import json

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from observability import TelemetryMiddleware
from observability.trace_context import TraceParent

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{PARENT}-01"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (GOOD, True),
        (f" {GOOD}\t", True),
        (f"00-{TRACE}-{PARENT}-00", False),
        (f"00-{TRACE}-{PARENT}-03", True),
        (f"00-{TRACE}-{PARENT}-02", False),
        (f"cc-{TRACE}-{PARENT}-01", True),
        (f"cc-{TRACE}-{PARENT}-01-what-comes-later", True),
    ],
)
def test_a_traceparent_is_read(header: str, sampled: bool) -> None:
    parent = TraceParent.parse(header.encode())
    assert parent is not None
    assert (parent.trace_id, parent.parent_id, parent.sampled) == (TRACE, PARENT, sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        GOOD.upper(),
        GOOD[:-1],
        f"{GOOD}-more",
        f"{GOOD}.",
        f"ff-{TRACE}-{PARENT}-01",
        f"cc-{TRACE}-{PARENT}-01.what",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-0x",
        f"{GOOD}\n",
        f"{GOOD},{GOOD}",
    ],
)
def test_a_malformed_traceparent_is_as_none(header: str) -> None:
    assert TraceParent.parse(header.encode()) is None


@given(st.binary(max_size=80))
def test_whatever_stands_there_is_read_or_left(header: bytes) -> None:
    TraceParent.parse(header)


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 255))
def test_every_good_one_is_read_as_it_was_written(trace: int, parent: int, flags: int) -> None:
    read = TraceParent.parse(f"00-{trace:032x}-{parent:016x}-{flags:02x}".encode())
    assert read == (f"{trace:032x}", f"{parent:016x}", flags)


async def _greet(_request: Request) -> PlainTextResponse:
    structlog.get_logger().info("greeted")
    return PlainTextResponse("hello")


async def _logged(log: io.StringIO, *headers: tuple[str, str]) -> list[str | None]:
    """The trace ids in the log lines of a request with these headers, and of one without."""
    log.truncate(log.seek(0))
    app = TelemetryMiddleware(Starlette(routes=[Route("/", _greet)]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        await client.get("/", headers=list(headers))
        await client.get("/")
    return [json.loads(line).get("trace_id") for line in log.getvalue().splitlines()]


async def test_the_callers_trace_is_in_every_log_line_of_its_request_and_of_no_other(
    log: io.StringIO,
) -> None:
    assert await _logged(log, ("traceparent", GOOD)) == [TRACE, TRACE, None, None]
    assert await _logged(log, ("TraceParent", GOOD.replace("-01", "-00"))) == [TRACE, TRACE, None, None]


async def test_two_traceparents_or_a_malformed_one_are_ignored(log: io.StringIO) -> None:
    assert await _logged(log, ("traceparent", GOOD), ("traceparent", GOOD)) == [None] * 4
    assert await _logged(log, ("traceparent", "nonsense")) == [None] * 4
