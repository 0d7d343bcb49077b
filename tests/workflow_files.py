"""The workflows of .github, as their files have them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github" / "workflows"


@dataclass(frozen=True)
class Step:
    """A step, by the file, job and place in it that has it."""

    where: str
    content: dict[str, Any]

    @property
    def script(self) -> str:
        return self.content.get("run", "")


@dataclass(frozen=True)
class Workflow:
    """A workflow; its values are text, as `on` and `3.10` would else be something else."""

    path: Path

    @property
    def content(self) -> dict[str, Any]:
        # The plain loader makes nothing but text, lists and maps.
        return yaml.load(self.path.read_text(), yaml.BaseLoader)

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        return self.content["jobs"]

    @property
    def steps(self) -> Iterator[Step]:
        for name, job in self.jobs.items():
            for number, step in enumerate(job["steps"], start=1):
                yield Step(f"{self.path.name}: {name}, step {number}", step)


WORKFLOWS = {path.stem: Workflow(path) for path in sorted(FOLDER.glob("*.yml"))}
STEPS = {step.where: step for workflow in WORKFLOWS.values() for step in workflow.steps}
SCRIPTS = {where: step.script for where, step in STEPS.items() if step.script}


def commands(program: str) -> list[str]:
    """Lines of all scripts in which the program is called, from its name on; continued lines are one."""
    text = "\n".join(SCRIPTS.values()).replace("\\\n", " ")
    return re.findall(rf"^\W*({re.escape(program)} .*)$", text, re.MULTILINE)
