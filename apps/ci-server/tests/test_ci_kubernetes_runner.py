import asyncio
import json
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
from ci_kubernetes_lives import Change, becoming, of_runs, stubborn
from ci_kubernetes_runs import (
    CLAIM,
    IMAGE,
    KubernetesRuns,
    all_of,
    begun,
    end_of,
    kubernetes_runs,
    prepare,
    until_printed,
)
from ci_kubernetes_server import Pod, succeeds

from ci_server.domain.course import Exit, outcome_of
from ci_server.domain.job import Attempt, JobSpec, Status
from ci_server.runners.container.configuration import USER_ID
from ci_server.runners.kubernetes.kubernetes_job import Patience
from ci_server.runners.kubernetes.kubernetes_runner import KubernetesRunner
from ci_server.running.runner import CannotRun

IMPATIENT = Patience(image=0, place=0)
ENDS: list[tuple[Change, Exit]] = [
    (lambda pod: pod.ends(137, "OOMKilled"), Exit(137, "memory")),
    (lambda pod: (pod.tells(137), pod.ends(137, "OOMKilled")), Exit(137, "memory")),
    (lambda pod: (pod.tells(137), pod.ends(137)), Exit(137)),
    (lambda pod: (pod.tells(1), pod.ends(1)), Exit(1)),
    (lambda pod: (pod.tells(0), pod.is_evicted("too late")), Exit(0)),
    (
        lambda pod: pod.is_evicted("The node was low on resource: memory."),
        Exit(None, "lost", "Kubernetes ended its pod: Evicted: The node was low on resource: memory."),
    ),
    (
        lambda pod: pod.ends(128, "StartError", "exec: /bin/sh: no such file"),
        Exit(128, "lost", "Kubernetes ended its pod: StartError: exec: /bin/sh: no such file"),
    ),
]
HELD_UP: list[tuple[Change, str]] = [
    (lambda pod: pod.waits("ImagePullBackOff", "no such image: x"), "ImagePullBackOff: no such image: x"),
    (lambda pod: pod.waits("ErrImagePull", "denied"), "ErrImagePull: denied"),
    (
        lambda pod: pod.is_unschedulable("0/3 nodes are available"),
        "Unschedulable: 0/3 nodes are available",
    ),
]


@pytest.fixture
async def runs(tmp_path: Path) -> AsyncGenerator[KubernetesRuns]:
    async with kubernetes_runs(tmp_path) as runs:
        yield runs


@pytest.fixture
def runner(runs: KubernetesRuns) -> KubernetesRunner:
    return runs.another_runner()


async def test_a_pod_has_what_it_may_have_and_no_more(runs: KubernetesRuns, runner: KubernetesRunner) -> None:
    run = runs.made(
        environment={"TOKEN": "s3cret-value"}, spec=JobSpec(memory=5 * 10**8, cpus=0.25, timeout=600)
    )
    await begun(runner, run)
    installation, pod = runs.server.made
    assert pod.labels == {
        "dev.fleet.ci": "ours",
        "dev.fleet.ci/run": run.name,
        "dev.fleet.ci/network": "none",
        "job-name": f"ours-{run.name}",
    }
    assert installation.labels["dev.fleet.ci/network"] == "all"
    job = runs.server.resources["jobs"][f"ours-{run.name}"]["spec"]
    assert {
        name: job[name] for name in ("backoffLimit", "completions", "parallelism", "podReplacementPolicy")
    } == {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        "podReplacementPolicy": "Failed",
    }
    assert 0 < job["activeDeadlineSeconds"] <= 600
    assert (pod.spec["restartPolicy"], pod.spec["automountServiceAccountToken"]) == ("Never", False)
    assert pod.spec["enableServiceLinks"] is False
    user = os.getuid() or USER_ID
    assert pod.spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": os.getgid() or USER_ID,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod.container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    limits = {"memory": "500000000", "cpu": "250m"}
    assert pod.container["resources"] == {"requests": limits, "limits": limits}
    assert pod.container["image"] == IMAGE


