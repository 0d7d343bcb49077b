import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from factories import make_key
from sqlalchemy import text

from dependency_graph.application.sync import Changes, Source, Sync, Transaction
from dependency_graph.domain.errors import SourceFailed
from dependency_graph.domain.sync_run import RunStatus
from dependency_graph.infrastructure.database import Database
from dependency_graph.infrastructure.sync_metrics import count_run
from dependency_graph.infrastructure.sync_runs import KEPT_RUNS, PostgresSyncRuns

_LEFT_RUNNING = text(
    "INSERT INTO graph.sync_runs (id, source, status, started_at) VALUES (:id, 'gate', 'running', now())"
)
NAMES = ["otel_service_graph", "staleness", "toolhive_workloads", "toolhive_registry"]


class _Gate:
    """A source that runs until it is opened, and counts how many of its runs there are at once."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.at_once = self.most_at_once = self.runs = 0

    async def run(self, transaction: Transaction) -> Changes:
        self.runs += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await self.open.wait()
            async with transaction() as graph:
                return {"generation": await graph.generation.advance()}
        finally:
            self.at_once -= 1


@pytest.fixture
def gate() -> _Gate:
    return _Gate()


@pytest.fixture
async def replicas(database: Database, gate: _Gate) -> AsyncGenerator[Callable[..., Sync]]:
    """Any number of processes' worth of `Sync`, all with the source `gate` and those given."""
    made: list[Sync] = []

    def make(*sources: Source) -> Sync:
        every = [Source("gate", timedelta(minutes=1), gate.run), *sources]
        made.append(Sync(every, PostgresSyncRuns(database), count_run))
        return made[-1]

    yield make
    for sync in made:
        await sync.stop()


async def _state_of(sync: Sync, name: str = "gate") -> Any:
    return next(state for state in await sync.states() if state.source.name == name)


async def _listed(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    return {source["source"]: source for source in (await client.get("/sync")).json()["sources"]}


async def test_every_source_is_listed_before_it_ever_ran(client: httpx.AsyncClient) -> None:
    sources = await _listed(client)
    assert list(sources) == NAMES
    otel, staleness = sources["otel_service_graph"], sources["staleness"]
    assert (otel["configured"], otel["interval_seconds"], otel["last_run"]) == (False, 900, None)
    assert "PROMETHEUS_URL" in otel["missing"]
    assert (staleness["configured"], staleness["missing"], staleness["next_run_at"]) == (True, None, None)
    assert {sources[name]["interval_seconds"] for name in NAMES[2:]} == {60, 86_400}


async def test_a_run_by_request_is_202_and_the_record_and_200_when_waited_for(
    client: httpx.AsyncClient,
) -> None:
    begun = await client.post("/sync/staleness")
    assert (begun.status_code, begun.json()["status"]) == (202, "running")
    ended = await client.post("/sync/staleness?wait=true")
    assert (ended.status_code, ended.json()["status"], ended.json()["error"]) == (200, "succeeded", None)
    staleness = (await _listed(client))["staleness"]
    assert staleness["last_run"] == ended.json()
    due = datetime.fromisoformat(ended.json()["started_at"]) + timedelta(days=1)
    assert datetime.fromisoformat(staleness["next_run_at"]) == due
    assert staleness["last_run"]["duration_seconds"] > 0


async def test_a_source_that_lacks_a_setting_makes_a_failed_run_that_names_it(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/sync/otel_service_graph?wait=true")
    assert (answer.status_code, answer.json()["status"]) == (200, "failed")
    assert "PROMETHEUS_URL" in answer.json()["error"]
    assert (await _listed(client))["otel_service_graph"]["next_run_at"] is None


async def test_an_unknown_source_is_404_with_the_names_of_the_known_ones(client: httpx.AsyncClient) -> None:
    answer = await client.post("/sync/nothing")
    assert answer.status_code == 404
    assert all(name in answer.json()["detail"] for name in NAMES)


async def test_only_an_admin_runs_a_source_and_a_reader_sees_them(
    stranger: httpx.AsyncClient, database_url: str
) -> None:
    key = {"X-API-Key": await make_key(database_url, "read", "write")}
    assert (await stranger.post("/sync/staleness", headers=key)).status_code == 403
    assert (await stranger.get("/sync", headers=key)).status_code == 200


async def test_a_request_during_a_run_gets_its_record_on_every_replica(
    replicas: Callable[..., Sync], gate: _Gate
) -> None:
    first, second = replicas(), replicas()
    run = await first.start("gate")
    assert [await second.start("gate"), await first.start("gate")] == [run, run]
    assert (await _state_of(second)).history[0] == run
    waiting = [asyncio.create_task(sync.finished(run)) for sync in (first, second)]
    gate.open.set()
    ended, seen = await asyncio.gather(*waiting)
    assert (ended.status, ended.changes) == (RunStatus.SUCCEEDED, {"generation": 1})
    assert seen == ended


async def test_many_requests_at_once_on_many_replicas_never_overlap(
    replicas: Callable[..., Sync], gate: _Gate
) -> None:
    gate.open.set()
    syncs = [replicas() for _ in range(3)]
    runs = await asyncio.gather(*(sync.start("gate") for sync in syncs * 4))
    ended = await asyncio.gather(*(syncs[0].finished(run) for run in runs))
    assert {run.status for run in ended} == {RunStatus.SUCCEEDED}
    assert gate.most_at_once == 1
    assert gate.runs == len({run.run_id for run in runs})


async def test_a_stop_interrupts_a_run_and_records_that(replicas: Callable[..., Sync], gate: _Gate) -> None:
    sync = replicas()
    run = await sync.start("gate")
    await sync.stop()
    [known] = (await _state_of(replicas())).history
    assert (known.run_id, known.status) == (run.run_id, RunStatus.FAILED)
    assert "stopped" in (known.error or "")


async def test_a_run_whose_process_is_gone_is_told_and_then_recorded_as_interrupted(
    replicas: Callable[..., Sync], gate: _Gate, database: Database
) -> None:
    async with database.write() as connection:
        await connection.execute(_LEFT_RUNNING, {"id": uuid4()})
    other = _Gate()
    sync = replicas(Source("other", timedelta(minutes=1), other.run))
    running = await sync.start("other")
    [orphan] = (await _state_of(sync)).history
    # What another process does run is still told as running.
    assert (await _state_of(sync, "other")).history == [running]
    assert (orphan.status, "Interrupted" in (orphan.error or "")) == (RunStatus.FAILED, True)
    gate.open.set()
    assert (await sync.finished(orphan)).status is RunStatus.FAILED
    run = await sync.finished(await sync.start("gate"))
    history = (await _state_of(sync)).history
    assert [(known.run_id, known.status) for known in history] == [
        (run.run_id, RunStatus.SUCCEEDED),
        (orphan.run_id, RunStatus.FAILED),
    ]


async def test_whoever_loses_its_turn_cannot_write_any_more(
    replicas: Callable[..., Sync], gate: _Gate, database: Database
) -> None:
    first, second = replicas(), replicas()
    run = await first.start("gate")
    async with database.write() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks "
                "WHERE locktype = 'advisory' AND classid = 1937337955"
            )
        )
    gate.open.set()
    assert (await first.finished(run)).status is RunStatus.FAILED
    assert (await _state_of(second)).history[0].status is RunStatus.FAILED
    assert (await second.finished(await second.start("gate"))).changes == {"generation": 1}


