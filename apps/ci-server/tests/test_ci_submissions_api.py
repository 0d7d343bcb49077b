"""Submitting a project over HTTP: what becomes of it, and what is refused."""

import io
import json
import secrets
import shlex
import sys
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from ci_api_factories import make_key, zipped
from httpx import ASGITransport

from api_access import RateLimit
from ci_server.api.form_schema import FORM
from ci_server.app import create_app
from ci_server.domain.job import JobSpec, Status
from ci_server.intake.form import FIELDS
from ci_server.settings import Settings
from ci_server.storage.database import Database
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobFilter, JobStore

ZIP = {"file": ("project.zip", zipped(), "application/zip")}
SUBMISSIONS = ["/submit", "/submit-stream", "/submit-async"]
Clients = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def client_of(settings: Settings, database: Database) -> Clients:
    """A client of a server with some settings changed."""

    @asynccontextmanager
    async def client(**changed: Any) -> AsyncGenerator[httpx.AsyncClient]:
        given = settings.model_copy(update=changed)
        async with (
            LifespanManager(create_app(given)) as manager,
            httpx.AsyncClient(transport=ASGITransport(manager.app), base_url="http://ci") as client,
        ):
            client.headers.update(await make_key(database))
            yield client

    return client


def _kept(files: JobFiles) -> list[Path]:
    """All files and folders of jobs and uploads."""
    return sorted(path for place in (files.jobs, files.uploads) for path in place.rglob("*"))


async def test_a_submission_is_queued_for_its_user_with_its_zip_kept(
    client: httpx.AsyncClient, store: JobStore, files: JobFiles
) -> None:
    answer = await client.post("/submit-async", files=ZIP)
    assert (answer.status_code, answer.json().keys()) == (200, {"job_id"})
    job = await store.find(answer.json()["job_id"])
    assert (job.user, job.attempt.status, job.spec) == ("tests", Status.QUEUED, JobSpec())
    assert files.project(job.job_id).read_bytes() == zipped()
    assert [path.name for path in _kept(files)] == [job.job_id, "project.zip"]


async def test_all_fields_go_into_the_job_and_secrets_beside_it(
    client: httpx.AsyncClient, store: JobStore, files: JobFiles, settings: Settings
) -> None:
    fields: dict[str, Any] = {
        "command": "make test",
        "image": "python:3.13",
        "timeout": "60",
        "memory": "512M",
        "cpus": "0.5",
        "priority": "-3",
        "network": "true",
        "webhook": "https://example.com/hook",
        "artifacts": ["out/*.xml", "*.log"],
        "branch": "main",
        "commit": "abc",
        "env": ["A=1", "B="],
        "secrets": ["TOKEN=hunter2hunter2"],
    }
    assert fields.keys() | {"file"} == set(FIELDS)
    answer = await client.post("/submit-async", files=ZIP, data=fields)
    job = await store.find(answer.json()["job_id"])
    assert job.spec == JobSpec(
        "make test",
        "python:3.13",
        60,
        512 * 1024**2,
        0.5,
        -3,
        True,
        "https://example.com/hook",
        ("out/*.xml", "*.log"),
        "main",
        "abc",
        {"A": "1", "B": ""},
    )
    kept = files.secrets(job.job_id)
    assert json.loads(kept.read_text()) == {"TOKEN": "hunter2hunter2"}
    assert kept.stat().st_mode & 0o777 == 0o600
    assert b"hunter2hunter2" not in settings.ci_db_path.read_bytes()


@pytest.mark.parametrize("path", SUBMISSIONS)
async def test_what_is_refused_leaves_nothing_behind(
    client: httpx.AsyncClient, store: JobStore, files: JobFiles, path: str
) -> None:
    for content, told in [(b"no zip", "zip"), (zipped({"a": ""}), "tests/")]:
        answer = await client.post(path, files={"file": content})
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:fleet:problem:upload-refused")
        assert told in answer.json()["detail"]
    for fields, place in [({"colour": "red"}, "colour"), ({"timeout": "0"}, "timeout")]:
        answer = await client.post(path, files=ZIP, data=fields)
        assert answer.status_code == 422
        assert [fault["path"] for fault in answer.json()["errors"]] == [f"/body/{place}"]
    assert _kept(files) == []
    assert await store.list(JobFilter(), 1) == []


