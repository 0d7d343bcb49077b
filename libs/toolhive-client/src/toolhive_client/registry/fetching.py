from collections.abc import Mapping, Sequence
from typing import Protocol

from toolhive_client.errors import RegistryUnavailable
from toolhive_client.models import Registry
from toolhive_client.reading.unreadable import Strange
from toolhive_client.registry.formats import read_registry_page
from toolhive_client.registry.page import Page, registry_of
from toolhive_client.transport.refusal import LEGACY_FORMAT, code_of, registry_refused
from toolhive_client.transport.transport import Answer, read_from

PATH = "/api/v1beta/registry/default"
PATHS_OF_PAGES = (f"{PATH}/v0.1/servers", "/registry/default/v0.1/servers")
MOST_PAGES = 100

_LIMIT = {"limit": "200"}
_OK, _NOT_FOUND = 200, 404


class Ask(Protocol):
    async def __call__(self, path: str, params: Mapping[str, str] | None = None) -> Answer: ...


async def fetch_registry(ask: Ask) -> Registry:
    """The whole registry, by pages where ToolHive gives it by those only. Raises RegistryUnavailable."""
    answer = await ask(PATH)
    if code_of(answer) != LEGACY_FORMAT:
        return registry_of([await _page(answer)])
    for path in PATHS_OF_PAGES:
        first = await ask(path, _LIMIT)
        if first.status != _NOT_FOUND:
            return registry_of(await _pages(ask, path, first))
    raise registry_refused(answer)


async def _pages(ask: Ask, path: str, first: Answer) -> Sequence[Page]:
    pages = [await _page(first)]
    while which := _following(pages):
        page = await _page(await ask(path, {**_LIMIT, **which}))
        if len(pages) == MOST_PAGES or (page.found and page.found == pages[-1].found):
            raise RegistryUnavailable(
                f"ToolHive gives pages of its registry without an end ({len(pages)} so far); look at its log."
            )
        pages.append(page)
    return pages


def _following(pages: Sequence[Page]) -> Mapping[str, str] | None:
    """What names the page that comes next, if one does."""
    last = pages[-1]
    if not last.size:
        return None
    if last.cursor:
        return {"cursor": last.cursor}
    is_more = last.total is not None and sum(page.size for page in pages) < last.total
    return {"page": str(len(pages) + 1)} if is_more else None


async def _page(answer: Answer) -> Page:
    if answer.status != _OK:
        raise registry_refused(answer)
    try:
        return await read_from(answer.body, read_registry_page)
    except Strange:
        raise RegistryUnavailable(
            "ToolHive gives its registry in no known format; check `thv config get-registry`."
        ) from None
