import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from toolhive_client.errors import ToolhiveUnavailable
from toolhive_client.transport.loopback import is_loopback
from toolhive_client.transport.transport import HEADERS

_LAST_PORT = 65_535


def checked_url(url: str) -> httpx.URL:
    """`url`, which has to be an http or https URL without a query. Raises ValueError."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    is_server = parsed.scheme in {"http", "https"} and parsed.host and (parsed.port or 0) <= _LAST_PORT
    if not is_server or any(mark in url for mark in "?# "):
        # It is not repeated, as it may hold a password.
        raise ValueError("not an http or https URL without a query, such as http://host:8080")
    return parsed


def http_client(url: httpx.URL | None) -> httpx.AsyncClient:
    """For ToolHive at `url`, with the user and password in it, or for all of this machine.

    The environment has a say (HTTPS_PROXY, SSL_CERT_FILE) for other machines. Raises ToolhiveUnavailable where
    that makes no sense.
    """
    is_here = url is None or is_loopback(str(url))
    is_plain = url is None or url.scheme == "http"
    try:
        return httpx.AsyncClient(
            # Reading the certificates of authorities takes longer than all that is asked of this machine.
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_here and is_plain else True,
            headers=HEADERS,
            # As a part of the URL they would be in the log of httpx.
            auth=httpx.BasicAuth(url.username, url.password) if url and url.userinfo else None,
            # What one of the servers that were asked wants to be reminded of is none of the others' business.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            # Looking through fifty kept connections takes longer than to make fifty.
            limits=httpx.Limits(max_keepalive_connections=8),
            timeout=None,  # noqa: S113  # bounded as a whole instead, which dripping bytes does not get around
            trust_env=not is_here,
        )
    except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
        raise ToolhiveUnavailable(
            f"ToolHive cannot be asked ({type(error).__name__}); check what the environment says of proxies "
            "(HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) and certificates (SSL_CERT_FILE)."
        ) from None
