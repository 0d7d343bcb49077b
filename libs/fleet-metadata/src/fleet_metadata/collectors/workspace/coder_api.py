import json
import ssl
from functools import cached_property
from importlib.metadata import version
from typing import Any

import httpx

from fleet_metadata.collector import CollectionFailed

LARGEST_ANSWER = 2 * 1024 * 1024
_REDIRECTS = 3
_LAST_PORT = 65535
_PAUSE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 3600.0
# The last three come of a proxy, or of certificates, that the environment names and that cannot be used.
_NO_ANSWER = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ImportError)


class Refused(CollectionFailed):
    """Coder knows no such thing, or does not let us see it; `status` is that of its answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class CoderApi:
    """Coder's REST API at `url`: https://coder.com/docs/reference/api.

    `token` is a session token; it goes to that host alone, and into no text.
    """

    def __init__(self, url: str, token: str, timeout_seconds: float = 5) -> None:
        self._url = url
        self._token = token
        self._timeout_seconds = timeout_seconds

    async def get(self, path: str, params: dict[str, str] | None = None) -> Any:
        """The JSON at `path`. Raises Refused, and CollectionFailed for all else that is no answer."""
        try:
            request = self._client.build_request("GET", path, params=params)
            for _ in range(_REDIRECTS + 1):
                answer = await self._client.send(request, stream=True)
                try:
                    if answer.next_request is None:
                        return _parsed(await _body(answer))
                    request = _same_host(request, answer.next_request)
                finally:
                    await answer.aclose()
        except httpx.TimeoutException:
            raise CollectionFailed(f"no answer for {self._timeout_seconds:g} s") from None
        except _NO_ANSWER as error:
            # Only the kind of error, as its text may repeat what we sent.
            raise CollectionFailed(
                f"cannot be reached or broke off ({type(error).__name__}): check CODER_AGENT_URL"
            ) from None
        raise CollectionFailed("redirects in a circle: check CODER_AGENT_URL")

    async def close(self) -> None:
        if "_client" in self.__dict__:
            await self._client.aclose()

    @cached_property
    def _client(self) -> httpx.AsyncClient:
        url = httpx.URL(self._url)
        if not url.host or (url.port or 0) > _LAST_PORT:
            raise httpx.InvalidURL("without a host, or with a port that is none")
        return httpx.AsyncClient(
            base_url=url,
            headers={
                "Accept": "application/json",
                # So that what comes over the network is as large as what is kept.
                "Accept-Encoding": "identity",
                "Coder-Session-Token": self._token,
                "User-Agent": f"fleet-metadata/{version('fleet-metadata')}",
            },
            timeout=self._timeout_seconds,
            # OpenSSL's own defaults, which SSL_CERT_FILE adds a private authority to.
            verify=ssl.create_default_context(),
        )


def _same_host(asked: httpx.Request, redirect: httpx.Request) -> httpx.Request:
    """`redirect`, which httpx would send the token along with wherever it leads."""
    old, new = asked.url, redirect.url
    if (new.host, new.port) != (old.host, old.port) or new.scheme not in {old.scheme, "https"}:
        raise CollectionFailed(
            "redirects to another host, where the token is not sent: check CODER_AGENT_URL"
        )
    return redirect


async def _body(answer: httpx.Response) -> bytes:
    if not answer.is_success:
        raise _refusal(answer)
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > LARGEST_ANSWER:
            raise CollectionFailed(f"its answer has more than {LARGEST_ANSWER // 1024 // 1024} MiB")
    return bytes(body)


def _refusal(answer: httpx.Response) -> CollectionFailed:
    match answer.status_code:
        case 401:
            return CollectionFailed(
                "the token is not accepted (401): set CODER_SESSION_TOKEN to a session token (`coder tokens create`), "
                "as the token of a workspace agent reads no tasks",
                retry_in=_PAUSE_SECONDS,
            )
        case 429:
            return CollectionFailed("rate limited (429)", retry_in=_pause(answer))
        case 400 | 403 | 404 | 410 as status:
            return Refused(
                status, f"knows neither tasks nor chats, or does not show them to this token ({status})"
            )
        case status:
            return CollectionFailed(f"answers {status}: see its log, and check CODER_AGENT_URL")


def _pause(answer: httpx.Response) -> float:
    told = answer.headers.get("Retry-After", "")
    return min(float(told), _LONGEST_PAUSE_SECONDS) if told.isdecimal() else _PAUSE_SECONDS


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise CollectionFailed("its answer is not JSON: check CODER_AGENT_URL") from None
