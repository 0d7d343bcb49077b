"""The workflows are valid, careful with what they are given, and name what is there."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow_files import FOLDER, ROOT, SCRIPTS, STEPS, WORKFLOWS, Workflow, commands

BIN = Path(sys.executable).parent
PINNED = re.compile(r"uses: ([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$")
EVERY_WORKFLOW = pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
IMAGES = {"dependency-graph", "ci-server", "coldquery", "fleet-metadata"}
SERVICES = {"fleet-graph": "8000", "fleet-ci": "8002", "fleet-sql": "8003"}


def _checked(program: str, *arguments: str | Path) -> None:
    if not (BIN / program).exists():
        pytest.skip(f"{program} is not installed: uv sync --group lint")
    checked = subprocess.run([BIN / program, *arguments], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_workflows_are_as_the_schema_has_them() -> None:
    _checked("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *FOLDER.glob("*.yml"))


def test_dependabot_is_as_its_schema_has_it() -> None:
    _checked("check-jsonschema", "--builtin-schema", "vendor.dependabot", ROOT / ".github/dependabot.yml")


def test_zizmor_finds_nothing_and_nothing_is_hidden_from_it() -> None:
    _checked(
        "zizmor",
        "--offline",
        "--no-progress",
        "--strict-collection",
        "--no-ignores",
        "--pedantic",
        ROOT / ".github",
    )


def test_actions_are_pinned_by_commit_and_each_to_one() -> None:
    lines = [
        line for path in FOLDER.glob("*.yml") for line in path.read_text().splitlines() if "uses:" in line
    ]
    pins = {found.groups() for line in lines if (found := PINNED.search(line))}
    assert [line for line in lines if not PINNED.search(line)] == []
    assert len(pins) == len({action for action, _, _ in pins})


@EVERY_WORKFLOW
def test_a_workflow_may_nothing_and_its_jobs_say_what_they_may(workflow: Workflow) -> None:
    assert workflow.content["permissions"] == {}
    assert all("permissions" in job for job in workflow.jobs.values())


@EVERY_WORKFLOW
def test_a_workflow_ends_and_two_runs_of_it_do_not_meet(workflow: Workflow) -> None:
    assert workflow.content["concurrency"]["group"]
    assert all(int(job["timeout-minutes"]) <= 75 for job in workflow.jobs.values())


@EVERY_WORKFLOW
def test_a_pipe_fails_with_any_of_its_commands(workflow: Workflow) -> None:
    # Named, bash is run with pipefail; by default it is not.
    assert workflow.content["defaults"] == {"run": {"shell": "bash"}}


@pytest.mark.parametrize("where", STEPS)
def test_a_checkout_leaves_no_token_behind(where: str) -> None:
    step = STEPS[where].content
    if step.get("uses", "").startswith("actions/checkout@"):
        assert step["with"]["persist-credentials"] == "false"


@pytest.mark.parametrize("where", SCRIPTS)
def test_a_script_is_bash_into_which_nothing_is_written(where: str) -> None:
    assert "${{" not in SCRIPTS[where]
    subprocess.run(["bash", "-n"], input=SCRIPTS[where], text=True, check=True)


def test_the_files_that_are_named_are_there() -> None:
    text = "\n".join(SCRIPTS.values())
    named = set(re.findall(r"(?<![\w/.-])((?:\.ci|\.github|apps|docs|helm|libs|tests)/[\w./-]*\w)", text))
    assert named >= {".ci/run", ".github/test-parts", "helm/fleet", "helm/large.yaml", "helm/staging.yaml"}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_files_that_decide_about_images_are_there() -> None:
    [command] = [
        line for script in SCRIPTS.values() for line in script.splitlines() if line.startswith("git diff")
    ]
    for name in re.findall(r"-- (.*) \|\|", command)[0].split():
        assert list(ROOT.glob(name.strip("'"))), name


def test_every_image_is_built_and_each_is_a_target_of_the_dockerfile() -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    [tried] = [
        re.findall(r"for target in (.*); do", script)[0]
        for script in SCRIPTS.values()
        if "for target" in script
    ]
    assert set(WORKFLOWS["images"].jobs["image"]["strategy"]["matrix"]["target"]) == IMAGES
    assert set(tried.split()) == IMAGES
    assert targets >= IMAGES


def test_the_arguments_of_the_images_are_those_of_the_dockerfile() -> None:
    [build] = [
        step.content for step in STEPS.values() if "docker/build-push-action" in step.content.get("uses", "")
    ]
    declared = set(re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert {line.partition("=")[0] for line in build["with"]["build-args"].splitlines()} <= declared


def test_nx_is_asked_for_targets_that_there_are() -> None:
    asked = [re.fullmatch(r"npx nx (?:affected|run-many) -t (.*)", line) for line in commands("npx nx")]
    assert len(asked) == 2
    for found in asked:
        assert found
        assert set(found[1].split()) == json.loads((ROOT / "nx.json").read_text())["targetDefaults"].keys()


def test_uv_is_asked_for_what_there_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for line in commands("uv run"):
        group, program = re.findall(r"--only-group (\S+) (\S+)", line)[0]
        assert group in project["dependency-groups"]
        if group == "deployment" and not (BIN / program).exists():
            pytest.skip(f"{program} is not installed: uv sync --group deployment")
        assert (BIN / program).exists()


def test_uv_is_of_the_version_of_the_whole_run() -> None:
    [of_the_whole] = re.findall(r'"uv(>=[^"]*)"', (ROOT / ".ci/run").read_text())
    setups = [
        step.content["with"]["version"]
        for step in STEPS.values()
        if "astral-sh/setup-uv" in step.content.get("uses", "")
    ]
    assert set(setups) == {of_the_whole}


def test_every_supported_python_reaches_uv_and_the_oldest_postgresql_is_tried() -> None:
    job = WORKFLOWS["ci"].jobs["members"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert job["env"] == {
        "TEST_POSTGRES_VERSION": "${{ matrix.postgres }}",
        "UV_PYTHON": "${{ matrix.python }}",
    }
    assert [one["postgres"] for one in job["strategy"]["matrix"]["include"]] == ["16"]


def test_the_programs_that_the_whole_run_installs_are_installed() -> None:
    [whole] = re.findall(r"for part in (.*); do", (ROOT / ".ci/run").read_text())
    assert set(whole.split()) <= set((ROOT / ".github/test-parts").read_text().split())


def test_a_workflow_that_is_started_takes_what_it_is_given() -> None:
    [start] = commands("gh workflow run")
    name = re.findall(r"run (\w+)\.yml", start)[0]
    inputs = WORKFLOWS[name].content["on"]["workflow_dispatch"]["inputs"]
    assert set(re.findall(r'--field "(\w+)=', start)) == inputs.keys()


def test_staging_is_given_images_of_its_commit_and_asked_at_ports_that_it_has() -> None:
    asked = dict(re.findall(r"^ready (\S+) (\d+)$", "\n".join(SCRIPTS.values()), re.MULTILINE))
    manifests = _staging()
    services = {
        one["metadata"]["name"]: one["spec"]["ports"] for one in manifests if one["kind"] == "Service"
    }
    images = set(re.findall(r"image: \"?([^\"\s]+)", yaml.safe_dump_all(manifests)))
    assert asked == SERVICES
    assert {name: [str(port["port"]) for port in ports] for name, ports in services.items()} == {
        name: [port] for name, port in SERVICES.items()
    }
    assert images == {f"ghcr.io/owner/{name}:sha-0" for name in IMAGES - {"fleet-metadata"}}


def _staging() -> list[dict[str, Any]]:
    """What the deployment's command makes of the chart."""
    helm = pytest.importorskip(
        "helm_python", reason="helm-python-sdk is not installed: uv sync --group deployment"
    )
    [upgrade] = commands("helm upgrade")
    [values] = re.findall(r"--values (\S+)", upgrade)
    given = yaml.safe_load((ROOT / values).read_text())
    said = {"image.registry=ghcr.io/owner", "image.tag=sha-0"}
    assert {line.partition("=")[0] for line in said} == set(re.findall(r'--set-string "([\w.]+)=', upgrade))
    image = {**given.get("image", {}), "registry": "ghcr.io/owner", "tag": "sha-0"}
    with helm.Chart.load(ROOT / "helm/fleet") as chart:
        rendered = chart.render(values={**given, "image": image}, name="fleet", namespace="fleet-staging")
    manifests = (text for name, text in rendered.items() if name.endswith(".yaml"))
    return [one for text in manifests for one in yaml.safe_load_all(text) if one]
