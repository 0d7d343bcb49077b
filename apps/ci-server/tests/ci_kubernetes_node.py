"""A node for tests: it runs pods on this machine, each in namespaces of its own, with bubblewrap."""

import asyncio
import json
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ci_kubernetes_server import Life, Pod

SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
BECOMES = ("setpriv", "--reuid={}", "--regid={}", "--clear-groups", "--inh-caps=-all", "--no-new-privs")


def node(readable: Path) -> Life:
    """Its pods may read a folder of this machine, where wheels are; skips the test where there is no bubblewrap."""
    program = shutil.which("bwrap")
    if not program or sys.platform != "linux":
        pytest.skip("bubblewrap is not installed, in which pods could run")

    async def live(pod: Pod) -> None:
        with TemporaryDirectory() as folder:
            _mount_task(pod, Path(folder))
            await _run(program, pod, [*_mounts(pod, Path(folder)), *_seen(readable)])

    return live


def _mount_task(pod: Pod, folder: Path) -> None:
    folder.chmod(0o755)
    (folder / "task.json").write_text(json.dumps(pod.task))


async def _run(program: str, pod: Pod, mounts: list[str]) -> None:
    told, tells = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(program, "--unshare-pid", "--unshare-ipc", "--unshare-net", "--as-pid-1", "--die-with-parent"),
        *("--cap-drop", "ALL", *_user_before(pod), *_image(), *mounts, "--remount-ro", "/"),
        *("--info-fd", str(tells), "--clearenv"),
        *("--setenv", "PATH", f"{sys.base_prefix}/bin:/usr/bin:/bin", "--setenv", "KUBERNETES_PORT", "1"),
        *("--", *_user_after(pod), "env", "-C", pod.container["workingDir"]),
        *map(_expanded, pod.container["command"]),
        pass_fds=(tells,),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    os.close(tells)
    with os.fdopen(told, "rb") as info:
        first = json.loads(await asyncio.to_thread(info.read) or "{}").get("child-pid")
    pod.runs()
    ending = asyncio.create_task(_end(pod, first)) if first else None
    try:
        said, _ = await process.communicate()
    finally:
        if ending:
            ending.cancel()
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
    code = process.returncode or 0
    pod.ends(code, message=said.decode(errors="replace") if code else "")


def _expanded(word: str) -> str:
    """As Kubernetes does it; nothing of ours is meant to be the name of a variable."""
    assert "$(" not in word.replace("$$", "")
    return word.replace("$$", "$")


async def _end(pod: Pod, first: int) -> None:
    await pod.asked_to_end.wait()
    _signal(first, signal.SIGTERM)
    # The grace may be made shorter, as that of a pod may be.
    waited = 0.0
    while waited < pod.grace:
        await asyncio.sleep(0.05)
        waited += 0.05
    _signal(first, signal.SIGKILL)


def _signal(process: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def _image() -> list[str]:
    words = ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
    for path in map(Path, SYSTEM):
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.exists():
            words += ["--ro-bind", str(path), str(path)]
    prefix = Path(sys.base_prefix).resolve()
    return words if prefix.is_relative_to("/usr") else [*words, *_seen(prefix)]


def _seen(path: Path) -> list[str]:
    """A folder of this machine, where it is there, below folders that all may enter."""
    above = [parent for parent in reversed(path.parents) if parent != Path("/")]
    return [word for parent in above for word in ("--perms", "755", "--dir", str(parent))] + [
        *("--ro-bind", str(path), str(path))
    ]


def _mounts(pod: Pod, tasks: Path) -> list[str]:
    words: list[str] = []
    for mount in pod.container["volumeMounts"]:
        at, how = mount["mountPath"], "--ro-bind" if mount.get("readOnly") else "--bind"
        if mount["name"] == "data":
            words += [how, str(pod.volume / mount["subPath"]), at]
        elif mount["name"] == "task":
            words += [how, str(tasks), at]
        else:
            words += ["--perms", "1777", "--tmpfs", at]
    return words


def _user_before(pod: Pod) -> list[str]:
    """Root may become the user of the pod; everybody else is that already."""
    if os.getuid() == 0:
        return ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    assert pod.spec["securityContext"]["runAsUser"] == os.getuid()
    return ["--unshare-user"]


def _user_after(pod: Pod) -> list[str]:
    context = pod.spec["securityContext"]
    return [word.format(context["runAsUser"]) for word in BECOMES] if os.getuid() == 0 else []
