"""What the collector tells of the newest CI job of the branch, and of a CI server that does not tell."""

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest
from ci_small_server import KEY, SmallCiServer
from forge_workspace import checked_out, workspace
from made_collectors import Clock, until

from fleet_metadata import CollectionFailed, NotApplicable, Reading, ValueType
from fleet_metadata.collection.sources import RemoteSource
from fleet_metadata.collection.taken import Status
from fleet_metadata.collector import Closing, RemoteCollector
from fleet_metadata.collectors.ci import CiCollector
from fleet_metadata.collectors.git.repository import Checkout

NOTHING = {"ci_job_id": None, "ci_job_status": None, "ci_job_success": None}
Making = Callable[..., CiCollector]


@pytest.fixture
def server() -> Generator[SmallCiServer]:
    with SmallCiServer() as server:
        yield server


@pytest.fixture
async def made(server: SmallCiServer) -> AsyncGenerator[Making]:
    """`made(checkout, ci_api_key=...)`: a collector, closed at the end."""
    collectors = list[CiCollector]()

    def make(checkout: Checkout | Exception | None = None, **settings: Any) -> CiCollector:
        given = {"ci_server_url": server.url, "ci_api_key": KEY} | settings
        collectors.append(CiCollector(workspace(checkout or checked_out("main"), **given)))
        return collectors[-1]

    yield make
    for collector in collectors:
        await collector.close()


def test_it_is_a_remote_collector_that_closes_and_has_the_keys_of_the_contract(made: Making) -> None:
    collector = made()
    assert isinstance(collector, RemoteCollector)
    assert isinstance(collector, Closing)
    assert {key.name: key.type for key in collector.keys} == {
        "ci_job_id": ValueType.STRING,
        "ci_job_status": ValueType.ENUM,
        "ci_job_success": ValueType.BOOLEAN,
    }
    assert all(len(key.description) <= 256 for key in collector.keys)
    assert collector.refresh_seconds == 5


@pytest.mark.parametrize(
    ("status", "success"),
    [("queued", None), ("running", None), ("completed", True), ("completed", False), ("failed", False)],
)
async def test_the_newest_job_of_the_branch_is_told(
    server: SmallCiServer, made: Making, status: str, success: bool | None
) -> None:
    server.add(form={"branch": ["main"]}, status="cancelled", success=False)
    newest = server.add(form={"branch": ["main"]}, status=status, success=success)
    server.add(form={"branch": ["main-2"]}, status="completed", success=True)
    server.add(form={"command": ["main"]}, status="completed", success=True)
    collector = made()
    values = {"ci_job_id": newest.job_id, "ci_job_status": status, "ci_job_success": success}
    assert await collector.collect() == Reading(values)
    assert [key.fault(values[key.name]) for key in collector.keys] == [None] * 3


async def test_a_branch_without_a_job_has_all_keys_without_values(made: Making) -> None:
    assert await made().collect() == Reading(NOTHING)


async def test_where_no_branch_is_checked_out_the_server_is_not_asked(
    server: SmallCiServer, made: Making
) -> None:
    assert await made(checked_out(None)).collect() == Reading(NOTHING)
    assert not server.asked


@pytest.mark.parametrize(
    ("checkout", "settings", "why"),
    [
        (None, {"ci_server_url": None}, "CI_SERVER_URL is not set"),
        (NotApplicable("no repository"), {}, "no repository"),
    ],
    ids=["no server", "no repository"],
)
async def test_without_a_server_or_a_repository_it_does_not_apply(
    made: Making, checkout: Exception | None, settings: dict[str, Any], why: str
) -> None:
    collector = made(checkout, **settings)
    for ask in (collector.collect, collector.subject):
        with pytest.raises(NotApplicable, match=why):
            await ask()


async def test_its_subject_is_the_server_and_the_branch(server: SmallCiServer, made: Making) -> None:
    assert await made(checked_out("a")).subject() == (server.url, "a")


@pytest.mark.parametrize(
    ("refusal", "why", "retry_in"),
    [
        ((401, {"status": 401, "detail": "Unknown key."}, {}), r"Unknown key\. Set CI_API_KEY", 60),
        ((429, {"status": 429, "detail": "Enough."}, {"Retry-After": "9"}), "left for 9 s: Enough", 9),
        ((503, {"status": 503, "detail": "Away."}, {}), r"answered 503 \(Away\.\)", None),
        ((200, "<html>", {}), "none of a CI server's", None),
        (
            (302, "", {"Location": "https://login.example.com"}),
            "a redirect to https://login.example.com",
            None,
        ),
    ],
    ids=["key", "limit", "away", "strange", "login"],
)
async def test_a_server_that_does_not_tell_is_told_with_what_to_do(
    server: SmallCiServer, made: Making, refusal: Any, why: str, retry_in: float | None
) -> None:
    server.refusals.append(refusal)
    with pytest.raises(CollectionFailed, match=why) as failed:
        await made().collect()
    assert failed.value.retry_in == retry_in
    assert not str(failed.value).endswith(".")


async def test_a_server_that_is_not_there_has_failed(made: Making, dead_url: str) -> None:
    with pytest.raises(CollectionFailed, match=r"cannot be reached \(ConnectError\); check that it runs"):
        await made(ci_server_url=dead_url).collect()


async def test_the_key_is_in_no_text(server: SmallCiServer, made: Making) -> None:
    collector = made(ci_api_key="fleet_a_canary")
    with pytest.raises(CollectionFailed) as failed:
        await collector.collect()
    assert "canary" not in str(failed.value)
    assert "canary" not in repr(collector._settings)
    assert [headers["x-api-key"] for _, headers in server.requests] == ["fleet_a_canary"]


async def test_a_server_that_goes_keeps_its_values_and_says_why(server: SmallCiServer, made: Making) -> None:
    job = server.add(form={"branch": ["main"]}, status="running")
    clock = Clock()
    source = RemoteSource(made(), clock=clock)
    assert (await source.read()).status is Status.OK
    server.refusals.append((500, "broken", {}))
    clock.now += 5
    await source.read()
    await until(lambda: not server.refusals and not source._fetched._under_way())
    taken = await source.read()
    await source.stop()
    assert (taken.status, taken.values and taken.values["ci_job_id"]) == (Status.STALE, job.job_id)
    assert "answered 500" in (taken.error or "")
