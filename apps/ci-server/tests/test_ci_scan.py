"""An operator's command may refuse an upload; where it says nothing in time, that is a refusal."""

import asyncio
import shlex
import sys
from pathlib import Path

import psutil
import pytest

from ci_server.domain.errors import UploadRefused
from ci_server.intake.scan import ScanUnavailable, scan


@pytest.fixture
def zip_path(tmp_path: Path) -> Path:
    path = tmp_path / "a folder" / "project.zip"
    path.parent.mkdir()
    path.write_bytes(b"a zip")
    return path


def _python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


async def test_a_zip_is_good_where_the_command_says_so(zip_path: Path) -> None:
    await scan(_python("import sys; print('fine'); sys.exit(open(sys.argv[1]).read() != 'a zip')"), zip_path)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('\\n  Eicar found \\x1b[2J\\nmore'); sys.exit(1)", "refused it: Eicar found [2J"),
        ("print(sys.argv[1] + ': Eicar'); sys.exit(1)", "refused it: project.zip: Eicar"),
        ("sys.exit('on the other stream')", "refused it: on the other stream"),
        ("sys.exit(3)", "refused it: exit code 3"),
        ("print(' '); sys.exit(3)", "refused it: exit code 3"),
        ("os.kill(os.getpid(), 9)", "refused it: exit code -9"),
        ("os.write(1, bytes([255, 33])); sys.exit(1)", "refused it: \ufffd!"),
    ],
)
async def test_a_zip_is_refused_with_what_the_command_says(zip_path: Path, code: str, said: str) -> None:
    with pytest.raises(UploadRefused) as caught:
        await scan(_python(f"import os, sys; {code}"), zip_path)
    assert str(caught.value).endswith(said)


async def test_what_a_command_says_has_a_bound(zip_path: Path) -> None:
    with pytest.raises(UploadRefused) as caught:
        await scan(_python("import sys; print('x' * 1_000_000); sys.exit(1)"), zip_path)
    assert str(caught.value).count("x") == 1024


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("/no/such/scanner --fast", "/no/such/scanner: No such file or directory"),
        ("/etc/passwd", "/etc/passwd: Permission denied"),
        ("clamscan 'unclosed", "No closing quotation"),
        (" ", "there is no command"),
    ],
)
async def test_a_command_that_cannot_run_is_the_operators_fault(
    zip_path: Path, command: str, why: str
) -> None:
    with pytest.raises(ScanUnavailable) as caught:
        await scan(command, zip_path)
    assert why in str(caught.value)
    assert "CI_UPLOAD_SCAN_COMMAND" in str(caught.value)


SLOW = shlex.join(["sh", "-c", 'sleep 600 & echo $$ $! > "$(dirname "$0")/pids"; wait'])


async def _pids(zip_path: Path) -> list[int]:
    async with asyncio.timeout(60):
        while len(pids := _read(zip_path.parent / "pids").split()) < 2:
            await asyncio.sleep(0.01)
    return [int(pid) for pid in pids]


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def _gone(pids: list[int]) -> bool:
    async with asyncio.timeout(60):
        while any(_lives(pid) for pid in pids):
            await asyncio.sleep(0.01)
    return True


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_command_that_takes_too_long_is_ended_with_what_it_started(zip_path: Path) -> None:
    scanning = asyncio.create_task(scan(SLOW, zip_path, seconds=5))
    pids = await _pids(zip_path)
    with pytest.raises(UploadRefused, match="took more than 5 s"):
        await scanning
    assert await _gone(pids)


async def test_a_scan_that_is_cancelled_leaves_no_process(zip_path: Path) -> None:
    scanning = asyncio.create_task(scan(SLOW, zip_path))
    pids = await _pids(zip_path)
    scanning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scanning
    assert await _gone(pids)


async def test_what_a_command_leaves_running_holds_nobody_up(zip_path: Path) -> None:
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3)'])"
    await asyncio.wait_for(scan(_python(code), zip_path), 60)
