"""Which entry of the registry a workload was made from."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from dependency_graph.domain.image_reference import ImageReference
from dependency_graph.domain.mcp_server import Match, RegistryEntry
from dependency_graph.domain.server_url import normalised_url


class Catalogue:
    """The entries of a registry, made ready to look up packages."""

    def __init__(self, entries: Iterable[RegistryEntry]) -> None:
        self._by_url = defaultdict[str, set[str]](set)
        self._by_repository = defaultdict[str, list[tuple[ImageReference, str]]](list)
        for entry in entries:
            for url in entry.urls:
                self._by_url[normalised_url(url)].add(entry.name)
            for image in map(ImageReference.parse, entry.images):
                self._by_repository[image.repository].append((image, entry.name))

    def match(self, package: str, remote: bool, name: str) -> Match:
        """The entry of the same URL, or the same image, or at least the same repository of images.

        Of several the one of the workload's `name`; else the first by name, and that is ambiguous.
        """
        if remote:
            return _chosen(self._by_url.get(normalised_url(package), ()), name)
        image = ImageReference.parse(package)
        candidates = self._by_repository.get(image.repository, ())
        equal = {entry for other, entry in candidates if image.same_version(other)}
        if equal:
            return _chosen(equal, name)
        return _chosen({entry for _, entry in candidates}, name, version_differs=True)


def _chosen(entries: Collection[str], name: str, *, version_differs: bool = False) -> Match:
    if not entries:
        return Match()
    if name in entries:
        return Match(name, version_differs)
    return Match(min(entries), version_differs, ambiguous=len(entries) > 1)
