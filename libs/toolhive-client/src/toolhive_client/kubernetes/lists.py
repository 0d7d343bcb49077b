from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolhive_client.errors import ToolhiveUnavailable
from toolhive_client.kubernetes.access import Credentials
from toolhive_client.kubernetes.resources import API_GROUP, VERSIONS, Kind, full_name_in, read_workload
from toolhive_client.models import Workload
from toolhive_client.reading.json_document import document_in
from toolhive_client.reading.unreadable import Strange, Unreadable, log_unreadable
from toolhive_client.transport.transport import Answer, Sleep, Transport, is_server_error, read_from, repeated

PAGE_SIZE = 500
MOST_PAGES = 20

_OK, _NOT_FOUND, _TOO_MANY = 200, 404, 429


class ListExpired(ToolhiveUnavailable):
    """The rest of a list was asked for too late: kubernetes.io/docs/reference/using-api/api-concepts."""


class _Metadata(BaseModel):
    rest: str | None = Field(default=None, alias="continue")


class _Page(BaseModel):
    model_config = ConfigDict(strict=True)

    kind: str
    items: list[Any] | None
    metadata: _Metadata | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """Of one page; `rest` is the token that the next one is asked for with."""

    workloads: Sequence[Workload]
    unreadable: Sequence[Unreadable]
    rest: str | None


@dataclass(frozen=True, slots=True)
class ResourceLists:
    """The lists of one API server, that errors call `peer`; `seen` are the kinds that it had at any time."""

    transport: Transport
    peer: str
    url: str
    credentials: Credentials
    seen: set[Kind]
    sleep: Sleep

    async def pages(self, kind: Kind) -> Sequence[Resources] | None:
        """All resources of a kind; None where the cluster never had such a kind. Raises ToolhiveUnavailable.

        A kind may be there in one version only.
        """
        for version in VERSIONS:
            if (pages := await self._complete(kind, version)) is not None:
                return pages
        if kind in self.seen:
            raise ToolhiveUnavailable(
                f"{self.peer} answered 404 to a list of {kind.plural}, which it had before; see whether the CRD "
                f"{kind.plural}.{API_GROUP} is there. If it was removed for good, restart the service."
            )
        return None

    async def _complete(self, kind: Kind, version: str) -> Sequence[Resources] | None:
        try:
            return await self._pages(kind, version)
        except ListExpired:
            return await self._pages(kind, version)

    async def _pages(self, kind: Kind, version: str) -> Sequence[Resources] | None:
        pages: list[Resources] = []
        params = {"limit": str(PAGE_SIZE)}
        while len(pages) < MOST_PAGES:
            page = await self._page(kind, version, params)
            if page is None and pages:
                raise ToolhiveUnavailable(
                    f"{self.peer} answered 404 to the rest of a list of {kind.plural}; see its log, and what stands "
                    "between."
                )
            if page is None:
                return None
            self.seen.add(kind)
            pages.append(page)
            if not page.rest:
                return pages
            params = {"limit": str(PAGE_SIZE), "continue": page.rest}
        raise ToolhiveUnavailable(
            f"{self.peer} gives {kind.plural} on more than {MOST_PAGES} pages of {PAGE_SIZE}, which are not read; "
            "remove some."
        )

    async def _page(self, kind: Kind, version: str, params: dict[str, str]) -> Resources | None:
        url = f"{self.url}/apis/{API_GROUP}/{version}/{kind.plural}"
        get = partial(self.transport.get, url, params, self.credentials.headers)
        answer = await repeated(get, _may_pass, self.sleep)
        if answer.status == _NOT_FOUND:
            return None
        if answer.status != _OK:
            raise self._refusal(kind, answer.status)
        try:
            return await read_from(answer.body, partial(_read, kind))
        except Strange:
            raise ToolhiveUnavailable(
                f"{self.peer} answered with no list of {kind.plural}; check K8S_API_SERVER_URL, and what stands "
                "between."
            ) from None

    def _refusal(self, kind: Kind, status: int) -> ToolhiveUnavailable:
        what = f"{self.peer} answered {status}"
        match status:
            case 401:
                return ToolhiveUnavailable(f"{what}; {self.credentials.advice}.")
            case 403:
                return ToolhiveUnavailable(
                    f"{what}: a ClusterRole must let us list {kind.plural}.{API_GROUP} at the cluster scope; "
                    f"{self.credentials.advice}."
                )
            case 410:
                return ListExpired(
                    f"{what}: the list of {kind.plural} expired twice while it was read; try again."
                )
            case _:
                return ToolhiveUnavailable(f"{what} to a list of {kind.plural}; see its log.")


def _may_pass(answer: Answer) -> bool:
    return is_server_error(answer) or answer.status == _TOO_MANY


def _read(kind: Kind, body: bytes) -> Resources:
    try:
        page = _Page.model_validate(document_in(body))
    except ValidationError:
        raise Strange from None
    if page.kind != f"{kind.name}List":
        raise Strange
    workloads: list[Workload] = []
    unreadable: list[Unreadable] = []
    for position, item in enumerate(page.items or ()):
        try:
            workloads.append(read_workload(kind, item))
        except ValidationError:
            unreadable.append(Unreadable(position, full_name_in(item)))
    log_unreadable(kind.plural, unreadable)
    return Resources(workloads, unreadable, page.metadata.rest if page.metadata else None)
