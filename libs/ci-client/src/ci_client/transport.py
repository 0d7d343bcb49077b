import ssl
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from ci_client.backoff import MOST_RETRY_AFTER_SECONDS, Backoff
from ci_client.errors import CiError, ServerUnavailable, SettingsMissing, TooManyRequests
from ci_client.refusal import refusal
from ci_client.settings import is_loopback

T = TypeVar("T")
Sleep = Callable[[float], object]

TRIES = 4
_LARGEST_REFUSAL = 100_000


def http_options(url: str, api_key: str | None, timeout_seconds: float) -> dict[str, Any]:
    """For an httpx client of the server at `url`. A proxy of the environment is not used for this machine.

    Redirects are not followed, as what is sent is for that server alone.
    """
    here = is_loopback(url)
    plain = urlsplit(url).scheme == "http"
    parts = httpx.URL(url)
    return {
        "base_url": parts.copy_with(userinfo=b""),
        "auth": httpx.BasicAuth(parts.username, parts.password) if parts.userinfo else None,
        "headers": {
            "User-Agent": f"ci-client/{version('ci-client')}",
            **({"X-API-Key": api_key} if api_key else {}),
        },
        "timeout": timeout_seconds,
        "trust_env": not here,
        # Reading the certificates of authorities takes longer than most answers of this machine.
        "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if here and plain else True,
    }


def unreachable(server: str, error: httpx.TransportError) -> ServerUnavailable:
    """What a connection that could not be made, or broke off, means."""
    missed = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    how = "cannot be reached" if missed else "broke off, or took too long"
    return ServerUnavailable(
        f"The CI server at {server} {how} ({type(error).__name__}); check that it runs, the network, and CI_SERVER_URL.",
        uncertain=not missed,
    )


def pause_before_another(error: CiError, backoff: Backoff, *, repeatable: bool) -> float | None:
    """Seconds to wait before the same is asked again, or None where that is of no use, or not safe.

    What is not `repeatable` is asked again only where the server surely has not done it.
    """
    if isinstance(error, ServerUnavailable):
        wanted = error.retry_after or 0.0
        safe = repeatable or not error.uncertain
    else:
        safe = isinstance(error, TooManyRequests)
        wanted = error.retry_after if isinstance(error, TooManyRequests) else 0.0
    if not safe or wanted > MOST_RETRY_AFTER_SECONDS:
        return None
    pause = backoff.pause()
    return None if pause is None else max(pause, wanted)


class Transport:
    """Asks one server, and asks again where that may help. `sleep` waits for seconds."""

    def __init__(
        self, url: str, api_key: str | None, timeout_seconds: float = 30, sleep: Sleep = time.sleep
    ) -> None:
        try:
            self._http = httpx.Client(**http_options(url, api_key, timeout_seconds))
        except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
            raise SettingsMissing(
                f"The CI server cannot be asked ({type(error).__name__}); check CI_SERVER_URL, and what the "
                "environment says of proxies (HTTPS_PROXY, ALL_PROXY) and certificates (SSL_CERT_FILE)."
            ) from None
        self.server = str(self._http.base_url).rstrip("/")
        self.sleep = sleep

    def close(self) -> None:
        self._http.close()

    def ask(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, *, repeatable: bool = True
    ) -> httpx.Response:
        """The whole answer, a success. Raises CiError."""

        def attempt() -> httpx.Response:
            with self.open(method, path, params=params) as response:
                response.read()
                return response

        return self.repeated(attempt, repeatable=repeatable)

    def repeated(self, attempt: Callable[[], T], *, repeatable: bool) -> T:
        backoff = Backoff(TRIES)
        while True:
            try:
                return attempt()
            except CiError as error:
                pause = pause_before_another(error, backoff, repeatable=repeatable)
                if pause is None:
                    raise
            self.sleep(pause)

    @contextmanager
    def open(self, method: str, path: str, **request: Any) -> Generator[httpx.Response]:
        """An answer that is a success, to be read within the context, once. Raises CiError, within it too."""
        try:
            with self._http.stream(method, path, **request) as response:
                if not response.is_success:
                    body = next(response.iter_bytes(_LARGEST_REFUSAL), b"")
                    raise refusal(self.server, response.status_code, response.headers, body)
                yield response
        except httpx.TransportError as error:
            raise unreachable(self.server, error) from error
        except httpx.DecodingError as error:
            raise ServerUnavailable(f"What {self.server} sends cannot be decoded ({error}).") from error
