"""From a zip over HTTP to the last line of its tests, with real jobs, also where the server dies on the way."""

import json
from collections.abc import Generator, Iterator
from pathlib import Path

import httpx
import pytest
from ci_api_factories import zipped
from ci_running_server import RunningServer, until
from ci_wheelhouse import installs_from, wheelhouse

TEST = """\
import os
import pathlib
import time


def test_one() -> None:
    for number in range({lines}):
        print("line", number, os.environ.get("TOKEN"), flush=True)
        time.sleep(0.02)
    pathlib.Path("out.txt").write_text("left behind")
    assert {good}
"""
COMMAND = "python -m pytest -s -q"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return installs_from(wheelhouse(tmp_path_factory.mktemp("wheels")))


@pytest.fixture
def server(tmp_path: Path, wheels: dict[str, str]) -> Generator[RunningServer]:
    with RunningServer(tmp_path, **wheels) as server:
        yield server


def _project(lines: int, *, good: bool = True) -> dict[str, bytes]:
    test = TEST.format(lines=lines, good=good)
    return {"file": zipped({"requirements.txt": "", "tests/test_one.py": test})}


def _events(answer: httpx.Response) -> Iterator[tuple[str, dict[str, object]]]:
    data = ""
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name == "data":
            data = value
        elif name == "id":
            yield value, json.loads(data)


def _printed(text: str) -> list[str]:
    return [line[line.index("line ") :] for line in text.splitlines() if "line " in line and "***" in line]


def test_a_project_is_tested_and_what_it_printed_streamed(server: RunningServer) -> None:
    fields = {"command": COMMAND, "secrets": "TOKEN=hunter2hunter2", "artifacts": "out.*"}
    with server.client(server.key()) as client:
        with client.stream("POST", "/submit-stream", files=_project(20), data=fields) as stream:
            events = [told for _, told in _events(stream)]
        assert [events[0]["type"], events[-1]["type"]] == ["job_id", "complete"]
        assert (events[-1]["success"], events[-1]["status"]) == (True, "completed")
        text = "".join(str(told["data"]) for told in events if told["type"] == "log")
        assert _printed(text) == [f"line {number} ***" for number in range(20)]
        job_id = events[0]["job_id"]
        assert client.get(f"/jobs/{job_id}/logs").text == text
        job = client.get(f"/jobs/{job_id}").json()
        assert (job["results"]["passed"], job["exit_code"]) == (1, 0)
        artifacts = client.get(f"/jobs/{job_id}/artifacts").json()
        assert [artifact["path"] for artifact in artifacts] == ["junit.xml", "out.txt"]
        assert client.get(f"/jobs/{job_id}/artifacts/out.txt").text == "left behind"
    assert not (server.folder / f"ci_data/jobs/{job_id}/attempts/1/run").exists()


def test_tests_that_fail_are_a_job_that_completed(server: RunningServer) -> None:
    with (
        server.client(server.key()) as client,
        client.stream("POST", "/submit", files=_project(1, good=False)) as stream,
    ):
        *_, (_, end) = _events(stream)
    assert (end["success"], end["status"], end["exit_code"]) == (False, "completed", 1)


def test_a_stream_goes_on_byte_by_byte_after_the_server_was_killed(server: RunningServer) -> None:
    fields = {"command": COMMAND, "secrets": "TOKEN=hunter2hunter2"}
    parts, last, job_id = list[str](), "", ""
    with server.client(server.key()) as client:
        with client.stream("POST", "/submit-stream", files=_project(200), data=fields) as stream:
            for event_id, told in _events(stream):
                last, job_id = event_id, job_id or str(told["job_id"])
                parts += [str(told["data"])] if told["type"] == "log" else []
                if "line 10 " in "".join(parts):
                    break
        server.kill()
        server.start()
        headers = {"Last-Event-ID": last}
        with client.stream("GET", f"/jobs/{job_id}/stream", headers=headers) as stream:
            rest = [told for _, told in _events(stream)]
        assert rest[-1]["success"] is True
        parts += [str(told["data"]) for told in rest if told["type"] == "log"]
        assert _printed("".join(parts)) == [f"line {number} ***" for number in range(200)]
        assert client.get(f"/jobs/{job_id}/logs").text == "".join(parts)


def test_a_job_that_runs_is_cancelled_with_who_and_why(server: RunningServer) -> None:
    with server.client(server.key(name="ann")) as client:
        job = client.post("/submit-async", files=_project(100_000), data={"command": COMMAND}).json()
        url = f"/jobs/{job['job_id']}"
        until(lambda: "line 1" in client.get(f"{url}/logs").text)
        assert client.delete(url, params={"why": "enough"}).status_code == 202
        until(lambda: client.get(url).json()["status"] == "cancelled")
        reason = client.get(url).json()["reason"]
    assert "ann" in reason
    assert "enough" in reason