async def test_a_pod_sees_nothing_of_the_volume_but_its_own(
    runs: KubernetesRuns, runner: KubernetesRunner
) -> None:
    run = await begun(runner, runs.made())
    installation, pod = runs.server.made
    seen = {one["mountPath"]: one for one in pod.container["volumeMounts"] if one["name"] == "data"}
    assert seen["/job"]["subPath"] == f"jobs/{run.job_id}/attempts/1/run/job"
    assert seen["/environment"]["readOnly"] is True
    assert all(one["subPath"] for one in seen.values())
    assert pod.folder("/environment") == installation.folder("/environment")
    assert not (pod.folder("/environment") / "complete").exists()
    claims = [one["persistentVolumeClaim"] for one in pod.spec["volumes"] if one["name"] == "data"]
    assert claims == [{"claimName": CLAIM}]


async def test_secrets_are_in_the_secret_alone(runs: KubernetesRuns, runner: KubernetesRunner) -> None:
    run = await begun(runner, runs.made(environment={"TOKEN": "s3cret-value"}))
    assert runs.server.made[-1].task["variables"]["TOKEN"] == "s3cret-value"
    assert "s3cret-value" not in json.dumps([runs.server.resources["jobs"], runs.server.resources["pods"]])
    files = [path for path in runs.files.data_dir.rglob("*") if path.is_file() and path != run.project]
    assert not any(b"s3cret-value" in path.read_bytes() for path in files)


@pytest.mark.parametrize(("network", "label"), [(False, "none"), (True, "all")])
async def test_a_run_has_a_network_only_if_it_asks_for_one(
    runs: KubernetesRuns, runner: KubernetesRunner, network: bool, label: str
) -> None:
    await begun(runner, runs.made(spec=JobSpec(network=network)))
    assert runs.server.made[-1].labels["dev.fleet.ci/network"] == label


async def test_a_run_is_never_started_twice(runs: KubernetesRuns, runner: KubernetesRunner) -> None:
    run = runs.made()
    await prepare(runner, run)
    others = [runs.another_runner() for _ in range(5)]
    await asyncio.gather(*(each.start(run) for each in (runner, *others)))
    await runner.start(run)
    assert [pod.installs for pod in runs.server.made] == [True, False]


async def test_a_run_whose_job_was_deleted_is_not_run_again(
    runs: KubernetesRuns, runner: KubernetesRunner
) -> None:
    def begin(pod: Pod) -> None:
        (pod.folder("/job") / "once").mkdir()
        pod.runs()

    runs.server.lives["*"] = of_runs(becoming(begin))
    run = await begun(runner, runs.made())
    async with asyncio.timeout(60):
        while not runs.server.only_pod().folder("/job").joinpath("once").exists():
            await asyncio.sleep(0.01)
    runs.server.resources["jobs"].clear()
    await runner.start(run)
    assert await runner.is_there(run)
    assert [pod.installs for pod in runs.server.made] == [True, False]


async def test_what_is_not_prepared_cannot_be_started(runs: KubernetesRuns, runner: KubernetesRunner) -> None:
    run = runs.made()
    with pytest.raises(CannotRun, match="not prepared"):
        await runner.start(run)
    assert await runner.is_there(run) is False
    assert await all_of(runner.output(run)) == b""
    assert await runner.exit(run) == Exit(None, "lost")


async def test_output_arrives_while_a_run_goes_on_and_again_from_the_beginning(
    runs: KubernetesRuns, runner: KubernetesRunner
) -> None:
    runs.server.lives["*"] = of_runs(becoming(Pod.runs))
    run = await begun(runner, runs.made())
    pod = runs.server.only_pod()
    async with aclosing(runner.output(run)) as output:
        for data in (b"one\n", b"\xff\x00", b"x" * 3_000_000):
            pod.prints(data)
            got = b""
            while len(got) < len(data):
                got += await anext(output)
            assert got == data
        pod.tells(3)
        assert [chunk async for chunk in output] == []
    assert await end_of(runs.another_runner(), run) == (b"one\n\xff\x00" + b"x" * 3_000_000, Exit(3))


