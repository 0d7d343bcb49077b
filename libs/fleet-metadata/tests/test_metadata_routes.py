from datetime import datetime

import httpx
import pytest
from told_collectors import BRANCH, Told, ToldFromAfar, client_of

from fleet_metadata import CollectionFailed, Key, NotApplicable, ValueType
from fleet_metadata.api.accept import prefers_text

ALL = {"git_branch", "git_dirty_files", "github_pr_number"}


def keys_of(answer: httpx.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    return set(answer.json()["data"])


async def test_the_answer_has_every_key_with_its_schema_and_how_each_collector_is() -> None:
    async with client_of(Told(), ToldFromAfar()) as client:
        answer = (await client.get("/metadata")).json()
    assert answer["data"]["git_branch"] == {
        "value": "main",
        "schema": {
            "type": "string",
            "description": "Current git branch",
            "includeInList": True,
            "nullable": True,
        },
    }
    meta = answer["meta"]
    assert (meta["version"], meta["truncated"]) == ("1.0", [])
    assert datetime.fromisoformat(meta["collected_at"]).tzinfo is not None
    assert [(state["name"], state["status"]) for state in meta["collectors"]] == [
        ("git", "ok"),
        ("github", "ok"),
    ]
    assert meta["collectors"][0]["age_seconds"] == 0.0


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("", ALL),
        ("?prefix=git_", {"git_branch", "git_dirty_files"}),
        ("?prefix=git", ALL),
        ("?prefix=", ALL),
        ("?keys=git_branch,github_pr_number", {"git_branch", "github_pr_number"}),
        ("?keys=git_branch,%20no_such_key", {"git_branch"}),
        ("?keys=", set()),
        ("?list=true", {"git_branch", "github_pr_number"}),
        ("?list=false", ALL),
        ("?list=true&prefix=git_", {"git_branch"}),
        (f"?prefix={'g' * 256}", set()),
    ],
)
async def test_a_query_chooses_keys(query: str, keys: set[str]) -> None:
    async with client_of(Told(), ToldFromAfar()) as client:
        assert keys_of(await client.get(f"/metadata{query}")) == keys


async def test_only_collectors_of_the_keys_that_are_wanted_are_asked() -> None:
    git, github = Told(), ToldFromAfar()
    async with client_of(git, github) as client:
        before = git.collections
        await client.get("/metadata?prefix=github_")
        await client.get("/metadata/github_pr_number")
        await client.get("/metadata/nothing")
        assert git.collections == before


@pytest.mark.parametrize(
    "query",
    [
        "?list=maybe",
        "?prefx=git_",
        f"?prefix={'g' * 257}",
        f"?keys={'k' * 4097}",
        "?format=json",
        "?prefix=a&prefix=b",
    ],
)
async def test_a_query_that_is_wrong_is_refused_with_the_place(query: str) -> None:
    async with client_of(Told()) as client:
        answer = await client.get(f"/metadata{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["path"].startswith("/query/")


async def test_who_has_the_data_already_is_told_so_and_age_is_no_change() -> None:
    git = Told()
    async with client_of(git) as client:
        first = await client.get("/metadata")
        etag = first.headers["etag"]
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            again = await client.get("/metadata", headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b""), known
            assert again.headers["etag"] == etag
        lines = [("If-None-Match", '"other"'), ("If-None-Match", etag)]
        assert (await client.get("/metadata", headers=lines)).status_code == 304
        git.told = {"git_branch": "other", "git_dirty_files": 2}
        changed = await client.get("/metadata", headers={"If-None-Match": etag})
        assert changed.status_code == 200
        assert changed.headers["etag"] != etag


async def test_one_key_is_an_entry_or_its_bare_value() -> None:
    async with client_of(Told()) as client:
        entry = await client.get("/metadata/git_branch")
        assert entry.json() == {"value": "main", "schema": BRANCH.schema()}
        for answer in (
            await client.get("/metadata/git_branch?format=text"),
            await client.get("/metadata/git_branch", headers={"Accept": "text/plain"}),
        ):
            assert (answer.text, answer.headers["content-type"]) == ("main", "text/plain; charset=utf-8")
            assert answer.headers["vary"] == "Accept"
            known = {"If-None-Match": answer.headers["etag"]}
            assert (await client.get("/metadata/git_branch?format=text", headers=known)).status_code == 304
        same = await client.get("/metadata/git_branch?format=json", headers={"Accept": "text/plain"})
        assert same.json()["value"] == "main"
        assert (await client.get("/metadata/git_branch?format=yaml")).status_code == 422


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("one\n two\r\n\tthree ", "one two three"),
        ("é" * 1024, "é" * 1024),
        ("a" + "é" * 1024, "a" + "é" * 1023),
        (None, ""),
    ],
)
async def test_the_bare_value_is_one_line_of_at_most_2048_bytes(value: str | None, text: str) -> None:
    async with client_of(Told(told={"git_branch": value, "git_dirty_files": 0})) as client:
        answer = await client.get("/metadata/git_branch?format=text")
    assert (answer.status_code, answer.text) == (200, text)
    assert len(answer.content) <= 2048


