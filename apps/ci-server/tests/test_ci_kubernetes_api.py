import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from ci_kubernetes_runs import KubernetesRuns, begun, end_of, kubernetes_runs, prepare
from ci_kubernetes_server import NAMESPACE, Answer

from ci_server.domain.course import Exit
from ci_server.runners.choice import NoRunner, chosen_runner
from ci_server.runners.kubernetes.api_server import ApiServer
from ci_server.runners.kubernetes.kubernetes_runner import KubernetesRunner
from ci_server.running.runner import CannotRun, Run, RunnerAway
from ci_server.settings import Settings
from ci_server.storage.job_files import JobFiles

ASKED = ["prepare", "start", "is_there", "output", "exit", "stop", "remove", "names"]


@pytest.fixture
async def runs(tmp_path: Path) -> AsyncGenerator[KubernetesRuns]:
    (tmp_path / "token").write_text("first\n")
    async with kubernetes_runs(tmp_path, "first") as runs:
        yield runs


async def _ask(runner: KubernetesRunner, run: Run, asked: str) -> object:
    match asked:
        case "prepare":
            return await prepare(runner, run)
        case "output":
            return [chunk async for chunk in runner.output(run)]
        case "stop":
            return await runner.stop(run, 1)
        case "names":
            return await runner.names()
        case _:
            return await getattr(runner, asked)(run)


@pytest.mark.parametrize("asked", ASKED)
async def test_an_api_server_that_is_away_is_said_to_be(runs: KubernetesRuns, asked: str) -> None:
    run = runs.made()
    runs.server.url = "http://127.0.0.1:1"
    with pytest.raises(RunnerAway, match=r"does not answer.*K8S_API_SERVER_URL"):
        await _ask(runs.another_runner(), run, asked)


@pytest.mark.parametrize(
    ("code", "message"),
    [(500, "500: oh"), (503, "503: oh"), (0, "does not answer"), (401, "Role"), (403, "Role")],
)
async def test_what_keeps_the_api_server_from_answering_may_pass(
    runs: KubernetesRuns, code: int, message: str
) -> None:
    runner, run = runs.another_runner(), runs.made()
    await prepare(runner, run)
    runs.server.answer_instead("POST jobs", Answer(code, "oh"))
    with pytest.raises(RunnerAway, match=message):
        await runner.start(run)
    await runner.start(run)
    assert await end_of(runner, run) == (b"", Exit(0))


async def test_what_a_role_must_allow_is_said(runs: KubernetesRuns) -> None:
    runs.server.answer_instead("GET jobs", Answer(403, 'jobs.batch is forbidden: User "x" cannot list'))
    with pytest.raises(RunnerAway, match=rf"cannot list.*Role in the namespace {NAMESPACE}.*jobs \(batch\)"):
        await runs.another_runner().names()


async def test_a_resource_that_is_refused_for_what_it_is_cannot_run(runs: KubernetesRuns) -> None:
    runner, run = runs.another_runner(), runs.made()
    await prepare(runner, run)
    runs.server.answer_instead("POST secrets", Answer(422, "Secret is invalid: data: Too long"))
    with pytest.raises(CannotRun, match="Too long"):
        await runner.start(run)


async def test_a_request_that_came_too_early_is_made_again(runs: KubernetesRuns) -> None:
    runner, run = runs.another_runner(), runs.made()
    await prepare(runner, run)
    too_many = Answer(429, "slow down", {"Retry-After": "0"})
    runs.server.answer_instead("POST jobs", too_many, too_many)
    await runner.start(run)
    assert runs.server.requests("POST jobs") == 1 + 3


async def test_a_server_that_always_wants_to_wait_is_away(runs: KubernetesRuns) -> None:
    runs.server.answer_instead("GET jobs", *[Answer(429, "no", {"Retry-After": "0"})] * 100)
    with pytest.raises(RunnerAway, match="429"):
        await runs.another_runner().names()


async def test_a_start_whose_answer_was_lost_is_no_second_one(runs: KubernetesRuns) -> None:
    runner, run = runs.another_runner(), runs.made()
    await prepare(runner, run)
    await runner.start(run)
    runs.server.answer_instead("GET jobs", Answer(404))
    await runner.start(run)
    assert [pod.installs for pod in runs.server.made] == [True, False]


async def test_an_outage_during_a_run_changes_nothing(runs: KubernetesRuns) -> None:
    runner = runs.another_runner()
    run = await begun(runner, runs.made())
    runs.server.answer_instead("GET pods", Answer(503), Answer(0))
    for _ in range(2):
        with pytest.raises(RunnerAway):
            await end_of(runner, run)
    assert await end_of(runner, run) == (b"", Exit(0))


async def test_a_token_that_was_exchanged_is_used_at_once(runs: KubernetesRuns) -> None:
    runner = runs.another_runner()
    await runner.names()
    runs.server.token = "second"
    with pytest.raises(RunnerAway, match="401"):
        await runner.names()
    runs.token_file.write_text("second")
    assert await runner.names() == []


async def test_without_a_token_the_advice_is_to_run_in_the_cluster(runs: KubernetesRuns) -> None:
    runs.token_file.unlink()
    with pytest.raises(RunnerAway, match="there is no token in"):
        await runs.another_runner().names()


async def test_no_token_goes_to_another_host_over_plain_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    got = list[bytes]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    (tmp_path / "token").write_text("first")
    # Not written as an address of this machine, though it is one.
    api = ApiServer(f"http://127.1:{port}", NAMESPACE, tmp_path / "token")
    try:
        async with server:
            with pytest.raises(RunnerAway, match="over plain http"):
                await api.list("jobs", "a=b")
    finally:
        await api.close()
    assert [b"first" in request for request in got] == [False]


async def test_what_is_no_kubernetes_is_said_to_be_none(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    api = ApiServer(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", NAMESPACE, tmp_path / "token")
    async with server:
        with pytest.raises(RunnerAway, match="no Kubernetes API"):
            await api.list("jobs", "a=b")
        await api.close()


async def test_an_authority_that_is_none_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("nonsense")
    api = ApiServer("https://127.0.0.1:1", NAMESPACE, tmp_path / "token")
    with pytest.raises(RunnerAway, match=r"ca\.crt"):
        await api.list("jobs", "a=b")


async def test_kubernetes_is_taken_where_it_is_asked_for(settings: Settings) -> None:
    runner = await _chosen(settings, ci_kubernetes_volume_claim="data")
    assert runner.name == "kubernetes"
    await runner.close()


async def test_kubernetes_without_a_volume_stops_the_start(settings: Settings) -> None:
    with pytest.raises(NoRunner, match="CI_KUBERNETES_VOLUME_CLAIM"):
        await _chosen(settings)


@pytest.mark.parametrize(("length", "fits"), [(17, True), (18, False)])
async def test_a_prefix_that_leaves_no_room_for_a_name_stops_the_start(
    settings: Settings, length: int, fits: bool
) -> None:
    wanted = {"ci_kubernetes_volume_claim": "data", "ci_container_prefix": "p" * length}
    if fits:
        await (await _chosen(settings, **wanted)).close()
        return
    with pytest.raises(NoRunner, match="CI_CONTAINER_PREFIX has 18 characters"):
        await _chosen(settings, **wanted)


async def _chosen(settings: Settings, **changes: object):  # noqa: ANN202
    wanted = settings.model_copy(update={"ci_runner": "kubernetes", **changes})
    return await chosen_runner(wanted, JobFiles(settings.ci_data_dir), variables={})
