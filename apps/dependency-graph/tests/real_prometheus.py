"""A real Prometheus, where the machine has one, and the small exporter that it scrapes."""

import shutil
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest
from small_server import Asked, Told, small_server

from embedded_services.server import free_port

BINARY = shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(
    BINARY is None, reason="Prometheus is not installed: apt-get install prometheus"
)

_CONFIGURATION = """
global: {{scrape_interval: 250ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: traces
    static_configs: [{{targets: ["{target}"]}}]
"""


class RealPrometheus:
    def __init__(self, url: str, process: "subprocess.Popen[bytes]") -> None:
        self.url = url
        self._process = process

    def value(self, query: str) -> float:
        """The one value that `query` has now, or 0."""
        try:
            answer = httpx.get(
                f"{self.url}/api/v1/query", params={"query": query}, trust_env=False, timeout=60
            )
        except httpx.TransportError:
            return 0
        result = answer.json()["data"]["result"] if answer.is_success else []
        return float(result[0]["value"][1]) if result else 0

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def real_prometheus(folder: Path, page: Callable[[int], str]) -> Generator[RealPrometheus]:
    """One that scrapes `page` four times a second; it is told how often it was asked before."""
    numbers = count()

    def metrics(_asked: Asked) -> Told:
        return Told(page(next(numbers)).encode(), headers={"Content-Type": "text/plain; version=0.0.4"})

    with small_server(metrics) as exporter:
        target = exporter.url.removeprefix("http://")
        (folder / "prometheus.yml").write_text(_CONFIGURATION.format(target=target))
        address = f"127.0.0.1:{free_port()}"
        command = [
            BINARY or "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--log.level=error",
        ]
        prometheus = RealPrometheus(f"http://{address}", subprocess.Popen(command))
        try:
            yield prometheus
        finally:
            prometheus.stop()