@pytest.mark.parametrize("key", ["nothing", "git", "git_branch/", "", "%00", "a" * 300, "..%2F..%2Fetc"])
async def test_an_unknown_key_is_a_problem(key: str) -> None:
    async with client_of(Told()) as client:
        answer = await client.get(f"/metadata/{key}")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:fleet:problem:no-such-key")


async def test_a_key_that_does_not_apply_here_or_is_disabled_says_why() -> None:
    collectors = Told(told=NotApplicable("no git repository in here")), ToldFromAfar()
    async with client_of(*collectors, metadata_disabled_collectors="github") as client:
        apart, disabled = [await client.get(f"/metadata/{key}") for key in ("git_branch", "github_pr_number")]
        states = (await client.get("/metadata")).json()["meta"]["collectors"]
    assert (apart.status_code, disabled.status_code) == (404, 404)
    assert "no git repository in here" in apart.json()["detail"]
    assert "disabled" in disabled.json()["detail"]
    assert [state["status"] for state in states] == ["not_applicable", "disabled"]


async def test_a_key_whose_collector_failed_is_not_known_now_and_the_rest_is_answered() -> None:
    failing = Told(told=CollectionFailed("index file corrupt"))
    async with client_of(failing, ToldFromAfar()) as client:
        answer = await client.get("/metadata/git_branch")
        whole = (await client.get("/metadata")).json()
    assert (answer.status_code, answer.json()["detail"]) == (503, "git: index file corrupt")
    assert answer.headers["retry-after"]
    assert set(whole["data"]) == {"github_pr_number"}
    assert whole["meta"]["collectors"][0] | {"duration_ms": 0} == {
        "name": "git",
        "status": "failed",
        "duration_ms": 0,
        "age_seconds": None,
        "error": "index file corrupt",
    }


async def test_last_values_of_a_collector_that_fails_now_are_answered_as_stale() -> None:
    git = Told()
    async with client_of(git) as client:
        await client.get("/metadata")
        git.told = CollectionFailed("index file corrupt")
        whole = (await client.get("/metadata")).json()
        one = await client.get("/metadata/git_branch?format=text")
    assert whole["data"]["git_branch"]["value"] == one.text == "main"
    state = whole["meta"]["collectors"][0]
    assert (state["status"], state["error"]) == ("stale", "index file corrupt")


@pytest.mark.parametrize("path", ["/metadata", "/metadata/git_branch"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"])
async def test_nothing_but_reading_is_allowed(method: str, path: str) -> None:
    async with client_of(Told()) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz"])
async def test_health_needs_nothing(path: str) -> None:
    async with client_of(Told(told=CollectionFailed("broken"))) as client:
        assert (await client.get(path)).json() == {"status": "ok"}


async def test_metrics_tell_how_collectors_do() -> None:
    async with client_of(Told(told=CollectionFailed("no"), name="gone", keys=())) as client:
        await client.get("/metadata")
        metrics = (await client.get("/metrics")).text
    assert 'metadata_collector_answers_total{collector="gone",status="failed"}' in metrics
    assert 'http_requests_total{method="GET",route="/metadata",status="200"}' in metrics


async def test_a_value_that_is_too_large_to_be_cut_is_said_to_be_so() -> None:
    key = Key("git_tree", ValueType.OBJECT, "A tree")
    collector = Told(keys=[key], told={"git_tree": {"leaves": "x" * 5000}})
    async with client_of(collector) as client:
        whole = (await client.get("/metadata")).json()
        answer = await client.get("/metadata/git_tree")
    assert whole["meta"]["truncated"] == ["git_tree"]
    assert (answer.status_code, answer.json()["detail"]) == (503, "git: git_tree is too large to be told")


async def test_collectors_are_closed_at_the_end() -> None:
    git, github = Told(), ToldFromAfar()
    async with client_of(git, github):
        pass
    assert git.closed
    assert github.closed


@pytest.mark.parametrize(
    ("accept", "text"),
    [
        ([], False),
        (["*/*"], False),
        (["text/plain"], True),
        (["TEXT/PLAIN; charset=utf-8"], True),
        (["text/*"], True),
        (["application/json", "text/plain"], False),
        (["application/json;q=0.5, text/plain"], True),
        (["text/plain;q=0.5, application/json"], False),
        (["text/plain;q=0"], False),
        (["text/plain;q=nonsense"], False),
        (["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], False),
        (["image/png"], False),
    ],
)
def test_text_is_for_who_would_rather_have_it_than_json(accept: list[str], text: bool) -> None:
    assert prefers_text(accept) is text


async def test_swagger_ui_and_its_document_come_from_the_server() -> None:
    async with client_of(Told()) as client:
        page = await client.get("/docs")
        document = (await client.get("/openapi.json")).json()
    assert page.status_code == 200
    assert "https://" not in page.text.replace("https://fastapi.tiangolo.com/img/favicon.png", "")
    assert {"/metadata", "/metadata/{key}", "/health", "/livez", "/readyz"} == set(document["paths"])
