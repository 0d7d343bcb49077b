"""The commands of the documentation run as they stand, but for ports; a page is a test."""

import re
import shutil
import subprocess
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

import pytest
from docs_pages import ROOT, Page
from docs_scratch import Machine, machine_with_database, made_database, run, running_fleet

CHART_PAGE = "helm/fleet/README.md"
PAGES = [
    Page(path)
    for path in (
        "README.md",
        "apps/fleet/README.md",
        "libs/embedded-services/README.md",
        *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")),
        *([CHART_PAGE] if (ROOT / CHART_PAGE).exists() else []),
    )
]
WITH_COMMANDS = sorted((page for page in PAGES if page.script), key=lambda page: page.needs_fleet)
"""Those that want a running Fleet at the end, so that it runs no longer than for them."""
RUN_ELSEWHERE = {
    "CONTRIBUTING.md": ".ci/run",
    "apps/ci-server/README.md": "apps/ci-server/tests/test_ci_readme.py",
    "apps/dependency-graph/README.md": "apps/dependency-graph/tests/test_readme.py",
    "libs/api-access/README.md": ".ci/run",
    "libs/ci-client/README.md": "libs/ci-client/tests/test_ci_client_readme.py",
    "libs/coldquery/README.md": "libs/coldquery/tests/test_cq_readme.py",
    "libs/fleet-metadata/README.md": "libs/fleet-metadata/tests/test_metadata_readme.py",
}
"""Pages whose commands something else runs: that."""
SHELL = {"sh", "bash", "shell"}
LANGUAGES = {*SHELL, "console", "hcl", "json", "mermaid", "promql", "python", "text", "ts", "tsx", "yaml"}
"""What blocks may be in; what the ones of `console` show is not run."""
PARTS = {"helm ": "helm_python", "kubectl ": "kubernetes_validate"}
"""What a stand-in for a command is made with."""


@pytest.fixture
def machine(page: Page, tmp_path: Path, request: pytest.FixtureRequest) -> Generator[Machine]:
    """What the page says that it is run with."""
    if page.needs_fleet:
        yield request.getfixturevalue("shared_fleet")
    else:
        with machine_with_database(tmp_path, request.getfixturevalue("database")) as machine:
            yield machine


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_database(tmp_path_factory.mktemp("database"))


@pytest.fixture(scope="module")
def shared_fleet(tmp_path_factory: pytest.TempPathFactory) -> Generator[Machine]:
    with running_fleet(tmp_path_factory.mktemp("fleet")) as machine:
        yield machine


def _missing_part(script: str) -> str | None:
    for command, module in PARTS.items():
        if command in script and find_spec(module) is None:
            return module
    return "docker-compose" if "docker compose" in script and not shutil.which("docker-compose") else None


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.path)
def test_the_commands_of_a_page_run_as_they_stand(page: Page, tmp_path: Path, machine: Machine) -> None:
    if part := _missing_part(page.script):
        pytest.skip(f"{part} is not installed")
    run(page, tmp_path, machine)


def test_every_page_with_commands_is_run_by_a_test() -> None:
    listed = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], cwd=ROOT, text=True
    )
    with_commands = {path for path in listed.splitlines() if (ROOT / path).exists() and Page(path).blocks}
    assert with_commands - {page.path for page in PAGES} == RUN_ELSEWHERE.keys()


@pytest.mark.parametrize(("path", "runner"), sorted(RUN_ELSEWHERE.items()))
def test_what_runs_the_other_pages_is_there(path: str, runner: str) -> None:
    assert (ROOT / path).exists()
    assert runner == ".ci/run" or "README" in (ROOT / runner).read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_every_block_is_in_a_language_that_is_known_so_that_no_command_is_passed_over(page: Page) -> None:
    fences = re.findall(r"^[ >]*(?:`{3,}|~{3,})(.*)$", page.text, re.MULTILINE)
    assert set(fences[1::2]) <= {""}
    assert set(fences[::2]) <= LANGUAGES
    assert len(page.blocks) == sum(language in SHELL for language in fences[::2])


def test_a_block_is_left_out_with_a_reason_only() -> None:
    left_out = {page.path: [block for block in page.blocks if block.why_not] for page in PAGES}
    assert all(len((block.why_not or "").split()) > 1 for blocks in left_out.values() for block in blocks)


NOWHERE = Machine(ports={"graph": 9})


def _page(folder: Path, *lines: str) -> Page:
    file = folder / "page.md"
    file.write_text("\n".join(lines))
    return Page(str(file))


@pytest.mark.parametrize(
    "command",
    [
        *("false", "ls | grep nothing | cat", "cat $NOT_SET", "helm frobnicate"),
        *("curl http://127.0.0.1:8000/", "curl http://127.0.0.1:8000/ | cat"),
    ],
)
def test_a_command_that_fails_fails_its_page_and_is_shown(tmp_path: Path, command: str) -> None:
    page = _page(tmp_path, "```sh", "echo before", command, "echo after", "```")
    with pytest.raises(AssertionError, match=r"(?s)page\.md:2\n.*echo before\nbefore\n") as failed:
        run(page, tmp_path, NOWHERE)
    assert "\nafter\n" not in str(failed.value)


def test_what_fails_in_the_background_fails_its_page(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"page\.md ended with 1:"):
        run(_page(tmp_path, "```sh", "false &", "ls", "```"), tmp_path, NOWHERE)


def test_what_a_page_ends_in_the_background_does_not_fail_it(tmp_path: Path) -> None:
    run(_page(tmp_path, "```sh", "tail -f /dev/null &", "kill $!", "```"), tmp_path, NOWHERE)


def test_blocks_of_a_page_are_one_session_in_a_checkout(tmp_path: Path) -> None:
    lines = [
        "Text:",
        "```sh",
        "NAME=samples",
        "```",
        "",
        "1. In a list:",
        "   ```sh",
        "   ls $NAME",
        "   ```",
    ]
    assert "\notel-demo.json\n" in run(_page(tmp_path, *lines), tmp_path, NOWHERE)


def test_what_is_not_run_and_what_is_no_command_is_left_out(tmp_path: Path) -> None:
    lines = ["<!-- not run: needs a real cluster -->", "```sh", "false", "```", "", "```text", "false", "```"]
    page = _page(tmp_path, *lines)
    assert (page.script, [block.why_not for block in page.blocks]) == ("", ["needs a real cluster"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_what_a_page_links_to_is_there(page: Page) -> None:
    linked = re.findall(r"\]\((?!https?:)([^)#\s]+)", page.text)
    assert [path for path in linked if not (ROOT / page.path).parent.joinpath(path).exists()] == []
