import asyncio
import os
import re
from collections.abc import Mapping
from typing import BinaryIO

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from problem_details import Problem

_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(?:([0-9]{1,19})-([0-9]{1,19})?|-([0-9]{1,19}))")


class FileAnswer(Response):
    """A file, or the range of it that was asked for (RFC 9110), as large as it is when the answer begins.

    Several ranges at once get the whole file. An `etag` is for a file that does not change any more.
    Closes the file, of which None stands for an empty one.
    """

    def __init__(
        self,
        file: BinaryIO | None,
        media_type: str,
        etag: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        tag = {"etag": etag} if etag else {}
        super().__init__(None, headers=dict(headers or {}) | tag, media_type=media_type)
        # Set by Starlette, of a body that is not ours.
        del self.headers["content-length"]
        self.headers["accept-ranges"] = "bytes"
        self.headers["x-content-type-options"] = "nosniff"
        self._file = file
        self._etag = etag

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        finally:
            if self._file:
                self._file.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = os.fstat(self._file.fileno()).st_size if self._file else 0
        headers = Headers(scope=scope)
        if self._etag and _lists(headers.get("if-none-match", ""), self._etag):
            await self._begin(send, 304)
            await send({"type": "http.response.body", "body": b""})
            return
        wanted = self._range(scope["method"], headers, size)
        if wanted is None:
            self.headers["content-length"] = str(size)
            await self._begin(send, 200)
            await self._send(send, range(0 if scope["method"] == "HEAD" else size))
        elif not wanted:
            await _unsatisfiable(size).response(scope)(scope, receive, send)
        else:
            self.headers["content-range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
            self.headers["content-length"] = str(len(wanted))
            await self._begin(send, 206)
            await self._send(send, wanted)

    def _range(self, method: str, headers: Headers, size: int) -> range | None:
        """The bytes asked for; None for all, empty where there are none."""
        asked = _RANGE.fullmatch(headers.get("range", "").strip())
        condition = headers.get("if-range")
        if asked is None or method != "GET" or (condition is not None and condition != self._etag):
            return None
        first, last, suffix = asked.groups()
        if suffix is not None:
            return range(max(0, size - int(suffix)), size)
        if last is not None and int(last) < int(first):
            return None
        return range(int(first), min(size, int(last) + 1) if last else size)

    async def _begin(self, send: Send, status: int) -> None:
        await send({"type": "http.response.start", "status": status, "headers": self.raw_headers})

    async def _send(self, send: Send, wanted: range) -> None:
        offset = wanted.start
        while self._file and offset < wanted.stop:
            count = min(_CHUNK, wanted.stop - offset)
            part = await asyncio.to_thread(os.pread, self._file.fileno(), count, offset)
            if not part:
                raise OSError(f"the file became shorter than {wanted.stop} bytes while it was sent")
            offset += len(part)
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _lists(if_none_match: str, etag: str) -> bool:
    known = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in known or "*" in known


def _unsatisfiable(size: int) -> Problem:
    return Problem(
        416,
        "Range not satisfiable",
        f"There are {size} bytes, and nothing of the range that was asked for.",
        slug="range-not-satisfiable",
        headers={"Content-Range": f"bytes */{size}"},
    )
