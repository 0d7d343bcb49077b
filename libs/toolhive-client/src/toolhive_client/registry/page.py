from collections.abc import Sequence
from dataclasses import dataclass

from toolhive_client.models import Registry, RegistryServer
from toolhive_client.reading.versions import NO_VERSION, Version


@dataclass(frozen=True, slots=True)
class Found:
    """A server as some version of it is described."""

    server: RegistryServer
    version: Version = NO_VERSION
    is_latest: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a registry; `total` is the number of all there are, `cursor` that of the next page, if told."""

    found: tuple[Found, ...]
    unreadable: int = 0
    total: int | None = None
    cursor: str | None = None

    @property
    def size(self) -> int:
        return len(self.found) + self.unreadable


def registry_of(pages: Sequence[Page]) -> Registry:
    """Each server once: as its latest version, else its highest, else the one that came last.

    What is missing from the total that was told counts as unreadable.
    """
    newest: dict[str, Found] = {}
    for page in pages:
        for found in page.found:
            known = newest.get(found.server.name)
            if known is None or (found.is_latest, found.version) >= (known.is_latest, known.version):
                newest[found.server.name] = found
    total = max(page.total or 0 for page in pages)
    missing = max(0, total - sum(page.size for page in pages))
    unreadable = missing + sum(page.unreadable for page in pages)
    return Registry(tuple(found.server for found in newest.values()), unreadable)
