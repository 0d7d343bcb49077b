import asyncio
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

from toolhive_client.discovery.address import FoundAddress, GivenAddress
from toolhive_client.discovery.search import VERSION_PATH, Discovery, Places
from toolhive_client.errors import ToolhiveError, ToolhiveTimeout, ToolhiveUnavailable, WorkloadNotFound
from toolhive_client.models import Listing, Registry, WorkloadDetails
from toolhive_client.reading.harmless_text import is_name
from toolhive_client.reading.unreadable import Strange
from toolhive_client.reading.workloads import read_details, read_groups, read_version, read_workloads
from toolhive_client.registry.fetching import fetch_registry
from toolhive_client.transport.http_client import checked_url, http_client
from toolhive_client.transport.refusal import may_pass, refused
from toolhive_client.transport.transport import (
    LARGEST_ANSWER,
    Answer,
    NotConnected,
    Sleep,
    Transport,
    read_from,
    repeated,
)

T = TypeVar("T")

WORKLOADS_PATH = "/api/v1beta/workloads"
GROUPS_PATH = "/api/v1beta/groups"
MOST_LINES = 1000
"""Of a log; as many as ToolHive gives."""

_OK, _NOT_FOUND = 200, 404


class ToolhiveClient:
    """Reads workloads and the registry from ToolHive's API server.

    It is at `url`, an http or https URL, else in one of `places`, where it is looked for again once it is not
    reached any more. Each answer has `timeout_seconds` and `largest_answer` bytes; after a timeout, a lost
    connection or a 5xx it is asked for again, three times in all. Proxies of the environment are used only for
    a `url` that is not of this machine.

    All methods raise ToolhiveUnavailable, and ToolhiveTimeout of that. Raises ValueError for a `url` that is none.
    A context manager; or call `close` at the end.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout_seconds: float = 10,
        concurrency: int = 50,
        places: Places | None = None,
        largest_answer: int = LARGEST_ANSWER,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        at = checked_url(url) if url is not None else None
        self._http = http_client(at)
        if at:
            self._address = GivenAddress(str(at.copy_with(userinfo=b"")))
        else:
            self._address = FoundAddress(Discovery(self._http, places or Places()).find, clock)
        peer = f"ToolHive at {at.netloc.decode()}" if at else "ToolHive"
        advice = "check that it runs, and TOOLHIVE_URL"
        self._transport = Transport(self._http, peer, advice, timeout_seconds, largest_answer)
        self._turns = asyncio.Semaphore(concurrency)
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def list_workloads(self, all: bool = True, group: str | None = None) -> Listing:  # noqa: A002  # as ToolHive has it
        """The workloads, with `all` those too that do not run; of one `group`. Raises ToolhiveError for no group.

        Items that cannot be read are logged by their names, and counted.
        """
        answer = await self._ask(
            WORKLOADS_PATH, {**({"all": "true"} if all else {}), **({"group": group} if group else {})}
        )
        if group and answer.status == _NOT_FOUND:
            raise ToolhiveError(f"ToolHive has no group {group!r}; see which ones list_groups() has.")
        try:
            return await self._read(answer, read_workloads)
        except ToolhiveUnavailable as error:
            # Something else may listen there by now.
            self._address.forget(error)
            raise

    async def get_workload_details(self, name: str) -> WorkloadDetails:
        """How a workload was made. Raises WorkloadNotFound."""
        answer = await self._ask_of_workload(name)
        return await self._read(answer, lambda body: read_details(body, name))

    async def get_details_of(
        self, names: Iterable[str], within_seconds: float = 60
    ) -> Mapping[str, WorkloadDetails | ToolhiveError]:
        """The details of many workloads, or why they are not to be had, asked for `concurrency` at a time.

        What is not there `within_seconds` is not to be had.
        """
        asked = list(dict.fromkeys(names))
        until = asyncio.get_running_loop().time() + within_seconds
        found = await asyncio.gather(*(self._details_or_error(name, until) for name in asked))
        return dict(zip(asked, found, strict=True))

    async def get_registry(self) -> Registry:
        """The default registry, in either format. Raises RegistryUnavailable."""
        return await fetch_registry(self._ask)

    async def list_groups(self) -> tuple[str, ...]:
        return await self._read(await self._ask(GROUPS_PATH), read_groups)

    async def get_version(self) -> str:
        return await self._read(await self._ask(VERSION_PATH), read_version)

    async def logs(self, name: str) -> str:
        """The last lines that a workload logged, `MOST_LINES` at the most. Raises WorkloadNotFound.

        They are as the workload wrote them: what it told of its secrets is in there.
        """
        answer = await self._ask_of_workload(name, "/logs")
        if answer.status != _OK:
            raise refused(answer)
        return "\n".join(answer.body.decode(errors="replace").splitlines()[-MOST_LINES:])

    async def _details_or_error(self, name: str, until: float) -> WorkloadDetails | ToolhiveError:
        try:
            async with asyncio.timeout_at(until), self._turns:
                return await self.get_workload_details(name)
        except TimeoutError:
            return ToolhiveTimeout(
                "ToolHive took too long for all the details; look at its load and its log."
            )
        except ToolhiveError as error:
            return error

    async def _ask_of_workload(self, name: str, what: str = "") -> Answer:
        if not is_name(name):
            raise WorkloadNotFound(name)
        answer = await self._ask(f"{WORKLOADS_PATH}/{quote(name, safe='')}{what}")
        if answer.status == _NOT_FOUND:
            raise WorkloadNotFound(name)
        return answer

    async def _ask(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        return await repeated(lambda: self._attempt(path, params), may_pass, self._sleep)

    async def _attempt(self, path: str, params: Mapping[str, str] | None) -> Answer:
        url = await self._address.url()
        try:
            return await self._transport.get(url + path, params)
        except NotConnected as error:
            self._address.forget(error, url)
            raise

    async def _read(self, answer: Answer, read: Callable[[bytes], T]) -> T:
        if answer.status != _OK:
            raise refused(answer)
        try:
            return await read_from(answer.body, read)
        except Strange:
            raise ToolhiveUnavailable(
                "What answers is not ToolHive, or not as this version knows it; check TOOLHIVE_URL."
            ) from None