async def test_what_a_pod_printed_before_it_went_is_not_lost(
    runs: KubernetesRuns, runner: KubernetesRunner
) -> None:
    runs.server.lives["*"] = of_runs(becoming(lambda pod: (pod.prints(b"half of it"), pod.runs())))
    run = await begun(runner, runs.made())
    await until_printed(runner, run, b"half of it")
    runs.server.resources["jobs"].clear()
    runs.server.resources["pods"].clear()
    assert await end_of(runner, run) == (b"half of it", Exit(None, "lost"))


@pytest.mark.parametrize(
    ("change", "ended"),
    ENDS,
    ids=["memory", "memory of a child", "killed", "failed", "evicted too late", "evicted", "no shell"],
)
async def test_what_kubernetes_says_of_the_end_is_how_it_ended(
    runs: KubernetesRuns, runner: KubernetesRunner, change: Change, ended: Exit
) -> None:
    runs.server.lives["*"] = of_runs(becoming(change))
    run = await begun(runner, runs.made())
    assert (await end_of(runner, run))[1] == ended


def test_what_is_known_of_a_lost_run_is_told() -> None:
    attempt = Attempt(1, Status.RUNNING)
    outcome = outcome_of(Exit(None, "lost", "The node caught fire."), JobSpec(), attempt, None)
    assert (outcome.status, outcome.reason) == (Status.FAILED, "The node caught fire.")
    usual = outcome_of(Exit(None, "lost"), JobSpec(), attempt, None)
    assert "Retry it" in (usual.reason or "")


@pytest.mark.parametrize(
    ("change", "words"),
    HELD_UP,
    ids=["back-off", "pull", "unschedulable"],
)
async def test_a_pod_that_cannot_begin_is_given_up_with_the_words_of_kubernetes(
    runs: KubernetesRuns, change: Change, words: str
) -> None:
    runner = runs.another_runner(IMPATIENT)
    await prepare(runner, runs.made())
    runs.server.lives["*"] = becoming(change)
    with pytest.raises(CannotRun, match=words):
        await prepare(runner, runs.made(files={"requirements.txt": b"other"}))
    run = await begun(runner, runs.made())
    assert await end_of(runner, run) == (b"", Exit(None, "lost", f"Its pod could not begin: {words}"))
    assert await end_of(runs.another_runner(), run) == (b"", await runner.exit(run))
    assert runs.server.pods == {}
    assert (run.folder / "run/job/once").is_dir()


async def test_a_job_of_which_kubernetes_makes_no_pod_is_given_up(runs: KubernetesRuns) -> None:
    runner = runs.another_runner(IMPATIENT)
    await prepare(runner, runs.made())
    runs.server.makes_pods = False
    run = await begun(runner, runs.made())
    _, ended = await end_of(runner, run)
    assert "makes no pod" in (ended.why or "")


async def test_a_pod_that_waits_for_its_place_gets_it(runs: KubernetesRuns, runner: KubernetesRunner) -> None:
    waited = asyncio.Event()

    async def live(pod: Pod) -> None:
        pod.is_unschedulable("0/3 nodes are available")
        await waited.wait()
        pod.runs()
        pod.prints(b"at last")
        await succeeds(pod)

    runs.server.lives["*"] = of_runs(live)
    run = await begun(runner, runs.made())
    ending = asyncio.create_task(end_of(runner, run))
    looks = runs.server.requests("GET pods")
    async with asyncio.timeout(60):
        while runs.server.requests("GET pods") < looks + 2:
            await asyncio.sleep(0.01)
    waited.set()
    assert await ending == (b"at last", Exit(0))


async def test_a_run_that_has_not_begun_can_be_stopped(
    runs: KubernetesRuns, runner: KubernetesRunner
) -> None:
    runs.server.lives["*"] = of_runs(becoming(lambda pod: pod.is_unschedulable("full")))
    run = await begun(runner, runs.made())
    await runner.stop(run, 10)
    assert runs.server.pods == {}
    assert await end_of(runner, run) == (b"", Exit(None))
    await runner.stop(run, 10)


