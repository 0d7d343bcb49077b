"""The inventory of MCP servers as clients of a running service see it."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp_agent import Agent
from running_service import API, UNLIMITED, WITHIN_SECONDS, RunningService, make_key_with_limits, until

WORKLOADS, REGISTRY = "toolhive_workloads", "toolhive_registry"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class InventoryService:
    """A service, and a client of it that may do everything."""

    service: RunningService
    http: httpx.Client

    def run(self, source: str) -> Json:
        """Run a source; how that ended."""
        answer = self.http.post(f"/sync/{source}", params={"wait": True})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def take(self, source: str = WORKLOADS) -> Json:
        """Run a source, which succeeds; what that changed."""
        run = self.run(source)
        assert run["status"] == "succeeded", run["error"]
        return run["changes"]

    def get(self, path: str, **params: Any) -> Json:
        answer = self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def state(self, source: str) -> Json:
        return next(state for state in self.get("/sync")["sources"] if state["source"] == source)

    def last_run(self, source: str) -> Json:
        """The last run; empty where there was none."""
        return self.state(source)["last_run"] or {}

    def wait_for_first_runs(self) -> None:
        """From now on nothing runs that is not asked for."""
        for source in (WORKLOADS, REGISTRY):
            until(lambda source=source: self.last_run(source).get("status") in {"succeeded", "failed"})

    @property
    def servers(self) -> dict[str, Json]:
        return {server["name"]: server for server in self.get("/mcp-servers")["mcp_servers"]}

    @property
    def services(self) -> set[str]:
        """What the graph has."""
        return {service["service_id"] for service in self.get("/services")["services"]}

    def targets(self, service_id: str) -> set[str]:
        """What a service depends on; its slashes are to be percent-encoded."""
        told = self.get(f"/services/{service_id}/dependencies", direction="downstream")
        return {edge["target"] for edge in told["edges"]}

    def agent(self) -> Agent:
        """An agent with the same key."""
        return Client(StreamableHttpTransport(f"{self.service.url}/mcp", auth=self.http.headers["X-API-Key"]))


@contextmanager
def inventory_service(folder: Path, database_url: str, **settings: str) -> Generator[InventoryService]:
    """A service that looks at ToolHive once when it starts, and then when it is asked to."""
    key = make_key_with_limits(database_url, query=UNLIMITED, ingestion=UNLIMITED)
    seldom = {"DATABASE_URL": database_url, "WORKLOAD_POLLING_INTERVAL": "86400"}
    with (
        RunningService(folder, **seldom | settings) as service,
        httpx.Client(
            base_url=f"{service.url}{API}",
            headers={"X-API-Key": key},
            timeout=WITHIN_SECONDS,
            trust_env=False,
        ) as http,
    ):
        yield InventoryService(service, http)
