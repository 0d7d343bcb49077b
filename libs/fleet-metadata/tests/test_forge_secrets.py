"""A token in the settings, in the remote or in what a server says is seen by that server alone."""

import logging
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import pytest
from fake_github import told
from forge_workspace import SECRET, checked_out, workspace
from github_answers import pull
from gitlab_answers import merge_request
from small_server import Asked, SmallServer, Told, small_server

from fleet_metadata.collector import CollectionFailed, Reading
from fleet_metadata.collectors.forges import GitHubCollector, GitLabCollector

Forge = Callable[..., GitHubCollector | GitLabCollector]
ECHO = {"message": f"no {SECRET}", "error": SECRET}
ANSWERS = [
    *(told(ECHO, status) for status in (200, 204, 301, 400, 401, 403, 404, 410, 422, 451, 500, 502, 503)),
    told(ECHO, 403, **{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": SECRET}),
    told(ECHO, 429, **{"Retry-After": SECRET}),
    told(ECHO, 302, Location=f"http://{SECRET}@127.0.0.1:1/{SECRET}"),
    told(ECHO, 302, Location=f"http://[{SECRET}"),
    told([{"number": SECRET, "iid": SECRET}]),
    Told(f"<html>{SECRET}".encode()),
    Told(SECRET.encode(), headers={"Content-Length": "1000"}),
]


@pytest.fixture(autouse=True)
def everything_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    caplog.set_level(logging.INFO)
    # Whoever served something in this process before has had it silent.
    caplog.set_level(logging.INFO, logger="httpx")


@pytest.fixture(params=[GitHubCollector, GitLabCollector])
def collector_of(request: pytest.FixtureRequest) -> Forge:
    def collector(server: SmallServer) -> GitHubCollector | GitLabCollector:
        origin = f"http://me:{SECRET}@127.0.0.1/octo/cat.git"
        url = server.url.replace("http://", f"http://you:{SECRET}@")
        settings: dict[str, Any] = {
            "github_api_url": url,
            "gitlab_url": url,
            "github_token": SECRET,
            "gitlab_token": SECRET,
        }
        return request.param(workspace(checked_out(origin=origin), **settings))

    return collector


@pytest.fixture
def server() -> Generator[SmallServer]:
    with small_server(lambda asked: told(ECHO)) as server:
        yield server


def _always(answer: Told, _: Asked) -> Told:
    return answer


async def _said(collector: GitHubCollector | GitLabCollector) -> str:
    try:
        told_of: Reading | str = await collector.collect()
    except CollectionFailed as failed:
        told_of = f"{failed!r} {failed} {failed.__cause__!r}"
    finally:
        await collector.close()
    return f"{told_of} {await collector.subject()!r}"


@pytest.mark.parametrize("answer", ANSWERS)
async def test_it_is_in_no_error_and_no_line_of_a_log(
    collector_of: Forge, server: SmallServer, answer: Told, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = partial(_always, answer)
    said = await _said(collector_of(server))
    assert "GitHub" in said or "GitLab" in said or "no such" in said or "rate limited" in said
    assert any(SECRET in value for value in server.asked[0].headers.values())
    assert SECRET not in said
    assert SECRET not in server.asked[0].path
    assert "HTTP Request" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("answer", ANSWERS)
async def test_it_is_in_no_value_and_no_warning(
    collector_of: Forge, server: SmallServer, answer: Told
) -> None:
    def answered(asked: Asked) -> Told:
        path = asked.path.partition("?")[0]
        if path.endswith("/pulls"):
            return told([pull(7)])
        return told([merge_request(7)]) if path.endswith("/merge_requests") else answer

    server.answer = answered
    said = await _said(collector_of(server))
    assert SECRET not in said


async def test_it_is_in_no_description_of_our_own_objects(collector_of: Forge, server: SmallServer) -> None:
    collector = collector_of(server)
    assert SECRET not in f"{collector!r} {collector._api.server!r} {collector._api.server}"
    assert SECRET not in collector._api.server.url
