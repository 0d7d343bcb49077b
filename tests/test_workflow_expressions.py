"""What the workflows ask for by expressions is there, and a release is made as the documentation says."""

import re

import pytest
from workflow_files import WORKFLOWS, Workflow

JOBS = {f"{name}: {job}": (workflow, job) for name, workflow in WORKFLOWS.items() for job in workflow.jobs}
EVERY_JOB = pytest.mark.parametrize("where", JOBS)
OUTCOMES = {"success", "failure", "cancelled", "skipped"}
PUSHES = ("docker/build-push-action@", "helm push ")
ATTESTS = "actions/attest-build-provenance@"


def _job(where: str) -> tuple[Workflow, str, str]:
    """The workflow, the job's name, and all that it says as text."""
    workflow, job = JOBS[where]
    return workflow, job, str(workflow.jobs[job])


def _needs(workflow: Workflow, job: str) -> set[str]:
    needs = workflow.jobs[job].get("needs", [])
    return {needs} if isinstance(needs, str) else set(needs)


@EVERY_JOB
def test_a_step_is_asked_about_after_it_has_run(where: str) -> None:
    workflow, job, _ = _job(where)
    before = set[str]()
    for step in [*workflow.jobs[job]["steps"], workflow.jobs[job].get("outputs", {})]:
        assert {*re.findall(r"steps\.(\w+)\.", str(step))} <= before
        before |= {step["id"]} if "id" in step else set()


@EVERY_JOB
def test_a_job_is_asked_for_what_it_hands_on_by_one_that_waits_for_it(where: str) -> None:
    workflow, job, text = _job(where)
    for other, output in re.findall(r"needs\.([\w-]+)\.outputs\.(\w+)", text):
        assert other in _needs(workflow, job)
        assert output in workflow.jobs[other]["outputs"]


@EVERY_JOB
def test_what_steps_write_to_be_handed_on_is_what_is_asked_for(where: str) -> None:
    workflow, job, text = _job(where)
    text += str(workflow.jobs[job].get("outputs", {}))
    for step in workflow.jobs[job]["steps"]:
        if "id" in step and "run" in step:
            asked = set(re.findall(rf"steps\.{step['id']}\.outputs\.(\w+)", text))
            assert asked == set(re.findall(r'echo "(\w+)=[^\n]*>>"\$GITHUB_OUTPUT"', step["run"]))


@EVERY_JOB
def test_inputs_matrix_and_outcomes_are_some_that_there_are(where: str) -> None:
    workflow, job, text = _job(where)
    inputs = (workflow.content["on"].get("workflow_dispatch") or {}).get("inputs", {})
    matrix = workflow.jobs[job].get("strategy", {}).get("matrix", {})
    there = matrix.keys() | {name for more in matrix.get("include", []) for name in more}
    assert set(re.findall(r"inputs\.(\w+)", text)) <= inputs.keys()
    assert set(re.findall(r"matrix\.(\w+)", text)) <= there
    assert set(re.findall(r"(?:outcome|conclusion) == '(\w+)'", text)) <= OUTCOMES


@EVERY_JOB
def test_a_job_may_do_what_its_steps_do(where: str) -> None:
    workflow, job, text = _job(where)
    may = workflow.jobs[job]["permissions"]
    assert ("contents" in may) == ("actions/checkout@" in text)
    assert (may.get("packages") == "write") == any(push in text for push in PUSHES)
    for right in ("attestations", "id-token"):
        assert (may.get(right) == "write") == (ATTESTS in text)


def test_an_image_is_for_both_architectures_and_says_where_it_comes_from() -> None:
    job = WORKFLOWS["images"].jobs["image"]
    [build] = [step["with"] for step in job["steps"] if "build-push" in step.get("uses", "")]
    assert (build["platforms"], build["push"]) == ("linux/amd64,linux/arm64", "true")
    assert (build["provenance"], build["sbom"]) == ("mode=max", "true")
    assert any("setup-qemu-action" in step.get("uses", "") for step in job["steps"])


def test_no_release_is_broken_off_and_a_chart_comes_after_its_images() -> None:
    for name in ("images", "staging"):
        assert WORKFLOWS[name].content["concurrency"]["cancel-in-progress"] == "false"
    images = WORKFLOWS["images"]
    assert images.content["on"] == {"push": {"branches": ["main"], "tags": ["v*"]}}
    assert images.jobs["chart"]["if"] == "github.ref_type == 'tag'"
    assert _needs(images, "chart") == {"plan", "image"}


def test_staging_gets_the_commit_whose_images_are_there_from_main_alone() -> None:
    start, deploy = WORKFLOWS["images"].jobs["staging"], WORKFLOWS["staging"].jobs["deploy"]
    assert start["if"] == deploy["if"] == "github.ref == 'refs/heads/main'"
    assert _needs(WORKFLOWS["images"], "staging") == {"image"}
    assert deploy["environment"] == "staging"
    assert deploy["steps"][0]["with"]["ref"] == deploy["env"]["COMMIT"] == "${{ inputs.commit }}"


def test_what_is_compared_with_an_earlier_commit_has_that_commit() -> None:
    """`nx` asks for the last commit of main that passed; the images for the one that a pull request is merged into."""
    jobs = WORKFLOWS["ci"].jobs
    depths = {name: job["steps"][0]["with"].get("fetch-depth") for name, job in jobs.items()}
    assert depths == {"members": "0", "whole": None, "chart": None, "images": "2"}
