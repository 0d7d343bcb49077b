import asyncio
import io
import tarfile
from pathlib import Path

import pytest
from ci_containers import IMAGE, Installation, collected, printed_by
from ci_docker_peer import NAME, DockerPeer, docker_peer

from ci_server.domain.course import Exit
from ci_server.runners.choice import NoRunner, chosen_runner
from ci_server.runners.container import engine as engine_module
from ci_server.runners.container.archives import copy_artifacts, project_archive
from ci_server.runners.container.configuration import of_run
from ci_server.runners.container.container_runner import ContainerRunner
from ci_server.runners.container.engine import Engine
from ci_server.runners.container.printed import LogFile, printed
from ci_server.running.runner import Run, RunnerAway
from ci_server.settings import Settings
from ci_server.storage.job_files import JobFiles

LOG = b"one\ntwo\r\n\xff\x00three\n" + b"x" * 100_000


def _installation(folder: Path) -> Installation:
    return Installation("ours", JobFiles(folder / "data"), folder)


def _run(folder: Path) -> Run:
    run = _installation(folder).run()
    return Run("0123", 1, run.spec, run.project, run.folder, {}, "true")


async def _printed(url: str) -> bytes:
    engine = Engine(url)
    try:
        return b"".join([chunk async for chunk in printed(engine, NAME)])
    finally:
        await engine.close()


@pytest.mark.parametrize("hang_ups", [[], [0], [3], [11], [11, 30, 5000]], ids=str)
async def test_where_docker_hangs_up_no_byte_is_lost_or_repeated(tmp_path: Path, hang_ups: list[int]) -> None:
    async with docker_peer(tmp_path / "socket", DockerPeer(log=LOG, hang_ups=hang_ups)) as url:
        assert await _printed(url) == LOG


async def test_a_log_that_breaks_twice_in_the_same_place_is_not_asked_for_for_ever(tmp_path: Path) -> None:
    async with docker_peer(tmp_path / "socket", DockerPeer(log=LOG, hang_ups=[30] * 100)) as url:
        with pytest.raises(RunnerAway):
            await _printed(url)


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        ({"Status": "exited", "ExitCode": 137, "OOMKilled": True}, Exit(137, "memory")),
        ({"Status": "exited", "ExitCode": 1, "OOMKilled": True}, Exit(1, "memory")),
        ({"Status": "exited", "ExitCode": 137, "OOMKilled": False}, Exit(137)),
        ({"Status": "exited", "ExitCode": 1}, Exit(1)),
        ({"Status": "created", "ExitCode": 0}, Exit(None, "lost")),
        ({"Status": "running", "ExitCode": 0}, Exit(None, "lost")),
    ],
    ids=["memory", "memory of a child", "killed", "failed", "restarted machine", "still there"],
)
async def test_what_docker_says_of_the_end_is_how_it_ended(
    tmp_path: Path, state: dict[str, object], ended: Exit
) -> None:
    async with docker_peer(tmp_path / "socket", DockerPeer(state=state)) as url:
        runner = _installation(tmp_path).runner(url)
        assert await runner.exit(_run(tmp_path)) == ended
        await runner.close()


@pytest.mark.parametrize(
    ("started", "there"), [("0001-01-01T00:00:00Z", False), ("2026-01-01T00:00:00Z", True)]
)
async def test_a_container_that_was_only_created_is_not_there(
    tmp_path: Path, started: str, there: bool
) -> None:
    peer = DockerPeer(state={"Status": "created", "StartedAt": started})
    async with docker_peer(tmp_path / "socket", peer) as url:
        runner = _installation(tmp_path).runner(url)
        assert await runner.is_there(_run(tmp_path)) is there
        await runner.close()


async def test_an_engine_that_falls_silent_in_an_archive_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "ANSWER_SECONDS", 0.1)
    async with docker_peer(tmp_path / "socket", DockerPeer()) as url:
        runner = _installation(tmp_path).runner(url)
        assert await runner.is_there(_run(tmp_path))
        with pytest.raises(RunnerAway, match="does not answer"):
            async with asyncio.timeout(60):
                await collected(runner, _run(tmp_path), ["*"], tmp_path / "into")
        await runner.close()


@pytest.mark.parametrize(
    "asked", ["prepare", "start", "is_there", "output", "exit", "stop", "collect", "remove", "names"]
)
async def test_an_engine_that_is_away_is_said_to_be(tmp_path: Path, asked: str) -> None:
    runner, run = _installation(tmp_path).runner(f"unix://{tmp_path}/none"), _run(tmp_path)
    with pytest.raises(RunnerAway, match="container engine"):
        await _ask(runner, run, asked, tmp_path)
    await runner.close()


