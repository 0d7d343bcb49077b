import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Self, TypeAlias

import httpx

from fleet_metadata.agents.agent_address import BadAddress, metadata_url
from fleet_metadata.agents.name_lookup import NameLookup
from fleet_metadata.agents.remembered import Remembered
from fleet_metadata.agents.unreadable import Kind, Unreadable, of_fault, of_status
from fleet_metadata.agents.workspace_metadata import (
    CollectorState,
    Entry,
    NotMetadata,
    WorkspaceMetadata,
    metadata_in,
)

__all__ = [
    "CollectorState",
    "Entry",
    "FleetClient",
    "Kind",
    "Result",
    "Unreadable",
    "WorkspaceMetadata",
]

LARGEST_BYTES = 2 * 1024 * 1024
"""The largest answer that is read; twice what a server gives unless it is told otherwise."""

_OK, _NOT_MODIFIED = 200, 304

Result: TypeAlias = WorkspaceMetadata | Unreadable


class FleetClient:
    """Reads the metadata servers of many workspaces at once.

    `token` is sent to all of them, as bearer token; raises ValueError for one that no header takes. An agent has
    `timeout` seconds to answer, counted from when it is its turn; `concurrency` agents have their turn at once.
    What an agent told is remembered for `remember_seconds` at most, so that it need not be sent again as long as
    it is the same; what is remembered of all agents is bounded.

    Agents are asked directly: proxies of the environment are for the world outside, and would see the token.
    A context manager; or call `aclose` at the end, which ends what is under way.
    """

    def __init__(
        self,
        token: str | None = None,
        timeout: float = 2.0,
        concurrency: int = 100,
        *,
        remember_seconds: float = 30.0,
        lookup: NameLookup | None = None,
    ) -> None:
        self._timeout = timeout
        self._lookup = lookup or NameLookup()
        self._turns = asyncio.Semaphore(concurrency)
        self._remembered = Remembered(remember_seconds)
        self._has_token = bool(token)
        self._under_way: set[asyncio.Task[tuple[str, Result]]] = set()
        self._http = httpx.AsyncClient(
            headers=_headers(token),
            # What one agent wants to be reminded of is none of the others' business.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            # Connections are not kept: looking through a hundred kept ones takes longer than to make a hundred,
            # and one that the agent closes in that moment would look like an agent that is ill.
            limits=httpx.Limits(max_keepalive_connections=0),
            timeout=None,  # noqa: S113  # bounded as a whole instead, which dripping bytes does not get around
            trust_env=False,
            verify=httpx.create_ssl_context(),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections. Whoever waits for an answer gets RuntimeError."""
        for task in self._under_way:
            task.cancel()
        await self._http.aclose()

    async def read(
        self,
        agents: Mapping[str, str],
        *,
        prefix: str | None = None,
        keys: Iterable[str] | None = None,
        list_only: bool = False,
    ) -> dict[str, Result]:
        """The metadata of each of `agents`, or why it could not be read, in their order.

        `agents` has the addresses by name, `{"agent-1": "http://10.0.0.7:8001"}`. Of the keys those are asked for
        that meet every condition given: `prefix`, one of `keys`, and with `list_only` those for lists.
        """
        agents = dict(agents)
        answers = self.stream(agents, prefix=prefix, keys=keys, list_only=list_only)
        results = {name: result async for name, result in answers}
        return {name: results[name] for name in agents}

    async def stream(
        self,
        agents: Mapping[str, str],
        *,
        prefix: str | None = None,
        keys: Iterable[str] | None = None,
        list_only: bool = False,
    ) -> AsyncGenerator[tuple[str, Result]]:
        """As `read`, each agent as soon as it has answered. Use `contextlib.aclosing` where not all are wanted."""
        if self._http.is_closed:
            raise RuntimeError("this client is closed")
        query = _query(prefix, keys, list_only)
        tasks = [asyncio.create_task(self._asked(name, url, query)) for name, url in agents.items()]
        self._under_way.update(tasks)
        try:
            for answered in asyncio.as_completed(tasks):
                yield await _unless_closed(answered)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._under_way.difference_update(tasks)

    async def _asked(self, name: str, address: str, query: Mapping[str, str]) -> tuple[str, Result]:
        try:
            url = metadata_url(address, query)
        except BadAddress as fault:
            return name, Unreadable(Kind.BAD_ADDRESS, f"{fault}.")
        async with self._turns:
            return name, await self._answer(url)

    async def _answer(self, url: httpx.URL) -> Result:
        where = url.netloc.decode()
        try:
            async with asyncio.timeout(self._timeout):
                await self._lookup.check(url.host, url.port)
                return await self._fetched(url, where)
        except TimeoutError:
            return Unreadable(Kind.TIMEOUT, f"{where} gave no whole answer within {self._timeout:g} s.")
        except NotMetadata as fault:
            return Unreadable(Kind.NOT_METADATA, f"{where} answered, but not with metadata: {fault}.")
        except (httpx.HTTPError, OSError, ValueError) as fault:
            return of_fault(fault, where)

    async def _fetched(self, url: httpx.URL, where: str) -> Result:
        known = self._remembered.get(str(url))
        headers = {"If-None-Match": known.etag} if known else {}
        async with self._http.stream("GET", url, headers=headers) as answer:
            if known and answer.status_code == _NOT_MODIFIED:
                return replace(metadata_in(known.body), unchanged=True)
            if answer.status_code != _OK:
                return of_status(answer.status_code, where, has_token=self._has_token)
            body = await _body(answer)
            etag = answer.headers.get("etag")
        if body is None:
            return Unreadable(Kind.TOO_LARGE, f"{where} answers with more than {LARGEST_BYTES} bytes.")
        metadata = metadata_in(body)
        self._remembered.put(str(url), etag, body)
        return metadata


def _headers(token: str | None) -> dict[str, str]:
    # Not compressed: a few bytes could become any number of them.
    plain = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "fleet-metadata"}
    if not token:
        return plain
    if not token.isascii() or not token.isprintable():
        raise ValueError("the token has characters that no HTTP header takes")
    return plain | {"Authorization": f"Bearer {token}"}


def _query(prefix: str | None, keys: Iterable[str] | None, list_only: bool) -> dict[str, str]:
    return {
        **({} if prefix is None else {"prefix": prefix}),
        **({} if keys is None else {"keys": ",".join(keys)}),
        **({"list": "true"} if list_only else {}),
    }


async def _body(answer: httpx.Response) -> bytes | None:
    """The bytes of `answer`, or None if there are too many; raises NotMetadata."""
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise NotMetadata("it is compressed, which was not asked for")
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > LARGEST_BYTES:
            return None
    return bytes(body)


async def _unless_closed(answered: "asyncio.Future[tuple[str, Result]]") -> tuple[str, Result]:
    try:
        return await answered
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if current and current.cancelling():
            raise
        raise RuntimeError("this client was closed") from None
