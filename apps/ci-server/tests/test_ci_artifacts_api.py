"""What jobs left behind, over HTTP."""

import os
from urllib.parse import quote

import httpx
import pytest
from ci_api_factories import FAILED, ended, running, write_artifact

from ci_server.domain.job import Job
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore


@pytest.fixture
async def job(store: JobStore, files: JobFiles) -> Job:
    """One that failed, and left some files behind."""
    job = await ended(store, outcome=FAILED)
    write_artifact(files, job, "junit.xml", b"<testsuite/>")
    write_artifact(files, job, "htmlcov/index.html", b"<script>alert(1)</script>")
    write_artifact(files, job, "out/ä b%2F?#.bin", b"\x00\x01")
    return job


async def test_artifacts_are_listed_in_order_of_their_paths(client: httpx.AsyncClient, job: Job) -> None:
    assert (await client.get(f"/jobs/{job.job_id}/artifacts")).json() == [
        {"path": "htmlcov/index.html", "size": 25, "media_type": "text/html"},
        {"path": "junit.xml", "size": 12, "media_type": "application/xml"},
        {"path": "out/ä b%2F?#.bin", "size": 2, "media_type": "application/octet-stream"},
    ]


async def test_each_listed_path_leads_to_its_file(client: httpx.AsyncClient, job: Job) -> None:
    url = f"/jobs/{job.job_id}/artifacts"
    for artifact in (await client.get(url)).json():
        answer = await client.get(f"{url}/{quote(artifact['path'])}")
        assert answer.status_code == 200, artifact
        assert len(answer.content) == artifact["size"]


async def test_no_browser_runs_an_artifact_as_a_page_of_the_server(
    client: httpx.AsyncClient, job: Job
) -> None:
    answer = await client.get(f"/jobs/{job.job_id}/artifacts/htmlcov/index.html")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''index.html"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_an_artifact_is_documented_to_be_of_any_media_type(client: httpx.AsyncClient) -> None:
    routes = (await client.get("/openapi.json")).json()["paths"]
    answers = routes["/jobs/{job_id}/artifacts/{path}"]["get"]["responses"]
    assert [list(answers[status]["content"]) for status in ("200", "206")] == [["*/*"], ["*/*"]]


async def test_a_name_is_quoted_for_the_header(
    client: httpx.AsyncClient, store: JobStore, files: JobFiles
) -> None:
    job = await ended(store)
    write_artifact(files, job, 'a"; x=\r\ty', b"x")
    answer = await client.get(f"/jobs/{job.job_id}/artifacts/a%22%3B%20x%3D%0D%09y")
    assert (answer.status_code, answer.content) == (200, b"x")
    assert answer.headers["content-disposition"].endswith("''a%22%3B%20x%3D%0D%09y")


async def test_ranges_and_head_work_as_for_logs(client: httpx.AsyncClient, job: Job) -> None:
    url = f"/jobs/{job.job_id}/artifacts/junit.xml"
    part = await client.get(url, headers={"Range": "bytes=1-4"})
    assert (part.status_code, part.content) == (206, b"test")
    head = await client.head(url)
    assert (head.content, head.headers["content-length"]) == (b"", "12")
    known = await client.get(url, headers={"If-None-Match": head.headers["etag"]})
    assert known.status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "missing.txt",
        "htmlcov",
        "htmlcov/",
        "junit.xml/x",
        "%2E%2E/log",
        "htmlcov/%2E%2E/%2E%2E/log",
        "htmlcov%2F..%2F..%2Flog",
        "%2Fetc%2Fpasswd",
        "/junit.xml",
        "a%00b",
        "link",
        "folder-link/passwd",
        "pipe",
        "x" * 5000,
        "%FF",
    ],
)
async def test_nothing_but_a_file_below_the_folder_is_answered(
    client: httpx.AsyncClient, files: JobFiles, job: Job, path: str
) -> None:
    folder = files.artifacts(job.job_id, 1)
    (folder.parent / "log").write_text("not an artifact")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "folder-link").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    url = httpx.URL("http://ci").copy_with(raw_path=f"/jobs/{job.job_id}/artifacts/{path}".encode())
    answer = await client.get(url)
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:fleet:problem:artifact-not-found"


async def test_links_pipes_and_unreadable_names_are_not_listed(
    client: httpx.AsyncClient, store: JobStore, files: JobFiles
) -> None:
    job = await ended(store)
    write_artifact(files, job, "good", b"")
    folder = files.artifacts(job.job_id, 1)
    (folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    (folder / "two\nlines").touch()
    with open(os.fsencode(folder) + b"/\xff", "wb"):  # noqa: ASYNC230, PTH123  # a name that no Path of text has
        pass
    listed = (await client.get(f"/jobs/{job.job_id}/artifacts")).json()
    assert [artifact["path"] for artifact in listed] == ["good"]


async def test_there_are_none_until_the_attempt_has_ended(
    client: httpx.AsyncClient, store: JobStore, files: JobFiles
) -> None:
    job = await running(store)
    write_artifact(files, job, "junit.xml", b"half")
    assert (await client.get(f"/jobs/{job.job_id}/artifacts")).json() == []
    assert (await client.get(f"/jobs/{job.job_id}/artifacts/junit.xml")).status_code == 404


async def test_earlier_attempts_keep_their_artifacts(
    client: httpx.AsyncClient, store: JobStore, job: Job
) -> None:
    await store.retry(job.job_id, "tests")
    url = f"/jobs/{job.job_id}/artifacts"
    assert (await client.get(url)).json() == []
    assert len((await client.get(url, params={"attempt": 1})).json()) == 3
    assert (await client.get(f"{url}/junit.xml", params={"attempt": 1})).status_code == 200