async def _ask(runner: ContainerRunner, run: Run, asked: str, folder: Path) -> object:
    match asked:
        case "prepare":
            return [chunk async for chunk in runner.prepare(run)]
        case "output":
            return await printed_by(runner, run)
        case "stop":
            return await runner.stop(run, 1)
        case "collect":
            return await collected(runner, run, ["*"], folder / "into")
        case "names":
            return await runner.names()
        case _:
            return await getattr(runner, asked)(run)


def test_the_log_file_of_podman_is_read_to_the_byte_however_it_grows(tmp_path: Path) -> None:
    lines = [b"stdout F one\r", b"stderr P two ", b"stdout F ", b"stdout P \x00\xff F x"]
    raw = b"".join(b"2026-01-01T00:00:00.000000000+00:00 " + line + b"\n" for line in lines)
    path, got = tmp_path / "ctr.log", b""
    path.touch()
    file = LogFile(path)
    for byte in raw:
        with path.open("ab") as log:
            log.write(bytes([byte]))
        got += b"".join(file.more())
    file.close()
    assert got == b"one\r\ntwo \n\x00\xff F x"


def test_the_archive_of_a_project_ends_with_its_end_mark(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project/it.py").write_bytes(b"x" * 512)
    project_archive(tmp_path / "project", tmp_path / "archive")
    data = (tmp_path / "archive").read_bytes()
    assert data.endswith(b"\0" * 1024)
    assert data[-1025] != 0 or len(data) % 10_240
    with tarfile.open(tmp_path / "archive") as tar:
        entries = {entry.name: (entry.uid, entry.isdir()) for entry in tar}
    assert entries == {"project": (65_534, True), "project/it.py": (65_534, False), "run": (65_534, True)}


def test_artifacts_that_lead_elsewhere_are_not_copied(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("project/../../up", "/project/root", "other/it", "project", "project/good"):
            entry = tarfile.TarInfo(name)
            entry.size = 3
            tar.addfile(entry, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("project/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    copy_artifacts(io.BytesIO(buffer.getvalue()), lambda path: True, tmp_path / "into")
    assert [path.name for path in (tmp_path / "into").rglob("*")] == ["good"]
    assert not (tmp_path / "up").exists()


@pytest.mark.parametrize(("podman", "driver"), [(True, "k8s-file"), (False, "local")])
def test_a_log_is_kept_whole_and_to_the_byte(podman: bool, driver: str) -> None:
    image = {"Id": IMAGE, "Config": {"Env": ["PATH=/opt/bin"]}}
    made = of_run(
        prefix="ours",
        podman=podman,
        image=image,
        command="true",
        variables={"PYTHONPATH": "mine"},
        environment="volume",
        memory=1,
        cpus=0.5,
        network="none",
    )
    assert made["HostConfig"]["LogConfig"]["Type"] == driver
    assert "PATH=/environment/venv/bin:/opt/bin" in made["Env"]
    assert "PYTHONPATH=mine" in made["Env"]
    assert made["HostConfig"]["NanoCpus"] == 500_000_000


async def test_a_container_engine_is_taken_where_one_answers(tmp_path: Path, settings: Settings) -> None:
    async with docker_peer(tmp_path / "socket", DockerPeer()) as url:
        runner = await _chosen(settings, docker_host=url)
        assert runner.name == "container"
        await runner.close()


async def test_jobs_are_processes_where_no_engine_answers(tmp_path: Path, settings: Settings) -> None:
    runner = await _chosen(settings, docker_host=f"unix://{tmp_path}/none")
    assert runner.name == "process"


async def test_ci_runner_decides(tmp_path: Path, settings: Settings) -> None:
    async with docker_peer(tmp_path / "socket", DockerPeer()) as url:
        runner = await _chosen(settings, docker_host=url, ci_runner="process")
        assert runner.name == "process"


@pytest.mark.parametrize("address", ["unix:///none/at/all.sock", "tcp://127.0.0.1:1", "nonsense"])
async def test_an_engine_that_is_wanted_and_away_stops_the_start(settings: Settings, address: str) -> None:
    with pytest.raises(NoRunner, match="DOCKER_HOST"):
        await _chosen(settings, docker_host=address, ci_runner="container")


async def _chosen(settings: Settings, **changes: object):  # noqa: ANN202
    wanted = settings.model_copy(update=changes)
    return await chosen_runner(wanted, JobFiles(settings.ci_data_dir), variables={})
