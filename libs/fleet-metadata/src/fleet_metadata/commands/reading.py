"""Where the command line has its metadata from: the workspace itself, or a server that runs in it."""

from typing import TYPE_CHECKING, Protocol

from fleet_metadata.agents.workspace_metadata import WorkspaceMetadata, metadata_in
from fleet_metadata.board_of import board_of, cleaning_of
from fleet_metadata.collection.board import Board
from fleet_metadata.collection.selection import EVERYTHING, Selection
from fleet_metadata.commands.command_log import set_up_log
from fleet_metadata.commands.told_elsewhere import cleaned
from fleet_metadata.settings import Settings

if TYPE_CHECKING:
    from fleet_metadata.client import FleetClient


class CannotRead(Exception):
    """There is no metadata to be had; the text says why."""


class Reader(Protocol):
    async def read(self, selection: Selection = EVERYTHING) -> WorkspaceMetadata:
        """What holds now, of the keys of `selection`. Raises CannotRead."""
        ...

    async def close(self) -> None: ...


def reader_of(settings: Settings, url: str | None) -> Reader:
    """The server at `url`, or without one the workspace of `settings`. Raises UnknownCollector when it is read."""
    return RunningServer(settings, url) if url else LocalWorkspace(settings)


class LocalWorkspace:
    """Collects by itself. For a single key no more collectors are loaded than it takes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._boards: dict[str | None, Board] = {}

    async def read(self, selection: Selection = EVERYTHING) -> WorkspaceMetadata:
        try:
            answer = await self._board_for(selection).read(selection)
        except TimeoutError as error:
            raise CannotRead(f"{error}.") from None
        return metadata_in(answer.body)

    async def close(self) -> None:
        for board in self._boards.values():
            await board.stop()

    def _board_for(self, selection: Selection) -> Board:
        match list(selection.names or ()):
            case [key] if self._board(key).collector_of(key):
                return self._board(key)
            case _:
                return self._board(None)

    def _board(self, key: str | None) -> Board:
        if key not in self._boards:
            self._boards[key] = board_of(self._settings, key)
            set_up_log(self._settings)
        return self._boards[key]


class RunningServer:
    """Asks the server at `url`, with the token of the settings; what it tells is cleaned as if it were told here."""

    def __init__(self, settings: Settings, url: str) -> None:
        token = settings.fleet_metadata_token
        self._token = token.get_secret_value() if token else None
        self._url = url
        self._cleaning = cleaning_of(settings)
        self._client: FleetClient | None = None

    async def read(self, selection: Selection = EVERYTHING) -> WorkspaceMetadata:
        from fleet_metadata.client import Unreadable

        read = self._http().read(
            {"": self._url},
            prefix=selection.prefix,
            keys=selection.names,
            list_only=selection.list_only,
        )
        [result] = (await read).values()
        if isinstance(result, Unreadable):
            raise CannotRead(result.why)
        return cleaned(result, self._cleaning)

    async def close(self) -> None:
        if self._client:
            await self._client.aclose()

    def _http(self) -> "FleetClient":
        from fleet_metadata.client import FleetClient

        if self._client is None:
            # A server has three seconds for its answer. How its collectors are is wanted anew each time.
            self._client = FleetClient(self._token, timeout=5.0, remember_seconds=0)
        return self._client
