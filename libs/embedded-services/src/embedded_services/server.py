import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import Self

from embedded_services.child_process import ChildProcess
from embedded_services.data_folder import DataFolder
from embedded_services.errors import StartFailed

READY_WITHIN_SECONDS = 30.0
POLL_SECONDS = 0.02
PORTS_TO_TRY = 5
LOG_LINES_SHOWN = 8


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class EmbeddedServer(ABC):
    """One server on one data folder and a free port of 127.0.0.1; it dies with this process.

    `url` is where it answers, empty before the first start. A restart keeps the port if that is still free,
    so that clients find the server again. Not for use by several threads at once.
    """

    _log_name: str
    _stop_signal: Signals

    def __init__(self, data_dir: Path, *, pick_port: Callable[[], int] = free_port) -> None:
        self.url = ""
        self._folder = DataFolder(data_dir)
        self._pick_port = pick_port
        self._port = 0
        self._child: ChildProcess | None = None

    def start(self) -> str:
        """Start the server, wait until it answers (up to 30 s), return its URL; do nothing if it runs.

        Raises DataFolderInUse, StartFailed, UnsupportedHost, WrongVersion; nothing is left running then.
        """
        if self.pid is None:
            try:
                self._folder.hold()
                self._prepare()
                self._launch_on_a_free_port()
            except BaseException as error:
                self.stop()
                if isinstance(error, OSError):
                    raise StartFailed(
                        f"{error}. {self._folder.path} must be writable for this user."
                    ) from error
                raise
        return self.url

    def stop(self) -> None:
        """Stop the server and release its folder; killed after 8 s. Nothing happens if it is stopped."""
        # Without the lock, what runs on the folder may be somebody else's.
        if self._folder.is_held:
            if self._child:
                self._child.stop(self._stop_signal)
            self._clean_up()
            self._folder.release()

    @property
    def pid(self) -> int | None:
        """The server's process id, None if it does not run."""
        return self._child.pid if self._child and self._child.exit_code() is None else None

    def exit_code(self) -> int | None:
        """None while the server runs; minus the signal's number if a signal ended it."""
        return self._child.exit_code() if self._child else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _prepare(self) -> None:
        """Bring the data folder, which is held, into a state that the server can start on."""

    @abstractmethod
    def _launch(self, port: int) -> ChildProcess: ...

    @abstractmethod
    def _url_at(self, port: int) -> str: ...

    @abstractmethod
    def _answers(self, port: int) -> bool:
        """Whether the server at `port` answers a request and accepts our password."""

    @abstractmethod
    def _clean_up(self) -> None:
        """Remove what a server that is gone may have left behind."""

    def _launch_on_a_free_port(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        for _ in range(PORTS_TO_TRY):
            port = self._port if self._port and _is_free(self._port) else self._pick_port()
            self._child = self._launch(port)
            if self._is_ready(port, deadline):
                self._port, self.url = port, self._url_at(port)
                return
            taken_in_the_meantime = self.pid is None and not _is_free(port)
            if not taken_in_the_meantime:
                break
        raise StartFailed(self._failure())

    def _is_ready(self, port: int, deadline: float) -> bool:
        while self.pid is not None and time.monotonic() < deadline:
            if self._answers(port):
                return True
            time.sleep(POLL_SECONDS)
        return False

    def _failure(self) -> str:
        log = self._folder.path / self._log_name
        last = log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        happened = f"ended with code {self.exit_code()}" if self.pid is None else "did not answer in time"
        return "\n".join((f"The server {happened}. See {log}, which ends with:", *last))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: connections that linger after a close are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
