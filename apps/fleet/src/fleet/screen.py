import shlex
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from rich.box import SIMPLE
from rich.console import Console, RenderableType
from rich.table import Table

from fleet.endpoint import Endpoint
from fleet.services import Service


class Row(NamedTuple):
    """One line of the overview; `url` may hold a password, which is not shown."""

    name: str
    url: str
    health: str


class Screen:
    """What `fleet up` says: with a spinner on a terminal, in plain lines elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        # Names of services and paths may hold what rich takes for markup or emoji.
        self._console = console or Console(markup=False, emoji=False, highlight=False)

    @contextmanager
    def step(self, doing: str) -> Generator[None]:
        """Show `doing` while the context lasts."""
        if self._console.is_terminal:
            with self._console.status(f"{doing} ..."):
                yield
        else:
            self.say(f"{doing} ...")
            yield

    def say(self, line: str = "") -> None:
        """One line, of any length: what one copies from the screen must not be broken by it."""
        self._console.print(line, soft_wrap=True)

    def show(self, block: RenderableType) -> None:
        self._console.print(block)

    def overview(self, rows: Sequence[Row]) -> None:
        """The table of all that runs."""
        table = Table("service", "URL", "health", box=SIMPLE)
        for row in rows:
            table.add_row(row.name, _without_secrets(row.url), row.health)
        self.show(table)

    def next_steps(self, endpoints: Sequence[Endpoint], api_key: str, api_key_file: Path) -> None:
        """Where to go from here."""
        for endpoint in endpoints:
            self.say(f"Swagger UI: {endpoint.url}{endpoint.service.docs_path} ({_about(endpoint.service)})")
        for endpoint in endpoints:
            if path := endpoint.service.mcp_path:
                self.say(f"MCP:        {endpoint.url}{path} ({endpoint.service.title})")
        self.say(f"API key:    {api_key} (kept in {api_key_file})")
        self.say()
        file = shlex.quote(str(api_key_file))
        for endpoint in endpoints:
            request = f"{endpoint.url}{endpoint.service.guarded_path}"
            self.say(f'curl -H "Authorization: Bearer $(cat {file})" {request}')
        self.say()
        self.say("Ctrl-C stops everything.")


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _about(service: Service) -> str:
    # A service that takes one key alone has no page without it, and a browser asks as for any password.
    return f"{service.title}; asks for a password: the API key" if service.key_variable else service.title