async def test_tests_are_not_wanted_where_a_command_is_given(client: httpx.AsyncClient) -> None:
    answer = await client.post("/submit-async", files={"file": zipped({"a": ""})}, data={"command": "true"})
    assert answer.status_code == 200


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 413)])
async def test_a_zip_may_be_as_large_as_the_server_takes(
    client_of: Clients, files: JobFiles, more: int, status: int
) -> None:
    # The least that can be set; what is too much stands in a comment, behind all that is in the zip.
    content = _padded(zipped(), 1_000_000 + more)
    async with client_of(ci_max_upload_mb=1) as client:
        answer = await client.post("/submit-async", files={"file": content})
        assert answer.status_code == status, answer.text
    assert bool(_kept(files)) is (status == 200)


def _padded(content: bytes, size: int) -> bytes:
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr("padding", b"")
    around = len(buffer.getvalue())
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr("padding", secrets.token_bytes(size - around))
    assert len(buffer.getvalue()) == size
    return buffer.getvalue()


async def test_a_zip_that_unpacks_to_more_than_is_set_is_too_large(client_of: Clients) -> None:
    project = {"tests/a.py": "", "requirements.txt": "", "large": "a" * 1_000_001}
    async with client_of(ci_max_unpacked_mb=1) as client:
        answer = await client.post("/submit-async", files={"file": zipped(project)})
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:fleet:problem:upload-too-large")


async def test_an_upload_that_breaks_off_leaves_nothing_behind(
    client: httpx.AsyncClient, files: JobFiles
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nPK'

    answer = await client.post(
        "/submit-async", content=broken(), headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 422
    assert _kept(files) == []


@pytest.mark.parametrize(("code", "status"), [("0", 200), ("3", 422)])
async def test_a_scan_may_refuse_a_zip(client_of: Clients, files: JobFiles, code: str, status: int) -> None:
    script = f"import sys; print('found a virus'); sys.exit({code})"
    async with client_of(ci_upload_scan_command=shlex.join([sys.executable, "-c", script])) as client:
        answer = await client.post("/submit-async", files=ZIP)
        assert answer.status_code == status
    assert bool(_kept(files)) is (status == 200)
    assert ("found a virus" in answer.text) is (status == 422)


async def test_a_scan_that_cannot_be_run_is_not_the_uploaders_fault(
    client_of: Clients, files: JobFiles
) -> None:
    async with client_of(ci_upload_scan_command="/nowhere/scanner") as client:
        answer = await client.post("/submit-async", files=ZIP)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert _kept(files) == []


@pytest.mark.parametrize("path", SUBMISSIONS)
async def test_nothing_of_a_body_is_read_before_its_key_is_known(
    stranger: httpx.AsyncClient, files: JobFiles, path: str
) -> None:
    read = list[int]()

    async def body() -> AsyncIterator[bytes]:
        read.append(1)
        yield b"PK"

    answer = await stranger.post(path, content=body(), headers={"X-API-Key": "fleet_wrong_wrong"})
    assert answer.status_code == 401
    assert read == []


async def test_submissions_and_retries_have_a_limit_of_their_own(client_of: Clients, store: JobStore) -> None:
    limits = {"rate_limit_submit": RateLimit(2, 86400), "rate_limit_read": RateLimit(5, 86400)}
    async with client_of(**limits) as client:
        first = (await client.post("/submit-async", files=ZIP)).json()["job_id"]
        assert (await client.delete(f"/jobs/{first}")).status_code == 200
        assert (await client.post(f"/jobs/{first}/retry")).status_code == 200
        refused = await client.post("/submit-async", files=ZIP)
        assert (refused.status_code, "retry-after" in refused.headers) == (429, True)
        statuses = [(await client.get("/jobs")).status_code for _ in range(5)]
        assert statuses == [200] * 4 + [429]


def test_the_documented_form_has_the_fields_that_are_read() -> None:
    assert tuple(FORM["schema"]["properties"]) == FIELDS
