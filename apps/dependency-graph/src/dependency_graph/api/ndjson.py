"""Bodies of any length, a service or a dependency on each line: https://github.com/ndjson/ndjson-spec."""

import asyncio
from collections.abc import AsyncIterator

from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Scope

from dependency_graph.api.media_type import NDJSON, media_type
from dependency_graph.api.strict_route import StrictRoute
from dependency_graph.api.told_lines import LONGEST_LINE, MOST_FAULTS, LineTooLong, ToldLines
from problem_details import Fault, Problem

PATIENCE_SECONDS = 30
_BLOCK = 256 * 1024


class NdjsonRoute(StrictRoute):
    """A route for NDJSON beside one for JSON at the same path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        of_this_kind = scope["type"] == "http" and media_type(scope) == NDJSON
        return super().matches(scope) if of_this_kind else (Match.NONE, {})


async def read_lines(
    chunks: AsyncIterator[bytes], lines: ToldLines, patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """Have `lines` take in the whole body, in parts and off the event loop.

    Raises RequestValidationError for up to 100 faults, each with the number of its line, and Problem where
    a line is too long, the client sends nothing for `patience_seconds` or goes away, or the disk is full.
    """
    async for block in _blocks(_arriving(chunks, patience_seconds)):
        try:
            await asyncio.to_thread(lines.take, block)
        except LineTooLong as error:
            raise _too_long(error) from None
        except OSError as error:
            raise _disk_full() from error
        if len(lines.faults) >= MOST_FAULTS:
            break
    if lines.faults:
        raise RequestValidationError(lines.faults)


async def _arriving(chunks: AsyncIterator[bytes], patience_seconds: float) -> AsyncIterator[bytes]:
    try:
        while True:
            async with asyncio.timeout(patience_seconds):
                chunk = await anext(chunks)
            yield chunk
    except StopAsyncIteration:
        return
    except TimeoutError:
        detail = f"Nothing came for {patience_seconds:g} s, and nothing was stored; send the body again."
        headers = {"Connection": "close"}
        raise Problem(408, "Request timeout", detail, slug="request-timeout", headers=headers) from None
    except ClientDisconnect:
        detail = "The body is not whole; nothing was stored."
        raise Problem(400, "Body not whole", detail, slug="body-not-whole") from None


async def _blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes as blocks of whole lines, or the beginning of one that is too long."""
    whole, rest = bytearray(), bytearray()
    async for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if end:
            whole += rest + chunk[:end]
            rest = bytearray(chunk[end:])
        else:
            rest += chunk
        if len(whole) >= _BLOCK or len(rest) > LONGEST_LINE:
            block = whole + rest if len(rest) > LONGEST_LINE else whole
            yield bytes(block)
            whole = bytearray()
    yield bytes(whole + rest)


def _too_long(error: LineTooLong) -> Problem:
    fault = Fault(f"/body/line {error.number}", f"a line has at most {LONGEST_LINE:,} bytes")
    detail = f"Line {error.number} has more than {LONGEST_LINE:,} bytes; nothing was stored."
    return Problem(413, "Content too large", detail, slug="content-too-large", errors=[fault])


def _disk_full() -> Problem:
    detail = "There is no room to keep what was sent until all of it is there; nothing was stored."
    return Problem(507, "Insufficient storage", detail, slug="insufficient-storage")
