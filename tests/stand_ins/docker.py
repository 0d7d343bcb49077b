"""Stands in for `docker`: checks targets, images and services against this folder's files, and runs commands."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

import yaml

WITH_VALUE = {
    "-e", "--env", "-v", "--volume", "-p", "--publish", "--name", "--network", "--tmpfs", "-u", "--user",
    "--mount", "--env-file", "-w", "--workdir", "--entrypoint", "--platform", "-t", "--tag", "--target", "-f",
    "--file", "--build-arg", "--profile", "--scale", "--tail", "-n", "--pull", "--memory", "--cap-drop",
    "--security-opt", "--project-name", "--timeout", "--add-host", "--health-cmd", "--progress",
}  # fmt: skip
HARMLESS = {
    "images",
    "inspect",
    "login",
    "logs",
    "manifest",
    "ps",
    "pull",
    "push",
    "rm",
    "stop",
    "tag",
    "wait",
}


def fail(message: str) -> NoReturn:
    sys.exit(f"docker (stand-in): {message}")


class Asked:
    """Options up to the first word, then the words; with `mixed`, options may stand among the words."""

    def __init__(self, arguments: Sequence[str], *, mixed: bool = False) -> None:
        self.options: list[tuple[str, str]] = []
        self.words: list[str] = []
        waiting = iter(arguments)
        for word in waiting:
            if not word.startswith("-") and not mixed:
                self.words = [word, *waiting]
            elif not word.startswith("-"):
                self.words.append(word)
            else:
                name, is_set, value = word.partition("=")
                takes = not is_set and name in WITH_VALUE
                self.options.append((name, next(waiting) if takes else value))

    def all(self, *names: str) -> list[str]:
        return [value for name, value in self.options if name in names]


def _targets() -> set[str]:
    return set(re.findall(r"^FROM .* [aA][sS] (\S+)$", Path("Dockerfile").read_text(), re.MULTILINE))


def _run_here(command: Sequence[str], given: Sequence[str] = ()) -> NoReturn:
    """Run the command, with variables of the form NAME=VALUE; a server is not started."""
    if command[-1:] == ["serve"] or "serve" in command[1:2]:
        sys.exit()
    given_environment = dict(pair.split("=", 1) for pair in given if "=" in pair)
    sys.exit(subprocess.run(command, env=os.environ | given_environment, check=False).returncode)


def _build(arguments: Sequence[str]) -> None:
    asked = Asked(arguments, mixed=True)
    for target in asked.all("--target"):
        if target not in _targets():
            fail(f"the Dockerfile has no target {target}")
    if not asked.words or not Path(asked.words[-1]).is_dir():
        fail("there is no such folder to build from")


def _run(arguments: Sequence[str]) -> None:
    asked = Asked(arguments)
    image, *command = asked.words or fail("which image?")
    name = image.rpartition("/")[2].partition(":")[0]
    if name not in _targets():
        return
    if {option for option, _ in asked.options} & {"-d", "--detach"} or not command:
        return
    entrypoint = asked.all("--entrypoint") or [name]
    _run_here([*entrypoint, *command], asked.all("-e", "--env"))


def _composed(asked: Asked) -> dict[str, Any]:
    """The services of the composition, as docker-compose reads its files."""
    files = [word for file in asked.all("-f", "--file") for word in ("-f", file)]
    profiles = [word for profile in asked.all("--profile") for word in ("--profile", profile)]
    command = ["docker-compose", *files, *profiles, "config"]
    read = [
        file.read_text()
        for file in (*Path().glob("*.yml"), *Path().glob("compose/*"), Path(".env"))
        if file.is_file()
    ]
    # It takes most of a second, and says the same again of the same.
    known = sha256(repr((command, read, sorted(os.environ.items()))).encode()).hexdigest()
    kept = Path(f"{os.environ['STAND_IN_CLUSTER']}.{known}")
    if not kept.exists():
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        if told.returncode:
            fail(told.stderr)
        kept.write_text(told.stdout)
    return yaml.load(kept.read_text(), yaml.CSafeLoader)["services"]


def _compose(arguments: Sequence[str]) -> None:
    asked = Asked(arguments)
    verb, *rest = asked.words or fail("compose what?")
    services, about = _composed(asked), Asked(rest, mixed=verb not in ("exec", "run"))
    named = about.words[:1] if verb in ("exec", "run") else about.words
    if verb != "cp" and (unknown := set(named) - services.keys()):
        fail(f"no service {', '.join(sorted(unknown))}; there: {', '.join(services)}")
    if verb == "exec":
        _run_here(about.words[1:], about.all("-e", "--env"))
    if verb == "run":
        entrypoint = about.all("--entrypoint") or _entrypoint(services[named[0]])
        _run_here([*entrypoint, *about.words[1:]], about.all("-e", "--env"))


def _entrypoint(service: dict[str, Any]) -> list[str]:
    target = (service.get("build") or {}).get("target")
    return service.get("entrypoint") or ([target] if target else [])


def _buildx(arguments: Sequence[str]) -> None:
    if arguments[:1] == ["build"]:
        _build(arguments[1:])


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "build": _build,
    "buildx": _buildx,
    "compose": _compose,
    "run": _run,
}


def _main() -> None:
    command, *arguments = sys.argv[1:] or fail("which command?")
    if command in COMMANDS:
        COMMANDS[command](arguments)
    elif command not in HARMLESS:
        fail(f"it knows {', '.join(sorted({*COMMANDS, *HARMLESS}))}")


if __name__ == "__main__":
    _main()
