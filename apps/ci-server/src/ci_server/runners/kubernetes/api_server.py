"""The API server of Kubernetes."""

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

import httpx

from ci_server.running.runner import CannotRun, RunnerAway

TOKEN_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
ANSWER_SECONDS = 10.0
MOST_TRIES, LONGEST_PAUSE_SECONDS = 5, 10.0
GROUPS = {"jobs": "apis/batch/v1", "pods": "api/v1", "secrets": "api/v1"}
ROLE = (
    "give the service account of the server a Role in the namespace {} that may get, list, create, patch and delete "
    "jobs (batch), list and delete pods, and create and delete secrets"
)
WRONG = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}

Kind = Literal["jobs", "pods", "secrets"]
Json = dict[str, Any]


class ApiServer:
    """Of one namespace, with the rights of the pod that this runs in. Everything raises RunnerAway, but where it says so."""

    def __init__(self, url: str, namespace: str, token_file: Path = TOKEN_FILE) -> None:
        """`token_file` rotates, and the certificate of the cluster's authority (`ca.crt`) is beside it."""
        self.url = httpx.URL(url)
        self.namespace = namespace
        self._token_file = token_file
        self._authority = token_file.with_name("ca.crt")

    async def find(self, kind: Kind, name: str) -> Json | None:
        return await self._json("GET", kind, name)

    async def list(self, kind: Kind, selector: str) -> "list[Json]":
        """Those with these labels: `name=value,…`."""
        found = await self._json("GET", kind, params={"labelSelector": selector})
        return (found or {}).get("items") or []

    async def create(self, kind: Kind, resource: Json) -> None:
        """One of that name that is there already is left as it is. Raises CannotRun."""
        answer = await self._asked("POST", kind, body=resource)
        if answer.status_code != HTTPStatus.CONFLICT:
            self._check(answer)

    async def patch(self, kind: Kind, name: str, change: Json) -> None:
        """Merge a change into it, if it is there."""
        await self._json("PATCH", kind, name, body=change)

    async def delete(self, kind: Kind, name: str, **params: str) -> None:
        """Delete it, if it is there; `params` are of the request."""
        await self._json("DELETE", kind, name, params=params)

    async def close(self) -> None:
        if "_http" in self.__dict__:
            await self._http.aclose()

    async def _json(self, method: str, kind: Kind, name: str = "", **what: Any) -> Json | None:
        answer = await self._asked(method, kind, name, **what)
        if answer.status_code == HTTPStatus.NOT_FOUND and name:
            return None
        self._check(answer)
        return _content(answer)

    async def _asked(
        self,
        method: str,
        kind: Kind,
        name: str = "",
        *,
        params: Mapping[str, str] | None = None,
        body: Json | None = None,
    ) -> httpx.Response:
        path = f"{GROUPS[kind]}/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")
        media = "application/merge-patch+json" if method == "PATCH" else "application/json"
        for _ in range(MOST_TRIES):
            try:
                answer = await self._http.request(
                    method,
                    f"{str(self.url).rstrip('/')}/{path}",
                    params=params,
                    json=body,
                    headers={"Content-Type": media, **self._credentials()},
                )
            except httpx.HTTPError as error:
                raise RunnerAway(
                    f"The Kubernetes API at {self.url} does not answer ({type(error).__name__}: {error}); "
                    "check K8S_API_SERVER_URL."
                ) from error
            if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                return answer
            await asyncio.sleep(_seconds_to_wait(answer))
        raise RunnerAway(f"The Kubernetes API at {self.url} wants to be asked less often (429).")

    def _check(self, answer: httpx.Response) -> None:
        """Raises RunnerAway, or CannotRun for a resource that is refused for what it is."""
        if answer.is_success:
            return
        said = f"The Kubernetes API answered {answer.status_code}: {_content(answer).get('message') or 'nothing more'}"
        if answer.status_code in WRONG:
            raise CannotRun(said)
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise RunnerAway(f"{said}; {self._advice()}.")
        raise RunnerAway(said)

    def _credentials(self) -> Mapping[str, str]:
        if not self._may_have_token():
            return {}
        try:
            token = self._token_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise RunnerAway(f"The token in {self._token_file} cannot be read: {error}") from None
        return {"Authorization": f"Bearer {token}"} if token.isprintable() and token else {}

    def _may_have_token(self) -> bool:
        return self.url.scheme == "https" or _is_loopback(self.url.host)

    def _advice(self) -> str:
        if not self._may_have_token():
            return "no token is sent over plain http: set K8S_API_SERVER_URL to its https address"
        if not self._token_file.exists():
            return f"there is no token in {self._token_file}: run in the cluster, or beside `kubectl proxy`"
        return ROLE.format(self.namespace)

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        try:
            authority = self._authority if self._authority.exists() else None
            return httpx.AsyncClient(
                verify=ssl.create_default_context(cafile=authority),
                timeout=ANSWER_SECONDS,
                trust_env=not _is_loopback(self.url.host),
            )
        except (OSError, ValueError, ImportError) as error:
            raise RunnerAway(
                f"Nothing can be asked of {self.url} ({type(error).__name__}); check {self._authority}, and what the "
                "environment says of proxies."
            ) from None


def _content(answer: httpx.Response) -> Json:
    try:
        content = answer.json()
    except ValueError:
        content = None
    if isinstance(content, dict):
        return content
    if answer.is_success:
        raise RunnerAway(f"What answers at {answer.url.host} is no Kubernetes API; check K8S_API_SERVER_URL.")
    return {}


def _seconds_to_wait(answer: httpx.Response) -> float:
    """As `Retry-After` says, which Kubernetes gives in seconds."""
    wanted = answer.headers.get("Retry-After", "")
    return min(float(wanted) if wanted.isascii() and wanted.isdigit() else 1.0, LONGEST_PAUSE_SECONDS)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
