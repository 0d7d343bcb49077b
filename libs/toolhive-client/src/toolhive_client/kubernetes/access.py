"""With what the API server of Kubernetes lets us in.

See kubernetes.io/docs/tasks/run-application/access-api-from-pod.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from toolhive_client.errors import ToolhiveUnavailable
from toolhive_client.reading.regular_file import beginning_of
from toolhive_client.transport.loopback import is_loopback
from toolhive_client.transport.transport import HEADERS

TOKEN_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
CA_FILE = TOKEN_FILE.with_name("ca.crt")

_LAST_PORT = 65_535
_LARGEST_TOKEN = 65_536
_TOKEN = re.compile(rb"[!-~]+")


@dataclass(frozen=True, slots=True)
class Credentials:
    """`advice` is what to do where they are not enough."""

    headers: Mapping[str, str] = field(repr=False)
    advice: str


@dataclass(frozen=True, slots=True)
class KubernetesAccess:
    """Where the API server is, and the files that a service account has inside of a cluster."""

    url: httpx.URL
    token_file: Path
    ca_file: Path

    def client(self) -> httpx.AsyncClient:
        """For this server alone; it trusts the cluster's authority where there is one. Raises ToolhiveUnavailable."""
        try:
            authority = self.ca_file if self.ca_file.exists() else None
            return httpx.AsyncClient(
                headers=HEADERS,
                verify=ssl.create_default_context(cafile=authority),
                # No proxy of the environment leads to this machine.
                trust_env=not is_loopback(str(self.url)),
            )
        except (OSError, ValueError, ImportError) as error:
            raise ToolhiveUnavailable(
                f"Nothing can be asked of {self.url} ({type(error).__name__}); check the certificate in "
                f"{self.ca_file}, and what the environment says of proxies."
            ) from None

    def credentials(self) -> Credentials:
        """Those to send now; the token rotates. Raises ToolhiveUnavailable."""
        if self.url.scheme == "http" and not is_loopback(str(self.url)):
            return Credentials(
                {},
                "no token is sent to another host over plain http, set K8S_API_SERVER_URL to its https address",
            )
        token = self._token()
        if token is None:
            return Credentials(
                {},
                f"there is no token in {self.token_file}, run inside of the cluster or have K8S_API_SERVER_URL lead "
                "to `kubectl proxy`",
            )
        return Credentials(
            {"Authorization": f"Bearer {token}"},
            f"see to the service account whose token is in {self.token_file}",
        )

    def _token(self) -> str | None:
        try:
            token = beginning_of(self.token_file, _LARGEST_TOKEN).strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ToolhiveUnavailable(
                f"{self.token_file} cannot be read ({type(error).__name__}); let this process read it."
            ) from None
        if not _TOKEN.fullmatch(token):
            raise ToolhiveUnavailable(f"{self.token_file} holds no token; see how it is mounted.")
        return token.decode()


def api_server_at(url: str) -> httpx.URL:
    """The address of an API server, which may have a path. Raises ValueError for what is none."""
    try:
        address = httpx.URL(url.rstrip("/"))
    except httpx.InvalidURL:
        address = httpx.URL()
    is_bare = not (address.userinfo or address.query or address.fragment)
    if address.scheme in {"http", "https"} and address.host and is_bare and (address.port or 0) <= _LAST_PORT:
        return address
    # It is not repeated, as it may hold a password.
    raise ValueError(
        "not the address of an API server, such as http://127.0.0.1:8001, without user, password, query and fragment"
    )
