import asyncio
import os
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from ci_process_runs import ProcessRuns, process_runs
from ci_wheelhouse import made_wheel
from structlog.testing import capture_logs

from ci_server.domain.course import Exit
from ci_server.runners.process.sandbox import bwrap, sandbox_works
from ci_server.running.runner import CannotRun

CONNECT = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20).close()
    print("connected")
except OSError as error:
    print("refused")
"""


@pytest.fixture
async def runs(tmp_path: Path) -> AsyncGenerator[ProcessRuns]:
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    async with process_runs(tmp_path, sandboxed=True) as runs:
        yield runs


async def test_a_run_sees_the_system_its_project_and_nothing_else(runs: ProcessRuns) -> None:
    secrets = runs.files.data_dir / "secrets.json"
    secrets.parent.mkdir()
    secrets.write_text("planted")
    output, _ = await runs.done(
        f"cat {secrets}; ls -A /; echo; ls -A /project /home /run /var; ls {runs.wheels}"
    )
    assert b"planted" not in output
    assert b"requirements.txt" in output
    top = set(output.split(b"\n\n")[0].decode().split("\n"))
    assert top >= {"project", "environment", "tmp", "usr"}
    assert not top & {"work", "srv", "mnt", "media", "boot", "sys"}


async def test_a_run_cannot_change_what_others_use(runs: ProcessRuns) -> None:
    for place in ("/environment/x", "/x", "/usr/x", "/etc/x", "/dev/x"):
        output, exit_ = await runs.done(f"touch {place}")
        assert b"Read-only file system" in output, place
        assert exit_ == Exit(1)


async def test_a_run_sees_no_processes_but_its_own(runs: ProcessRuns) -> None:
    output, _ = await runs.done("ls -d /proc/[0-9]* | wc -l; kill -9 -1; echo alive")
    assert int(output.split()[0]) < 10


async def test_a_run_has_a_network_only_if_it_asks_for_one(runs: ProcessRuns) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    files = {"connect.py": CONNECT}
    async with server:
        assert (await runs.done(f"python connect.py {port}", files=files))[0] == b"refused\n"
        assert (await runs.done(f"python connect.py {port}", files=files, network=True))[0] == b"connected\n"


async def test_a_run_may_use_its_own_loopback(runs: ProcessRuns) -> None:
    own = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())"
    )
    assert await runs.done(f'python -c "{own}"') == (b"", Exit(0))


async def test_variables_reach_no_program_outside(runs: ProcessRuns) -> None:
    """What is inside says that it cannot load this: the first process and the shell. Bubblewrap would say it too."""
    output, _ = await runs.done("unset LD_PRELOAD; true", env={"LD_PRELOAD": "/evil.so"})
    assert output.count(b"/evil.so") == 2


async def test_a_run_has_no_capabilities(runs: ProcessRuns) -> None:
    output, _ = await runs.done("grep CapEff /proc/self/status")
    assert output.split() == [b"CapEff:", b"0000000000000000"]


async def test_a_bwrap_that_does_not_work_is_said_once_and_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "bin" / "bwrap"
    made.parent.mkdir()
    made.write_text("#!/bin/sh\necho No permissions to create new namespace >&2; exit 1\n")
    made.chmod(0o755)
    monkeypatch.setenv("PATH", f"{made.parent}:{os.environ['PATH']}")
    async with process_runs(tmp_path, sandboxed=True) as runs:
        with capture_logs() as logs:
            for _ in range(2):
                assert await runs.done("echo done") == (b"done\n", Exit(0))
    said = [entry for entry in logs if entry["event"] == "jobs_without_sandbox"]
    assert [entry["bwrap"] for entry in said] == ["No permissions to create new namespace"]


async def test_a_machine_without_bwrap_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bwrap() is None
    async with process_runs(tmp_path, sandboxed=True) as runs:
        with capture_logs() as logs:
            assert await runs.done("echo done") == (b"done\n", Exit(0))
    assert "it is not installed" in [entry.get("bwrap") for entry in logs]


async def test_what_works_is_tried_with_the_interpreter(tmp_path: Path) -> None:
    if not (program := bwrap()):
        pytest.skip("bubblewrap is not installed")
    assert await sandbox_works(program, tmp_path) is None
    assert await sandbox_works(program, tmp_path / "missing") is not None


async def test_dependencies_come_from_where_the_operator_says(runs: ProcessRuns) -> None:
    made_wheel(runs.wheels, "acme", "1.2", {"acme.py": "SPEED = 9"})
    run = runs.made("python -c 'import acme; print(acme.SPEED)'", files={"requirements.txt": "acme>=1\n"})
    assert b"+ acme==1.2" in await runs.prepare(run)
    await runs.runner.start(run)
    assert await runs.end_of(run) == (b"9\n", Exit(0))
    again = runs.made("true", files={"requirements.txt": "acme>=1\n"})
    assert await runs.prepare(again) == b""


async def test_dependencies_that_are_not_there_fail_the_job(runs: ProcessRuns) -> None:
    run = runs.made("true", files={"requirements.txt": "no-such-thing\n"})
    said: list[bytes] = []

    async def listen() -> None:
        async for chunk in runs.runner.prepare(run):
            said.append(chunk)  # noqa: PERF401  # what was said before it fails counts

    with pytest.raises(CannotRun, match=r"could not be installed \(exit code 1\); see the end of the log"):
        await listen()
    assert b"no-such-thing" in b"".join(said)
    assert b"from source" not in b"".join(said)
    assert not any((path / "complete").exists() for path in runs.files.environments.iterdir())


async def test_what_has_no_wheel_is_built_with_a_cache_of_its_own(runs: ProcessRuns) -> None:
    backend = (
        "import os, zipfile\ndef build_wheel(folder, *_):\n"
        "    seen = [path for path, *found in os.walk('/') if path.endswith('uv-cache') and any(found)]\n"
        "    with zipfile.ZipFile(os.path.join(folder, 'built-1.0-py3-none-any.whl'), 'w') as wheel:\n"
        "        wheel.writestr('built.py', f'SEEN = {seen}')\n"
        "        info = 'built-1.0.dist-info/'\n"
        "        wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: built\\nVersion: 1.0\\n')\n"
        "        wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        wheel.writestr(info + 'RECORD', '')\n"
        "    return 'built-1.0-py3-none-any.whl'\n"
    )
    toml = (
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "built"\nversion = "1.0"\n'
    )
    _made_sdist(runs.wheels, {"backend.py": backend, "pyproject.toml": toml, "PKG-INFO": "Name: built\n"})
    run = runs.made("python -c 'import built; print(built.SEEN)'", files={"requirements.txt": "built\n"})
    assert b"building from source" in await runs.prepare(run)
    await runs.runner.start(run)
    assert await runs.end_of(run) == (b"[]\n", Exit(0))


def _made_sdist(wheels: Path, files: dict[str, str]) -> None:
    import io
    import tarfile

    with tarfile.open(wheels / "built-1.0.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"built-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
