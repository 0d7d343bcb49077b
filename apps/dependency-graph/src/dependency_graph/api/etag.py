from collections.abc import Iterable


def is_known(etag: str, if_none_match: Iterable[str]) -> bool:
    """Whether a client that sent these `If-None-Match` lines has the answer of `etag` already (RFC 9110)."""
    known = [tag.strip().removeprefix("W/") for line in if_none_match for tag in line.split(",")]
    return etag in known or "*" in known
