"""What the settings of the sources of ToolHive take and refuse."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import MemoryGraph
from inventory_cycles import MemoryToolhive, remote
from pydantic import ValidationError
from running_service import run
from toolhive_server import ToolhiveServer

from dependency_graph.application.ports import Graph, ObservedWorkloads
from dependency_graph.application.sync import Source
from dependency_graph.settings import Settings
from dependency_graph.sources import _toolhive, sources

SECRET = "canary-7f3a"
DAY, WEEK = 86_400, 604_800


def _sources(**told: object) -> dict[str, Source]:
    given = sources(Settings.model_validate({"toolhive_url": None} | told), MemoryToolhive())
    return {source.name: source for source in given}


def _lists(monkeypatch: pytest.MonkeyPatch, **environment: str) -> tuple[list[str], list[str]]:
    """The workloads that are skipped and the groups that are wanted."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    return settings.skipped_workloads, settings.allowed_groups


def test_workloads_are_asked_for_each_minute_and_the_registry_daily_unless_told() -> None:
    told = _sources()
    assert told["toolhive_workloads"].interval == timedelta(minutes=1)
    assert told["toolhive_registry"].interval == timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "source", "least", "most"),
    [
        ("workload_polling_interval", "toolhive_workloads", 1, DAY),
        ("registry_polling_interval", "toolhive_registry", 1, WEEK),
    ],
)
def test_intervals_are_whole_seconds_within_bounds(name: str, source: str, least: int, most: int) -> None:
    for good in (least, most):
        assert _sources(**{name: good})[source].interval == timedelta(seconds=good)
    for bad in (least - 1, most + 1, 1.5, "soon", float("inf")):
        with pytest.raises(ValidationError, match=name):
            _sources(**{name: bad})


@pytest.mark.parametrize(("hours_ago", "observations"), [(4, 1), (6, 2)])
async def test_what_is_seen_at_each_look_is_observed_again_long_before_it_is_stale(
    hours_ago: int, observations: int
) -> None:
    listing = ObservedWorkloads("docker", [remote("hub")], complete=True, empty=False)
    settings = Settings.model_validate({"toolhive_url": None, "stale_edge_threshold_hours": 10})
    source, graph = sources(settings, MemoryToolhive(listing))[2], MemoryGraph()

    @asynccontextmanager
    async def transaction() -> AsyncGenerator[Graph]:
        yield graph

    await source.run(transaction)
    [(key, edge)] = graph.known_dependencies.items()
    seen_at = edge.last_observed_at - timedelta(hours=hours_ago)
    graph.known_dependencies[key] = replace(edge, last_observed_at=seen_at)
    await source.run(transaction)
    assert graph.known_dependencies[key].observations == observations


async def test_the_settings_say_which_workloads_are_wanted(toolhive: ToolhiveServer) -> None:
    for name, group in [("inspector", "web"), ("notes", "web"), ("mail", "default"), ("fetch", "web")]:
        toolhive.add(name, image="mcp/fetch:1", group=group)
    wanted = {"skipped_workloads": ["inspector", "notes"], "allowed_groups": ["web"]}
    async with _toolhive(Settings.model_validate({"toolhive_url": toolhive.url} | wanted)) as source:
        assert [told.key.name for told in (await source.workloads()).workloads] == ["fetch"]


def test_a_registry_that_fails_is_asked_again_as_soon_as_the_workloads() -> None:
    assert _sources(workload_polling_interval=7)["toolhive_registry"].longest_backoff == timedelta(seconds=7)


def test_only_the_registry_of_a_cluster_needs_the_url_of_a_toolhive() -> None:
    url = "http://127.0.0.1:9"
    for told, missing in [
        ({}, False),
        ({"runtime_mode": "k8s", "toolhive_url": url}, False),
        ({"runtime_mode": "k8s"}, True),
    ]:
        named = _sources(**told)
        assert named["toolhive_workloads"].missing is None
        assert ("TOOLHIVE_URL" in (named["toolhive_registry"].missing or "")) is missing


def test_names_are_listed_with_commas_between(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _lists(monkeypatch) == (["inspector"], [])
    assert _lists(monkeypatch, SKIPPED_WORKLOADS=" a, b c ,", ALLOWED_GROUPS="web") == (["a", "b c"], ["web"])
    assert _lists(monkeypatch, SKIPPED_WORKLOADS=",", ALLOWED_GROUPS="") == ([], [])


@pytest.mark.parametrize(
    "url",
    [
        "https://toolhive.example",
        "http://127.0.0.1:8080/below/",
        "http://[::1]:8080",
        f"http://me:{SECRET}@host",
    ],
)
def test_the_url_of_a_toolhive_may_be_any_that_can_be_asked(url: str) -> None:
    assert Settings.model_validate({"toolhive_url": url}).toolhive_url == url.rstrip("/")


@pytest.mark.parametrize("name", ["toolhive_url", "k8s_api_server_url"])
@pytest.mark.parametrize(
    "url",
    [
        "toolhive:8080",
        "http://",
        "http://host:65536",
        "http://xn--a/",
        "http://a\x00b",
        f"ftp://{SECRET}@host",
        f"http://host?token={SECRET}",
    ],
)
def test_a_url_that_cannot_be_asked_is_refused_and_not_repeated(name: str, url: str) -> None:
    with pytest.raises(ValidationError, match=name) as refused:
        Settings.model_validate({name: url})
    assert SECRET not in str(refused.value)


def test_wrong_settings_stop_the_start_with_a_line_for_each() -> None:
    wrong = {
        "TOOLHIVE_URL": f"http://host?token={SECRET}",
        "RUNTIME_MODE": "swarm",
        "K8S_API_SERVER_URL": f"https://me:{SECRET}@host",
        "WORKLOAD_POLLING_INTERVAL": "0",
        "REGISTRY_POLLING_INTERVAL": "604801",
    }
    done = run("serve", **wrong)
    assert (done.returncode, done.stdout, SECRET in done.stderr) == (2, "", False)
    lines = done.stderr.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [["Error", name] for name in wrong]
    assert "'docker' or 'k8s'" in lines[1]


def test_an_environment_in_which_no_toolhive_can_be_asked_stops_the_start_with_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    done = run("serve", TOOLHIVE_URL="https://toolhive.example")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: TOOLHIVE_URL: ")
    assert (len(done.stderr.splitlines()), "SSL_CERT_FILE" in done.stderr) == (1, True)
