import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from embedded_services.child_process import ChildProcess, server_environment
from embedded_services.errors import StartFailed, WrongVersion
from embedded_services.parent_death import OWN_USER, dies_with_parent
from embedded_services.postgres_identity import postgres_identity
from embedded_services.postgres_installation import PostgresVersion, answers_query, postgres_program
from embedded_services.postgres_leftovers import end_leftovers
from embedded_services.server import EmbeddedServer, free_port

INITDB_WITHIN_SECONDS = 60.0

SETTINGS: Mapping[str, str] = {
    "jit": "off",  # it costs graph queries more than it gives them
    "shared_buffers": "128MB",
    "max_connections": "200",
    "unix_socket_directories": "",  # the path of a socket has 107 bytes at most, a data folder's may have more
}


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL on `data_dir`, for one supervisor at a time; a context manager.

    The folder holds `pgdata`, `password` (of the user postgres), `postgres.log` and `lock`. `settings` go
    onto the server's command line. What was committed outlives every kill.
    """

    _log_name = "postgres.log"
    _stop_signal = signal.SIGINT  # "fast": open transactions are rolled back

    def __init__(
        self,
        data_dir: Path,
        *,
        version: PostgresVersion = 18,
        settings: Mapping[str, str] | None = None,
        pick_port: Callable[[], int] = free_port,
    ) -> None:
        super().__init__(data_dir, pick_port=pick_port)
        self._version: PostgresVersion = version
        self._settings = {**SETTINGS, **(settings or {})}
        self._identity = OWN_USER
        self._pgdata = self._folder.path / "pgdata"
        self._password_file = self._folder.path / "password"

    def _prepare(self) -> None:
        self._identity = postgres_identity(self._folder, self._program("postgres"))
        if self._pgdata.exists():
            self._check_version()
            end_leftovers(self._pgdata)
        else:
            self._initialise()

    def _launch(self, port: int) -> ChildProcess:
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        with self._folder.log(self._log_name) as log:
            return ChildProcess(
                [self._program("postgres"), "-D", self._pgdata, "-h", "127.0.0.1", "-p", str(port), *options],
                folder=self._folder.path,
                log=log,
                # "Immediate" shutdown. After a SIGKILL, backends that are busy would live on.
                death_signal=signal.SIGQUIT,
                identity=self._identity,
            )

    def _url_at(self, port: int) -> str:
        return f"postgresql://postgres:{self._password_file.read_text()}@127.0.0.1:{port}/postgres"

    def _answers(self, port: int) -> bool:
        return answers_query(self._url_at(port))

    def _clean_up(self) -> None:
        end_leftovers(self._pgdata)

    def _check_version(self) -> None:
        file = self._pgdata / "PG_VERSION"
        found = file.read_text().strip() if file.exists() else "of unknown version"
        if found != str(self._version):
            raise WrongVersion(
                f"{self._pgdata} was written by PostgreSQL {found}, and this is PostgreSQL {self._version}. "
                f"Dump it with PostgreSQL {found} and load it into a new folder, or move it away to start empty."
            )

    def _initialise(self) -> None:
        """Make `pgdata` by renaming a finished folder, so that a half-done one is never taken for it."""
        new = self._folder.path / "pgdata.new"
        end_leftovers(new)
        shutil.rmtree(new, ignore_errors=True)
        self._folder.write_secret(self._password_file.name, secrets.token_urlsafe(24))
        self._initdb(new)
        new.rename(self._pgdata)

    def _initdb(self, folder: Path) -> None:
        command = [self._program("initdb"), "-D", folder, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"]
        command += ["--auth=scram-sha-256", f"--pwfile={self._password_file}"]
        try:
            subprocess.run(  # noqa: S603  # a program of the wheel, and no shell
                dies_with_parent(command, identity=self._identity),
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=INITDB_WITHIN_SECONDS,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            raise StartFailed(f"PostgreSQL could not make {folder}: {error.stderr.strip()}") from error
        except subprocess.TimeoutExpired as error:
            raise StartFailed(f"PostgreSQL could not make {folder} within {error.timeout:.0f} s") from error

    def _program(self, name: str) -> Path:
        return postgres_program(name, self._version)
