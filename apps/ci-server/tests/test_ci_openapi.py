"""The server held to its own OpenAPI document, by requests made from that document."""

import asyncio
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from ci_api_factories import ended, write_artifact, write_log, zipped
from ci_running_server import RunningServer
from hypothesis import HealthCheck, Phase
from schemathesis import APIOperation, Case, CheckFunction, GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from ci_server.api.schemas import EXAMPLE_ID
from ci_server.storage.database import Database
from ci_server.storage.job_files import JobFiles
from ci_server.storage.job_store import JobStore

OPERATIONS = 12
EXAMPLES = 10
STREAMS = {"/submit", "/submit-stream"}
Operation = APIOperation[Any, Any, Any, Any]
NOT_CHECKED: list[CheckFunction] = [
    # Wrong keys from one address are soon answered 429 instead of 401.
    ignored_auth,
    # What is a good zip, a cursor, or a text without control characters, JSON Schema cannot say.
    positive_data_acceptance,
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("openapi"), CI_CONTROLLER="false") as server:
        yield server


@pytest.fixture(scope="module")
def key(server: RunningServer) -> dict[str, str]:
    return server.key("admin")


@pytest.fixture(scope="module", autouse=True)
def example(server: RunningServer) -> None:
    """The job that the examples are about, which has ended."""

    async def made() -> None:
        database = Database.of(None, Path(server.settings["CI_DB_PATH"]))
        files = JobFiles(Path(server.settings["CI_DATA_DIR"]))
        job = await ended(JobStore(database), job_id=EXAMPLE_ID)
        write_log(files, job, b"1 passed\n")
        write_artifact(files, job, "junit.xml", b"<testsuite/>")
        await database.close()

    asyncio.run(made())


@pytest.fixture(autouse=True)
def ended_example(example: None, server: RunningServer, key: dict[str, str]) -> None:
    """A test before may have retried it: a stream of what is queued has no end where nothing runs jobs."""
    httpx.delete(f"{server.url}/jobs/{EXAMPLE_ID}", headers=key, trust_env=False, timeout=60)


@pytest.fixture(scope="module")
def document(server: RunningServer) -> dict[str, Any]:
    return httpx.get(f"{server.url}/openapi.json", trust_env=False, timeout=60).json()


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[Operation]:
    load_all_checks()
    generation = GenerationConfig(with_security_parameters=False)
    projects = ProjectsConfig(default=ProjectConfig(generation=generation))
    schema: OpenApiSchema = schemathesis.openapi.from_dict(
        document, config=SchemathesisConfig(projects=projects)
    )
    return [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]


# First: what is asked at random runs the job of the examples again.
def test_the_examples_run_one_after_another_as_they_stand(
    document: dict[str, Any], server: RunningServer, key: dict[str, str], subtests: pytest.Subtests
) -> None:
    with server.client(key) as client:
        # Last, what changes the job of the examples: it is run again, and then cancelled.
        for name, operation in sorted(_documented(document), key=lambda entry: _turn(entry[0])):
            method, path = name.split()
            if path in STREAMS:
                continue
            with subtests.test(name):
                files = {"file": zipped()} if "requestBody" in operation else None
                answer = client.request(method, path.format_map(_examples(operation)), files=files)
                assert answer.is_success, answer.text
                assert str(answer.status_code) in operation["responses"]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_answers_to_good_and_bad_requests_are_as_documented(
    operations: list[Operation],
    server: RunningServer,
    key: dict[str, str],
    mode: GenerationMode,
    subtests: pytest.Subtests,
) -> None:
    assert len(operations) >= OPERATIONS
    for operation in sorted(operations, key=lambda operation: _turn(operation.label)):
        if mode is GenerationMode.NEGATIVE and not (operation.body or list(operation.iter_parameters())):
            continue
        with subtests.test(operation.label):
            _probe(operation, mode, server.url, key)


def _probe(operation: Operation, mode: GenerationMode, url: str, key: dict[str, str]) -> None:
    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def probe(case: Case[Operation]) -> None:
        case.call_and_validate(base_url=url, headers=key, excluded_checks=NOT_CHECKED, timeout=60)

    probe()


def _documented(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_route_documents_what_it_answers(document: dict[str, Any], subtests: pytest.Subtests) -> None:
    for name, operation in _documented(document):
        with subtests.test(name):
            assert operation["summary"]
            answers = operation["responses"]
            assert any(status.startswith("4") for status in answers)
            for status, answer in answers.items():
                assert status.startswith("2") or "application/problem+json" in answer["content"]
                assert all(content["schema"] for content in answer["content"].values())


def _turn(name: str) -> int:
    return name.startswith("POST") + 2 * name.startswith("DELETE")


def _examples(operation: dict[str, Any]) -> dict[str, str]:
    return {
        parameter["name"]: next(iter(parameter["examples"].values()))["value"]
        for parameter in operation.get("parameters", [])
        if "examples" in parameter
    }
