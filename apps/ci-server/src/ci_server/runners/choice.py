"""Which runner runs the jobs of a server."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from ci_server.runners.container.container_runner import ContainerRunner
from ci_server.runners.container.engine import Engine
from ci_server.runners.kubernetes.api_server import ApiServer
from ci_server.runners.kubernetes.kubernetes_runner import LONGEST_PREFIX, KubernetesRunner
from ci_server.runners.process.process_runner import ProcessRunner
from ci_server.running.runner import CannotRun, Runner, RunnerAway
from ci_server.settings import Settings
from ci_server.storage.job_files import JobFiles

MEGABYTE = 1_000_000

log = structlog.get_logger(__name__)


class NoRunner(ConnectionError):
    """What CI_RUNNER asks for is not to be had; the text says what to do."""


async def chosen_runner(
    settings: Settings, files: JobFiles, *, variables: Mapping[str, str] | None = None
) -> Runner:
    """The runner that CI_RUNNER names; `auto` is a container engine if one answers, or else processes.

    The engine is that at DOCKER_HOST, or, where that is not set, at a usual socket of Docker or Podman; Kubernetes
    is not asked for anything yet. `variables` is the server's environment (os.environ if None). Logs which it is
    and why. Raises NoRunner.
    """
    own = os.environ if variables is None else variables
    if settings.ci_runner == "kubernetes":
        return _kubernetes(settings, files, own)
    if settings.ci_runner == "process":
        return _processes(settings, files, own, "CI_RUNNER says so")
    refusals: list[str] = []
    for url in [settings.docker_host] if settings.docker_host else _usual(own):
        if engine := await _answering(url, refusals):
            return _containers(settings, files, own, engine)
    why = "; ".join(refusals) or "there is no socket of Docker or Podman"
    if settings.ci_runner == "container":
        raise NoRunner(f"No container engine answers ({why}): start it, or set DOCKER_HOST to its address.")
    return _processes(settings, files, own, f"no container engine answers: {why}")


def _usual(variables: Mapping[str, str]) -> Sequence[str]:
    sockets = [Path("/var/run/docker.sock"), Path("/run/podman/podman.sock")]
    if runtime := variables.get("XDG_RUNTIME_DIR"):
        sockets[1:1] = [Path(runtime, "docker.sock"), Path(runtime, "podman", "podman.sock")]
    return [f"unix://{socket}" for socket in sockets if socket.is_socket()]


async def _answering(url: str, refusals: list[str]) -> Engine | None:
    engine = Engine(url)
    try:
        await engine.identity()
    except (RunnerAway, CannotRun) as error:
        await engine.close()
        refusals.append(f"{url}: {error}")
        return None
    return engine


def _containers(settings: Settings, files: JobFiles, own: Mapping[str, str], engine: Engine) -> Runner:
    log.info("jobs_run_in_containers", engine=engine.url, prefix=settings.ci_container_prefix)
    return ContainerRunner(
        engine,
        files,
        prefix=settings.ci_container_prefix,
        image=settings.ci_image,
        network=settings.ci_container_network,
        binds=settings.ci_install_binds,
        max_unpacked_bytes=settings.ci_max_unpacked_mb * MEGABYTE,
        max_entries=settings.ci_max_entries,
        variables=own,
    )


def _kubernetes(settings: Settings, files: JobFiles, own: Mapping[str, str]) -> Runner:
    claim, prefix = settings.ci_kubernetes_volume_claim, settings.ci_container_prefix
    if claim is None:
        raise NoRunner(
            "CI_RUNNER=kubernetes needs a volume that the server and the pods share: set CI_KUBERNETES_VOLUME_CLAIM "
            "to the ReadWriteMany claim whose root is CI_DATA_DIR."
        )
    if len(prefix) > LONGEST_PREFIX:
        raise NoRunner(
            f"CI_CONTAINER_PREFIX has {len(prefix)} characters; with CI_RUNNER=kubernetes it may have {LONGEST_PREFIX}."
        )
    api = ApiServer(settings.k8s_api_server_url, settings.ci_kubernetes_namespace)
    log.info("jobs_run_in_kubernetes", api=str(api.url), namespace=api.namespace, prefix=prefix)
    return KubernetesRunner(
        api,
        files,
        prefix=prefix,
        image=settings.ci_image,
        claim=claim,
        max_unpacked_bytes=settings.ci_max_unpacked_mb * MEGABYTE,
        max_entries=settings.ci_max_entries,
        max_output_bytes=settings.ci_max_log_mb * MEGABYTE,
        variables=own,
    )


def _processes(settings: Settings, files: JobFiles, own: Mapping[str, str], why: str) -> Runner:
    log.info("jobs_run_as_processes", why=why)
    return ProcessRunner(
        files,
        max_unpacked_bytes=settings.ci_max_unpacked_mb * MEGABYTE,
        max_entries=settings.ci_max_entries,
        max_output_bytes=settings.ci_max_log_mb * MEGABYTE,
        ends_with_server=settings.ci_jobs_end_with_server,
        variables=own,
    )
