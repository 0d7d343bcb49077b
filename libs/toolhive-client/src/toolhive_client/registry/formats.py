from typing import Any

from toolhive_client.reading.json_document import document_in
from toolhive_client.reading.unreadable import Strange
from toolhive_client.registry.legacy_format import read_legacy_registry
from toolhive_client.registry.page import Page
from toolhive_client.registry.upstream_format import read_upstream_page


def read_registry_page(body: bytes) -> Page:
    """A registry, or a page of one, in whichever format it is; envelopes are opened. Raises Strange."""
    match _opened(document_in(body)):
        case {"servers": list()} as page:
            return read_upstream_page(page)
        case ({"servers": _} | {"remote_servers": _}) as registry:
            return read_legacy_registry(registry)
        case _:
            raise Strange


def _opened(document: Any) -> Any:
    """What is in `{registry: ...}` of ToolHive's API, and in `{data: ...}` of a file."""
    for envelope in ("registry", "data"):
        match document:
            case dict() if isinstance(document.get(envelope), dict):
                document = document[envelope]
            case _:
                pass
    return document
