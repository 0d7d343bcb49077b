"""What is left of runs in Kubernetes, and what runs leave for the server to read."""

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from ci_kubernetes_lives import becoming, of_runs, stubborn
from ci_kubernetes_runs import KubernetesRuns, begun, end_of, kubernetes_runs
from ci_kubernetes_server import Pod

from ci_server.runners.kubernetes.job_folder import JobFolder, Told
from ci_server.runners.kubernetes.kubernetes_runner import KubernetesRunner


@pytest.fixture
async def runs(tmp_path: Path) -> AsyncGenerator[KubernetesRuns]:
    async with kubernetes_runs(tmp_path) as runs:
        yield runs


@pytest.fixture
def runner(runs: KubernetesRuns) -> KubernetesRunner:
    return runs.another_runner()


async def test_only_what_is_ours_is_named_and_removed(runs: KubernetesRuns, runner: KubernetesRunner) -> None:
    run = await begun(runner, runs.made())
    jobs = runs.server.resources["jobs"]
    own = jobs[f"ours-{run.name}"]
    for name, label in (("theirs-1", "theirs"), ("theirs-2", "ours")):
        labels = {"dev.fleet.ci": label, "dev.fleet.ci/run": "abc-1"}
        jobs[name] = {**own, "metadata": {"name": name, "labels": labels}}
    assert await runner.names() == [run.name]
    await runner.remove_by_name(run.name)
    assert await runner.names() == []
    assert list(jobs) == ["theirs-1", "theirs-2"]
    await runner.remove_by_name("nonsense")


async def test_a_job_whose_data_folder_is_gone_is_named_and_removed(
    runs: KubernetesRuns, runner: KubernetesRunner
) -> None:
    run = await begun(runner, runs.made())
    (runs.files.data_dir / "kubernetes-runs" / run.name).unlink()
    assert await runner.names() == [run.name]
    await runner.remove_by_name(run.name)
    assert not any(runs.server.resources.values())


async def test_a_run_that_is_removed_while_it_goes_on_ends(
    runs: KubernetesRuns, runner: KubernetesRunner
) -> None:
    runs.server.lives["*"] = of_runs(stubborn)
    run = await begun(runner, runs.made())
    pod = runs.server.only_pod()
    await runner.remove(run)
    assert (pod.asked_to_end.is_set(), pod.grace, runs.server.pods) == (True, 1, {})
    assert not (run.folder / "run").exists()
    await runner.remove(run)


@pytest.mark.parametrize("name", ["log", "exit"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "nothing"])
async def test_a_run_cannot_have_the_server_read_anything_else(
    runs: KubernetesRuns, runner: KubernetesRunner, tmp_path: Path, name: str, kind: str
) -> None:
    (tmp_path / "secret").write_text('{"code": 0}')

    def change(pod: Pod) -> None:
        file = pod.folder("/job") / name
        file.unlink()
        if kind == "link":
            file.symlink_to(tmp_path / "secret")
        elif kind == "pipe":
            os.mkfifo(file)
        elif kind == "folder":
            file.mkdir()
        pod.ends(9)

    runs.server.lives["*"] = of_runs(becoming(change))
    run = await begun(runner, runs.made())
    output, ended = await end_of(runner, run)
    assert (output, ended.code, ended.stopped) == (b"", 9, "lost")


@pytest.mark.parametrize("told", ["", "{", "[]", "7", '{"code": "0"}', '{"code": null}', "[" * 100_000])
async def test_what_a_run_makes_of_the_note_of_its_end_is_no_harm(
    runs: KubernetesRuns, runner: KubernetesRunner, told: str
) -> None:
    def change(pod: Pod) -> None:
        (pod.folder("/job") / "exit").write_text(told)
        pod.ends(9)

    runs.server.lives["*"] = of_runs(becoming(change))
    run = await begun(runner, runs.made())
    assert (await end_of(runner, run))[1].stopped == "lost"


def test_what_is_printed_last_is_read_before_the_end_is_believed(tmp_path: Path) -> None:
    class Ending(JobFolder):
        def told(self) -> Told | None:
            with (self.path / "log").open("ab") as log:
                log.write(b"last")
            (self.path / "exit").write_text('{"code": 0}')
            return super().told()

    folder = Ending(tmp_path / "job")
    folder.lay_out()
    assert folder.read(0) == (b"last", True)