async def _broken(_transaction: Transaction) -> Changes:
    raise LookupError("secret details")


async def _half_done(transaction: Transaction) -> Changes:
    async with transaction() as graph:
        await graph.generation.advance()
        raise SourceFailed("the second half is missing")


@pytest.mark.parametrize(
    ("broken", "error"), [(_broken, "fault is on our side"), (_half_done, "second half is missing")]
)
async def test_a_run_that_fails_is_recorded_and_changes_nothing(
    replicas: Callable[..., Sync], database: Database, broken: Any, error: str
) -> None:
    sync = replicas(Source("broken", timedelta(minutes=1), broken))
    run = await sync.finished(await sync.start("broken"))
    assert run.status is RunStatus.FAILED
    assert error in (run.error or "")
    assert "secret" not in (run.error or "")
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT value FROM graph.generation")) == 0


async def test_only_the_last_runs_are_kept(
    replicas: Callable[..., Sync], gate: _Gate, database: Database
) -> None:
    gate.open.set()
    sync = replicas()
    async with database.write() as connection:
        await connection.execute(
            text(
                "INSERT INTO graph.sync_runs (id, source, status, started_at, finished_at) SELECT "
                "gen_random_uuid(), 'gate', 'failed', now() - n * interval '1 hour', now() "
                "FROM generate_series(1, 60) AS n"
            )
        )
    run = await sync.finished(await sync.start("gate"))
    history = (await _state_of(sync)).history
    assert (len(history), history[0]) == (KEPT_RUNS, run)


async def test_runs_are_counted(stranger: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    await client.post("/sync/otel_service_graph?wait=true")
    metrics = (await stranger.get("http://graph/metrics")).text
    assert 'sync_runs_total{source="otel_service_graph",status="failed"}' in metrics
    assert 'sync_run_duration_seconds_count{source="otel_service_graph"}' in metrics
    assert "schedule_leader" in metrics
