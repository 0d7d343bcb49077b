from types import TracebackType
from typing import Any, Self

import httpx

from fleet.endpoint import Endpoint
from fleet.errors import FleetError

REFUSED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


class ServiceClient:
    """HTTP to one running service; a context manager. Raises FleetError where that does not answer."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.service = endpoint.service
        # Proxies of the environment are for the world outside, and these requests stay on the machine.
        self._http = httpx.Client(base_url=endpoint.url, trust_env=False, timeout=30.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def what_is_missing(self) -> str:
        """What keeps the service from working, in its own words; empty if it is ready."""
        try:
            answer = self._http.get(self.service.ready_path)
        except httpx.HTTPError as error:
            return str(error)
        return "" if answer.is_success else answer.text or f"status {answer.status_code}"

    def accepts(self, api_key: str) -> bool:
        """Whether `api_key` is good: known, not revoked, not expired."""
        if not (api_key.isascii() and api_key.isprintable()):
            return False
        self.use(api_key)
        return self._request("GET", self.service.guarded_path).status_code not in REFUSED

    def use(self, api_key: str) -> None:
        """Send `api_key` with every request from now on."""
        self._http.headers["Authorization"] = f"Bearer {api_key}"

    def get(self, path: str) -> Any:
        """The JSON that the service answers; raises FleetError for anything but success."""
        return self._json("GET", path)

    def post(self, path: str, body: object) -> Any:
        """As `get`, for sending `body` as JSON."""
        return self._json("POST", path, body)

    def _json(self, method: str, path: str, body: object = None) -> Any:
        answer = self._request(method, path, body)
        if not answer.is_success:
            fault = f"{answer.status_code}: {answer.text}"
            raise FleetError(f"{self.service.name} answered {method} {path} with {fault}")
        return answer.json()

    def _request(self, method: str, path: str, body: object = None) -> httpx.Response:
        try:
            return self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise FleetError(f"{self.service.name} did not answer {method} {path}: {error}") from error
