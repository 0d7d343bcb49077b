import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

import httpx

from fleet_metadata.collector import CollectionFailed
from fleet_metadata.collectors.forges.api_server import ApiServer

_REDIRECTS = 5
_LARGEST_ERROR = 65_536


@dataclass(frozen=True, slots=True)
class Received:
    """What came in the end. `next` is the URL of the next page, where this server has one."""

    status: int
    headers: httpx.Headers
    body: bytes
    next: httpx.URL | None
    from_elsewhere: bool


class Exchange:
    """Sends questions to a server, and gives what comes back, within bounds of time and size.

    Redirects are followed, but the server's own headers are for it alone. The proxy that the environment
    names is used.
    """

    def __init__(self, server: ApiServer, seconds: float, largest: int) -> None:
        self._server = server
        self._seconds = seconds
        self._largest = largest
        self._http: httpx.AsyncClient | None = None

    async def send(self, url: httpx.URL, path: str, condition: Mapping[str, str]) -> Received:
        """GET `url`, which errors call `path`; `condition` are headers for this server. Raises CollectionFailed."""
        try:
            # httpx counts from the last byte, which a server that dribbles never lets come to an end.
            async with asyncio.timeout(self._seconds):
                return await self._followed(url, path, {**self._server.headers, **condition})
        except (TimeoutError, httpx.TimeoutException):
            raise self._server.too_slow(self._seconds) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Only the kind of error, as its text may repeat what was sent.
            raise self._server.unreachable(type(error).__name__) from None

    async def close(self) -> None:
        if self._http:
            await self._http.aclose()
            self._http = None

    async def _followed(self, url: httpx.URL, path: str, headers: Mapping[str, str]) -> Received:
        home, away = url, False
        for _ in range(_REDIRECTS + 1):
            received, location = await self._once(url, path, headers, away)
            if location is None:
                return received
            url = url.join(location).copy_with(userinfo=b"")
            if not _is_same(home, url):
                # And not on the way back either: what led us away is not to be trusted with them.
                away, headers = True, {}
        raise CollectionFailed(f"{self._server} redirects without end; check {self._server.setting}")

    async def _once(
        self, url: httpx.URL, path: str, headers: Mapping[str, str], away: bool
    ) -> tuple[Received, str | None]:
        if self._http is None:
            # Reading the certificates takes a while.
            self._http = await asyncio.to_thread(self._client)
        async with self._http.stream("GET", url, headers=headers) as response:
            location = response.headers["location"] if response.has_redirect_location else None
            body = b"" if location else await self._body(response, path)
            following = None if away else _next_page(response)
            return Received(response.status_code, response.headers, body, following, away), location

    async def _body(self, response: httpx.Response, path: str) -> bytes:
        """Of an error only its beginning."""
        limit = self._largest if response.is_success else _LARGEST_ERROR
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > limit:
                if response.is_success:
                    raise self._server.too_large(path, limit)
                break
        return bytes(body[:limit])

    def _client(self) -> httpx.AsyncClient:
        headers = {"User-Agent": f"fleet-metadata/{version('fleet-metadata')}", "Accept": "application/json"}
        try:
            # The usual authorities or those of SSL_CERT_FILE, and those that this machine trusts.
            trusted = httpx.create_ssl_context()
            trusted.load_default_certs(ssl.Purpose.SERVER_AUTH)
            return httpx.AsyncClient(verify=trusted, headers=headers, timeout=self._seconds)
        except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
            raise CollectionFailed(
                f"nothing can be asked of {self._server} ({type(error).__name__}); check what the environment "
                "says of proxies (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) and certificates (SSL_CERT_FILE)"
            ) from None


def _next_page(response: httpx.Response) -> httpx.URL | None:
    link = response.links.get("next", {}).get("url")
    following = response.url.join(link) if link else None
    return following if following and _is_same(response.url, following) else None


def _is_same(home: httpx.URL, url: httpx.URL) -> bool:
    """Whether `url` is of the same server; one on the usual port of http may send us to that of https."""
    if (home.scheme, home.port, url.scheme, url.port) == ("http", None, "https", None):
        return home.host == url.host
    return (home.scheme, home.host, home.port) == (url.scheme, url.host, url.port)
