"""Real git repositories, made by the real git with the settings of nobody."""

import os
import subprocess
from pathlib import Path

import pytest

AUTHOR = {
    "GIT_AUTHOR_NAME": "Ada Lovelace",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_AUTHOR_DATE": "2026-02-13T09:00:00+01:00",
    "GIT_COMMITTER_NAME": "Charles Babbage",
    "GIT_COMMITTER_EMAIL": "charles@example.com",
    "GIT_COMMITTER_DATE": "2026-02-14T12:00:00+05:30",
}


def isolate(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let no git of this test read settings of this machine, nor find a repository above `folder`."""
    for name in [name for name in os.environ if name.startswith("GIT_") or name == "SUDO_UID"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))


class MadeRepository:
    """A repository in `folder`, made by `git init` with `options`; on the branch `main`, without a commit."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main", *options)

    def git(self, *arguments: str, told: bytes = b"", fails: bool = False, **environment: str) -> str:
        """What git writes; `fails` where it has to end with an error, as at a conflict."""
        # Submodules are cloned from where the test has made them.
        command = ("git", "-c", "protocol.file.allow=always", "-C", str(self.folder), *arguments)
        done = subprocess.run(
            command, input=told, capture_output=True, env=os.environ | AUTHOR | environment, check=False
        )
        assert (done.returncode != 0) is fails, (arguments, done.stdout, done.stderr)
        return done.stdout.decode(errors="replace").strip()

    def write(self, name: str, content: str = "") -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return file

    def commit(self, message: str = "Change something", **files: str) -> str:
        """Commit all that is there, after writing `files`; its hash."""
        for name, content in files.items():
            self.write(name, content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def commit_object(self, raw: bytes) -> str:
        """Let the branch be at a commit whose object is `raw`, after the line that names its tree."""
        tree = self.git("write-tree").encode()
        arguments = ("hash-object", "-t", "commit", "-w", "--stdin", "--literally")
        commit = self.git(*arguments, told=b"tree %b\n%b" % (tree, raw))
        self.git("update-ref", "HEAD", commit)
        return commit

    def diverged(self) -> None:
        """`main` and `side` have changed the same line of `a` since they parted; `main` is checked out."""
        self.commit(a="common\n")
        self.git("checkout", "--quiet", "-b", "side")
        self.commit("Change a on the side", a="side\n")
        self.git("checkout", "--quiet", "main")
        self.commit("Change a on main", a="main\n")


def script(folder: Path, text: str) -> str:
    """The path of a shell script to run in place of git."""
    file = folder / "git"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)
