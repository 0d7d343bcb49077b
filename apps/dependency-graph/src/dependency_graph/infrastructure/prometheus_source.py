import asyncio
import ssl
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from dependency_graph.application.ports import Connection, ServiceGraph
from dependency_graph.domain.errors import SourceFailed
from dependency_graph.infrastructure.prometheus_answer import VectorAnswer

LARGEST_ANSWER = 64 * 1024 * 1024
_BY = "client, server, connection_type"
_CREDENTIALS = (
    "it wants other credentials: PROMETHEUS_BEARER_TOKEN, or PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD"
)
_ADVICE = {
    401: _CREDENTIALS,
    403: _CREDENTIALS,
    404: "check that PROMETHEUS_URL is its address, with the path that it is served below",
}


@dataclass(frozen=True, slots=True)
class PrometheusAccess:
    """Where Prometheus is, and with what it lets us in; `timeout_seconds` is for each query."""

    url: str
    timeout_seconds: float = 30
    auth: httpx.Auth | None = field(default=None, repr=False)
    bearer_token: str | None = field(default=None, repr=False)

    def client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.bearer_token}"} if self.bearer_token else None
        return httpx.AsyncClient(
            headers=headers,
            auth=self.auth,
            trust_env=False,
            timeout=self.timeout_seconds,
            # OpenSSL's own defaults, which SSL_CERT_FILE adds a private authority to.
            verify=ssl.create_default_context(),
        )


class PrometheusSource:
    """The service graph in the metrics that the collector's connector or Tempo left in Prometheus; see the port.

    `prefix` is what the names of the metrics start with, `window_minutes` how far back a look goes.
    """

    def __init__(
        self, access: PrometheusAccess, prefix: str, window_minutes: int, largest_answer: int = LARGEST_ANSWER
    ) -> None:
        self._access = access
        self._largest_answer = largest_answer
        self._requests = f"{prefix}_request_total"
        self._failed = f"{prefix}_request_failed_total"
        self._seconds = f"{prefix}_request_server_seconds_bucket"
        self._window = f"{window_minutes}m"

    async def observe(self, at: datetime) -> ServiceGraph:
        async with self._access.client() as client:
            requests = await self._ask(client, self._requests, _rate(self._requests, self._window), at)
            failed = await self._ask(client, self._failed, _rate(self._failed, self._window), at)
            slow = await self._ask(client, self._seconds, _p95(self._seconds, self._window), at)
        if not requests.data.result:
            raise SourceFailed(
                f"Prometheus has no {self._requests} with samples in the last {self._window}; check that it gets "
                "the metrics of a service graph, and OTEL_GRAPH_METRICS_PREFIX."
            )
        connections = await asyncio.to_thread(_connections, requests, failed, slow)
        return ServiceGraph(connections, list(self._doubts(requests, failed, slow)))

    async def _ask(self, client: httpx.AsyncClient, metric: str, query: str, at: datetime) -> VectorAnswer:
        told = {"query": query, "time": f"{at.timestamp():.3f}"}
        try:
            # httpx counts from the last byte, which a server that dribbles never lets come to an end.
            async with (
                asyncio.timeout(self._access.timeout_seconds),
                client.stream("POST", f"{self._access.url}/api/v1/query", data=told) as answer,
            ):
                if not answer.is_success:
                    raise _refused(answer.status_code, metric)
                body = await self._bounded(answer, metric)
        except (TimeoutError, httpx.TimeoutException):
            raise SourceFailed(
                f"Prometheus did not answer the query for {metric} within {self._access.timeout_seconds:g} s; "
                "look at its load, or raise PROMETHEUS_TIMEOUT_SECONDS."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Only the kind of error, as its text may repeat what we sent.
            raise SourceFailed(
                f"Prometheus cannot be reached or broke off ({type(error).__name__}); check that it runs, "
                "and PROMETHEUS_URL."
            ) from None
        return await asyncio.to_thread(VectorAnswer.parse, body, metric)

    async def _bounded(self, answer: httpx.Response, metric: str) -> bytes:
        body = bytearray()
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > self._largest_answer:
                raise SourceFailed(
                    f"The answer to the query for {metric} has more than {self._largest_answer:,} bytes; "
                    "have the collector drop what is no service name from client and server."
                )
        return bytes(body)

    def _doubts(self, *answers: VectorAnswer) -> list[str]:
        told = sum(len(answer.warnings or ()) for answer in answers)
        doubts = [f"Prometheus warned of {told} things; the same query by hand shows them"] if told else []
        if not answers[-1].data.result:
            doubts.append(f"Prometheus has no {self._seconds}: nothing is known of how long answers take")
        return doubts


def _rate(metric: str, window: str) -> str:
    """Requests per second; NaN where there are samples and yet no rate, as for the first one of a counter."""
    return f"sum by ({_BY}) (rate({metric}[{window}])) or sum by ({_BY}) (count_over_time({metric}[{window}])) * NaN"


def _p95(metric: str, window: str) -> str:
    return f"histogram_quantile(0.95, sum by ({_BY}, le) (rate({metric}[{window}])))"


def _connections(requests: VectorAnswer, failed: VectorAnswer, slow: VectorAnswer) -> list[Connection]:
    """One for each rate. Where nothing ever failed there is no series of failures; that is none, not unknown."""
    failures, seconds = failed.values(), slow.values()
    return [
        Connection(*labels, rate, failures.get(labels, 0.0), _milliseconds(seconds.get(labels)))
        for labels, rate in requests.values().items()
    ]


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _refused(status: int, metric: str) -> SourceFailed:
    advice = _ADVICE.get(status, "see its log")
    if 300 <= status < 400:  # noqa: PLR2004  # redirects, which may lead our credentials astray
        advice = "redirects are not followed; set PROMETHEUS_URL to the address that answers by itself"
    return SourceFailed(f"Prometheus answered {status} to the query for {metric}: {advice}.")