async def test_a_pod_gets_the_grace_that_is_asked_for(runs: KubernetesRuns, runner: KubernetesRunner) -> None:
    runs.server.lives["*"] = of_runs(stubborn)
    run = await begun(runner, runs.made())
    pod = runs.server.only_pod()
    await runner.stop(run, 7)
    assert pod.grace == 7
    assert await runner.is_there(run)


async def test_an_installation_that_is_interrupted_begins_again_and_alone(
    runs: KubernetesRuns, runner: KubernetesRunner
) -> None:
    begins, alive = asyncio.Event(), 0

    async def hang(pod: Pod) -> None:
        nonlocal alive
        alive += 1
        pod.runs()
        begins.set()
        await pod.asked_to_end.wait()
        alive -= 1

    async def once_alone(pod: Pod) -> None:
        assert alive == 0
        await succeeds(pod)

    runs.server.lives["*"] = hang
    first, second = runs.made(), runs.made()
    dying = asyncio.create_task(prepare(runner, first))
    await begins.wait()
    await _die(runner, dying)
    assert alive == 1
    runs.server.lives["*"] = once_alone
    await begun(runs.another_runner(), second)
    await begun(runs.another_runner(), first)
    assert [pod.labels["job-name"] for pod in runs.server.made] == [
        f"ours-{first.name}-install",
        f"ours-{second.name}-install",
        f"ours-{second.name}",
        f"ours-{first.name}",
    ]


async def _die(runner: KubernetesRunner, task: asyncio.Task[bytes]) -> None:
    """As a server that is killed, which can ask nothing more of Kubernetes."""
    await runner.close()
    task.cancel()
    await asyncio.wait({task})


async def test_a_preparation_that_is_cancelled_leaves_nothing_in_the_cluster(
    runs: KubernetesRuns, runner: KubernetesRunner
) -> None:
    begins = asyncio.Event()

    def begin(pod: Pod) -> None:
        pod.runs()
        begins.set()

    runs.server.lives["*"] = becoming(begin)
    run = runs.made()
    preparing = asyncio.create_task(prepare(runner, run))
    await begins.wait()
    preparing.cancel()
    await asyncio.wait({preparing})
    async with asyncio.timeout(60):
        while any(runs.server.resources.values()):
            await asyncio.sleep(0.01)
    assert await runner.names() == [run.name]
    await runner.remove(run)
    assert await runner.names() == []
    assert not (run.folder / "run").exists()


async def test_an_installation_that_is_killed_says_so_and_is_not_used(
    runs: KubernetesRuns, runner: KubernetesRunner
) -> None:
    runs.server.lives["*"] = becoming(lambda pod: pod.ends(137, "OOMKilled"))
    with pytest.raises(CannotRun, match="out of memory"):
        await prepare(runner, runs.made())
    runs.server.lives["*"] = becoming(lambda pod: pod.ends(127, message="There is no Python in this image."))
    with pytest.raises(CannotRun, match="There is no Python"):
        await prepare(runner, runs.made())
    assert not list(runs.files.environments.glob("*/complete"))


@pytest.mark.parametrize("image", ["../x", "a b", "x;y", "/x", "x//y"])
async def test_what_is_no_name_of_an_image_is_refused(
    runs: KubernetesRuns, runner: KubernetesRunner, image: str
) -> None:
    with pytest.raises(CannotRun, match="no name of an image"):
        await prepare(runner, runs.made(spec=JobSpec(image=image)))
    assert runs.server.asked == []


async def test_images_share_no_environment(runs: KubernetesRuns, runner: KubernetesRunner) -> None:
    for image in ("python:3.12", "python:3.13", "python:3.12"):
        await prepare(runner, runs.made(spec=JobSpec(image=image)))
    assert [pod.container["image"] for pod in runs.server.made] == ["python:3.12", "python:3.13"]
