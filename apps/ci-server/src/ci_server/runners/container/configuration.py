"""What containers are made with."""

from collections.abc import Mapping, Sequence
from typing import Any

LABEL = "dev.fleet.ci"
USER_ID = 65_534
"""Nobody. What a run may write is its own then, in any image."""
JOB, ENVIRONMENT, HOME, CACHE = "/job", "/environment", "/home/ci", "/uv-cache"
PROJECT = f"{JOB}/project"
TEMPORARY = "/tmp"  # noqa: S108  # the container's own
MAX_PROCESSES = 1024
INSTALLER_MEMORY_BYTES = 4 * 1024**3
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SCRIPT = """mkdir run/once 2>/dev/null || { echo "This run was started before, and is not run again." >&2; exit 125; }
trap 'exit 143' TERM
cd project
"""
"""Before the command: the guard is in the run's volume, so that nothing runs it twice, not even a restart by hand.

With the trap the shell outlives SIGTERM until the program that it waits for has ended, and begins no other."""


def of_run(
    *,
    prefix: str,
    podman: bool,
    image: Mapping[str, Any],
    command: str,
    variables: Mapping[str, str],
    environment: str,
    memory: int,
    cpus: float,
    network: str,
) -> dict[str, Any]:
    """Of the container that runs the tests; `environment` is the volume with what was installed."""
    return {
        "Image": image["Id"],
        "User": f"{USER_ID}:{USER_ID}",
        "Entrypoint": ["sh", "-c", SCRIPT + command],
        "Cmd": [],
        "WorkingDir": JOB,
        "Env": _assignments({**_variables(image), **variables}),
        "Volumes": {JOB: {}},
        "Labels": {LABEL: prefix},
        "HostConfig": {
            **_limits(podman, memory, network),
            "NanoCpus": int(cpus * 1e9),
            "Binds": [f"{environment}:{ENVIRONMENT}:ro"],
            "Tmpfs": {TEMPORARY: _tmpfs(), HOME: _tmpfs()},
        },
    }


def of_installation(
    *,
    prefix: str,
    podman: bool,
    image: Mapping[str, Any],
    command: Sequence[str],
    variables: Mapping[str, str],
    binds: Sequence[str],
    network: str,
) -> dict[str, Any]:
    """Of the container that installs. It runs as root, without any capability, so that the volumes are its own."""
    return {
        "Image": image["Id"],
        "User": "0:0",
        "Entrypoint": list(command),
        "Cmd": [],
        "WorkingDir": JOB,
        "Env": _assignments({"HOME": HOME, "LANG": "C.UTF-8", **variables}),
        "Volumes": {JOB: {}},
        "Labels": {LABEL: prefix},
        "HostConfig": {
            **_limits(podman, INSTALLER_MEMORY_BYTES, network),
            "Binds": list(binds),
            "Tmpfs": {TEMPORARY: _tmpfs(), HOME: _tmpfs()},
        },
    }


def _limits(podman: bool, memory: int, network: str) -> dict[str, Any]:
    return {
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "PidsLimit": MAX_PROCESSES,
        "Memory": memory,
        "MemorySwap": memory,
        "NetworkMode": network,
        "Init": True,
        "LogConfig": _log_config(podman),
    }


def _log_config(podman: bool) -> dict[str, Any]:
    """A log that keeps all bytes: Docker's `json-file` loses those that are not UTF-8."""
    if podman:
        return {"Type": "k8s-file", "Config": {}}
    return {"Type": "local", "Config": {"max-size": "1024g", "max-file": "1", "compress": "false"}}


def _tmpfs() -> str:
    """In memory that counts as the run's; programs in it may be run, as tests do."""
    return "rw,exec,nosuid,nodev,mode=1777"


def _variables(image: Mapping[str, Any]) -> dict[str, str]:
    own = dict(one.split("=", 1) for one in image["Config"].get("Env") or () if "=" in one)
    return {
        "PATH": f"{ENVIRONMENT}/venv/bin:{own.get('PATH') or SYSTEM_PATH}",
        "HOME": HOME,
        "TMPDIR": TEMPORARY,
        "LANG": "C.UTF-8",
        "VIRTUAL_ENV": f"{ENVIRONMENT}/venv",
        "PYTHONPATH": f"{PROJECT}/src:{PROJECT}",
    }


def _assignments(variables: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in variables.items()]
