"""The URLs at which servers are reached, written in one way, so that equal ones are equal texts."""

import re
from contextlib import suppress
from typing import NamedTuple, Self
from urllib.parse import quote

DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}

_URL = re.compile(
    r"(?P<scheme>https?|wss?)://"
    r"(?:[^/?#]*@)?"
    r"(?P<host>\[[0-9a-f:.]+\]|[^/?#@:\[\]]+)(?::(?P<port>[0-9]*))?"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_DEVIATIONS = re.compile("[ßẞς\u200c\u200d]")
_UNRESERVED = r"A-Za-z0-9\-._~"
_DELIMITERS = r"!$&'()*+,;="
_IN_A_HOST = re.compile(rf"%(?P<hex>[0-9A-Fa-f]{{2}})|[^{_UNRESERVED}{_DELIMITERS}]")
_IN_A_PATH = re.compile(rf"%(?P<hex>[0-9A-Fa-f]{{2}})|[^{_UNRESERVED}{_DELIMITERS}:@/]")
_IN_A_QUERY = re.compile(rf"%(?P<hex>[0-9A-Fa-f]{{2}})|[^{_UNRESERVED}{_DELIMITERS}:@/?]")


class ServerUrl(NamedTuple):
    """An http, https, ws or wss URL after RFC 3986, section 6.2, without its user and its fragment.

    The scheme and the host are in lower case, the host in ASCII and without a dot at its end. `port` is empty
    where it is the default. Slashes at the end of the path are gone, and so is an empty query.
    """

    scheme: str
    host: str
    port: str
    path: str
    query: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for what is no such URL."""
        found = _URL.fullmatch(text)
        host = _host(found["host"]) if found else ""
        if not found or not host:
            return None
        scheme = found["scheme"].lower()
        path = _without_dots(_encoded(found["path"] or "", _IN_A_PATH)).rstrip("/")
        return cls(
            scheme, host, _port(scheme, found["port"]), path, _encoded(found["query"] or "", _IN_A_QUERY)
        )

    @property
    def location(self) -> str:
        """The host, and the port where it is not the default."""
        return f"{self.host}:{self.port}" if self.port else self.host

    def __str__(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self.location}{self.path}{query}"


def normalised_url(text: str) -> str:
    """The one way to write a URL; what is no http, https, ws or wss URL stays as it is."""
    return str(ServerUrl.parse(text) or text)


def _host(text: str) -> str:
    if text.startswith("["):
        return text.lower()
    name = text
    # The standard library takes these for others, which newer rules do not: faß.de is not fass.de.
    if not _DEVIATIONS.search(text):
        with suppress(UnicodeError):
            name = text.encode("idna").decode("ascii")
    return _encoded(name, _IN_A_HOST).lower().rstrip(".")


def _port(scheme: str, text: str | None) -> str:
    if not text:
        return ""
    port = text.lstrip("0") or "0"
    return "" if port == DEFAULT_PORTS[scheme] else port


def _encoded(text: str, odd: re.Pattern[str]) -> str:
    """Unreserved characters decoded, those encoded that must be, and the digits of all others in upper case."""
    return odd.sub(_rewritten, text)


def _rewritten(found: re.Match[str]) -> str:
    if found["hex"] is None:
        return quote(found[0], safe="", errors="surrogatepass")
    character = chr(int(found["hex"], 16))
    return character if re.match(f"[{_UNRESERVED}]", character) else found[0].upper()


def _without_dots(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept)
