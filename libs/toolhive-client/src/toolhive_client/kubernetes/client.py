import asyncio
from collections.abc import Awaitable, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

from toolhive_client.errors import ToolhiveUnavailable
from toolhive_client.kubernetes.access import CA_FILE, TOKEN_FILE, KubernetesAccess, api_server_at
from toolhive_client.kubernetes.lists import ResourceLists, Resources
from toolhive_client.kubernetes.resources import API_GROUP, KINDS, Kind
from toolhive_client.models import Listing, Workload
from toolhive_client.reading.unreadable import Unreadable, log_unreadable
from toolhive_client.transport.transport import LARGEST_ANSWER, Sleep, Transport

T = TypeVar("T")
API_SERVER = "http://127.0.0.1:8001"
"""Where `kubectl proxy` listens."""


class KubernetesClient:
    """Reads the resources of ToolHive's operator from the API server at `url`.

    Inside of a cluster `token_file` and `ca_file` are there, and are used; the token goes to that server alone,
    and over plain http only to this machine. Each answer has `timeout_seconds` and `largest_answer` bytes; after a
    timeout, a lost connection, a 429 or a 5xx it is asked for again, three times in all. Raises ValueError for a
    `url` that is none. A context manager; or call `close` at the end.
    """

    def __init__(
        self,
        url: str = API_SERVER,
        *,
        timeout_seconds: float = 10,
        token_file: Path = TOKEN_FILE,
        ca_file: Path = CA_FILE,
        largest_answer: int = LARGEST_ANSWER,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._access = KubernetesAccess(api_server_at(url), token_file, ca_file)
        self._timeout_seconds = timeout_seconds
        self._largest_answer = largest_answer
        self._seen: set[Kind] = set()
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if "_http" in self.__dict__:
            await self._http.aclose()

    async def list_workloads(self, group: str | None = None) -> Listing:
        """The workloads of all namespaces, or of the groups of that name. Raises ToolhiveUnavailable.

        It is complete, but for the resources that could not be read: a kind that was there once, and is not any
        more, fails it. Where several kinds have one name in one
        namespace, the first of `KINDS` stands for all, as nothing could tell them apart.
        """
        lists = await self._lists()
        pages = await _all_of([lists.pages(kind) for kind in KINDS])
        installed = [(kind, told) for kind, told in zip(KINDS, pages, strict=True) if told is not None]
        if not installed:
            raise ToolhiveUnavailable(
                f"{lists.peer} knows no resource of {API_GROUP}; install the CRDs of ToolHive's operator (Helm chart "
                "toolhive-operator-crds), or set K8S_API_SERVER_URL to the cluster that has them."
            )
        return _listing(installed, group)

    async def _lists(self) -> ResourceLists:
        access = self._access
        peer = f"The Kubernetes API at {access.url}"
        advice = f"check K8S_API_SERVER_URL, and for https the certificate in {access.ca_file}"
        transport = Transport(self._http, peer, advice, self._timeout_seconds, self._largest_answer)
        credentials = await asyncio.to_thread(access.credentials)
        return ResourceLists(transport, peer, str(access.url), credentials, self._seen, self._sleep)

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        return self._access.client()


async def _all_of(parts: Sequence[Awaitable[T]]) -> list[T]:
    """What all of them give, none of which is left running. Raises what the first of those raises that do."""
    results = await asyncio.gather(*parts, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def _listing(installed: Sequence[tuple[Kind, Sequence[Resources]]], group: str | None) -> Listing:
    workloads: dict[str, Workload] = {}
    unreadable = 0
    for kind, pages in installed:
        told = [workload for page in pages for workload in page.workloads]
        taken = [
            Unreadable(position, name)
            for position, each in enumerate(told)
            if workloads.setdefault(name := _full_name(each), each) is not each
        ]
        log_unreadable(f"{kind.plural} with the name of another workload", taken)
        unreadable += sum(len(page.unreadable) for page in pages)
    wanted = (workload for workload in workloads.values() if group is None or workload.group == group)
    return Listing(tuple(wanted), unreadable)


def _full_name(workload: Workload) -> str:
    return f"{workload.namespace}/{workload.name}"
