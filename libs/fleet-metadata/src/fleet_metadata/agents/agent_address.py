from collections.abc import Mapping

import httpx

_LARGEST_PORT = 65535


class BadAddress(Exception):
    """Nothing that an agent could be asked at; the text says what is wrong with it, and not what it is."""


def metadata_url(address: str, query: Mapping[str, str]) -> httpx.URL:
    """Where the agent at `address`, `http://10.0.0.7:8001`, tells its metadata; raises BadAddress."""
    url = _parsed(address)
    # As it was sent: a slash that is escaped in a name is no slash.
    path = url.raw_path.rstrip(b"/") + b"/metadata"
    try:
        return url.copy_with(raw_path=path).copy_merge_params(query)
    except (httpx.InvalidURL, ValueError):
        raise BadAddress("no query could be made of the keys that are asked for") from None


def _parsed(address: str) -> httpx.URL:
    try:
        url = httpx.URL(address.strip())
    except (httpx.InvalidURL, ValueError):
        raise BadAddress("the address is no URL") from None
    # A host with characters that hosts do not have is escaped, and would be asked for as that.
    if url.scheme not in {"http", "https"} or not url.host or ("%" in url.host and ":" not in url.host):
        raise BadAddress("the address is not the URL of a server: http://10.0.0.7:8001")
    if url.port is not None and not 0 < url.port <= _LARGEST_PORT:
        raise BadAddress(f"the address has a port that there is not: {url.port}")
    if url.userinfo:
        raise BadAddress("the address has credentials in it; they belong into the token")
    if url.query or url.fragment:
        raise BadAddress("the address has a query or a fragment, and is to be that of the server alone")
    return url
