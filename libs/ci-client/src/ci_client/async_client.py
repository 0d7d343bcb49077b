import asyncio

import httpx

from ci_client import answers
from ci_client.errors import ServerUnavailable
from ci_client.models import Job
from ci_client.refusal import refusal
from ci_client.transport import http_options, unreachable


class AsyncCiClient:
    """Tells of jobs, asynchronously; each answer has `timeout_seconds`. `close` it at the end.

    Raises ValueError or OSError where what the environment says of proxies or certificates makes no sense.
    """

    def __init__(self, server_url: str, api_key: str | None, *, timeout_seconds: float = 5) -> None:
        self._http = httpx.AsyncClient(**http_options(server_url, api_key, timeout_seconds))
        self._server = str(self._http.base_url).rstrip("/")
        self._seconds = timeout_seconds

    async def close(self) -> None:
        await self._http.aclose()

    async def newest_job(self, branch: str) -> Job | None:
        """The newest job of `branch` of the key's user, None where there is none. Raises CiError."""
        query = answers.filters(None, None, None, branch, 1)
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._http.get("/jobs", params=query)
        except httpx.TransportError as error:
            raise unreachable(self._server, error) from error
        except TimeoutError:
            raise ServerUnavailable(
                f"The CI server at {self._server} did not answer within {self._seconds:g} s; check its load, and "
                "CI_SERVER_URL."
            ) from None
        if not response.is_success:
            raise refusal(self._server, response.status_code, response.headers, response.content)
        jobs = answers.read(response, answers.JOBS)
        return jobs[0] if jobs else None
