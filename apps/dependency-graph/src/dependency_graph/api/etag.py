from collections.abc import Iterable
from hashlib import blake2b

from dependency_graph.application.queries import GraphVersion


def etag_of(version: GraphVersion, asked: object) -> str:
    """Of the answer to `asked`: another one for each version of the graph, and for each question."""
    digest = blake2b(repr(asked).encode(errors="surrogatepass"), digest_size=9).hexdigest()
    return f'{_beginning(version)}{digest}"'


def is_of(etag: str, version: GraphVersion) -> bool:
    """Whether `etag` is one of that version of the graph."""
    return etag.startswith(_beginning(version))


def _beginning(version: GraphVersion) -> str:
    return f'"{version.generation}-{version.revision.hex}-'


def is_known(etag: str, if_none_match: Iterable[str]) -> bool:
    """Whether a client that sent these `If-None-Match` lines has the answer of `etag` already (RFC 9110)."""
    known = [tag.strip().removeprefix("W/") for line in if_none_match for tag in line.split(",")]
    return etag in known or "*" in known
