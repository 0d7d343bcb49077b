"""What a page of Markdown has its reader run."""

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
NEEDS_FLEET = "<!-- with: fleet-up -->"
FENCED = re.compile(
    r"^(?P<before>[^\n]*)\n+(?P<indent> *)```(?P<language>sh|bash|shell)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
NOT_RUN = re.compile(r"<!-- not run: (.+) -->")


@dataclass(frozen=True)
class Block:
    """Commands at a line of a page; `why_not` says why they are not run."""

    line: int
    text: str
    why_not: str | None


@dataclass(frozen=True)
class Page:
    """A page, by its path from the root of the repository."""

    path: str

    @property
    def text(self) -> str:
        return (ROOT / self.path).read_text()

    @property
    def needs_fleet(self) -> bool:
        return NEEDS_FLEET in self.text

    @property
    def blocks(self) -> list[Block]:
        """All blocks of shell commands, in the order of the page."""
        page = f"\n{self.text}"
        return [_block(page, found) for found in FENCED.finditer(page)]

    @property
    def script(self) -> str:
        """One script of all blocks that are run; each begins with a comment that says where it stands."""
        run = [block for block in self.blocks if not block.why_not]
        return "\n".join(f"# {self.path}:{block.line}\n{block.text}" for block in run)


def _block(page: str, found: re.Match[str]) -> Block:
    line = page.count("\n", 0, found.start("text"))
    why_not = NOT_RUN.fullmatch(found["before"].strip())
    return Block(line, dedent(found["text"]), why_not and why_not[1])
