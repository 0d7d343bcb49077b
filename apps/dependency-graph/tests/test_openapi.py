"""The service held to its own OpenAPI document, by requests made from that document."""

import asyncio
from collections.abc import Generator, Iterator
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
import yaml
from factories import NOON, body, make_key
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from running_service import INGEST, RunningService
from schemathesis import (
    APIOperation,
    Case,
    CheckFunction,
    DeserializationContext,
    GenerationMode,
    Response,
)
from schemathesis.checks import load_all_checks
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.core.media_types import YAML_MEDIA_TYPES
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema
from stored_inventory import OWN_GITHUB, store

from dependency_graph.infrastructure.database import Database

OPERATIONS = 21
NDJSON, PROTOBUF = "application/x-ndjson", "application/x-protobuf"
BODIES = {"application/json", NDJSON, PROTOBUF}
"""All kinds of bodies that are sent here; a new one needs a generator, or is sent by nobody."""
Operation = APIOperation[Any, Any, Any, Any]
NOT_CHECKED: list[CheckFunction] = [
    # Wrong keys from one address are soon answered 429 instead of 401.
    ignored_auth,
    # What is printable, a cursor, or a team that differs from the metadata's, JSON Schema cannot say.
    positive_data_acceptance,
]

LINES = [
    '{"service_id":"a","metadata":{"team":"t"}}',
    '{"source":"a","target":"b"}',
    '{"source":"b","target":"a","attributes":{"criticality":"soft"}}',
    '{"source":"a"}',
    "[]",
    "{",
    "",
]
schemathesis.openapi.media_type(NDJSON, st.lists(st.sampled_from(LINES)).map("\n".join).map(str.encode))
schemathesis.openapi.media_type(PROTOBUF, st.binary(max_size=200))


@schemathesis.deserializer(*YAML_MEDIA_TYPES)
def _documents(_context: DeserializationContext, response: Response) -> str:
    """The text, once all documents in it have been read; schemathesis knows of one only."""
    assert list(yaml.safe_load_all(response.text))
    return response.text


@pytest.fixture(scope="module")
def service(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningService]:
    often = {"RATE_LIMIT_QUERY": "1000000/min", "RATE_LIMIT_INGESTION": "1000000/min"}
    folder = tmp_path_factory.mktemp("openapi")
    with RunningService(folder, DATABASE_URL=module_database_url, API_WORKERS="1", **often) as service:
        yield service


@pytest.fixture(scope="module")
def key(module_database_url: str) -> dict[str, str]:
    """The header that carries a key to do everything with."""
    return {"X-API-Key": asyncio.run(make_key(module_database_url, "admin"))}


@pytest.fixture(scope="module", autouse=True)
def server(module_database_url: str) -> None:
    """An MCP server for the examples to ask for."""

    async def stored() -> None:
        database = Database(module_database_url, 1, 0)
        await store(database, [OWN_GITHUB])
        await database.close()

    asyncio.run(stored())


@pytest.fixture(scope="module")
def document(service: RunningService) -> dict[str, Any]:
    return httpx.get(f"{service.url}/openapi.json", trust_env=False, timeout=60).json()


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[Operation]:
    load_all_checks()
    generation = GenerationConfig(with_security_parameters=False)
    projects = ProjectsConfig(default=ProjectConfig(generation=generation))
    schema: OpenApiSchema = schemathesis.openapi.from_dict(
        document, config=SchemathesisConfig(projects=projects)
    )
    return [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_answers_to_good_and_bad_requests_are_as_documented(
    operations: list[Operation],
    service: RunningService,
    key: dict[str, str],
    mode: GenerationMode,
    subtests: pytest.Subtests,
) -> None:
    assert len(operations) >= OPERATIONS
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not (operation.body or list(operation.iter_parameters())):
            continue
        with subtests.test(operation.label):
            _probe(operation, mode, service.url, key)


def _probe(operation: Operation, mode: GenerationMode, url: str, key: dict[str, str]) -> None:
    @hypothesis.settings(
        max_examples=20,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def probe(case: Case[Operation]) -> None:
        case.call_and_validate(base_url=url, headers=key, excluded_checks=NOT_CHECKED)

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
                good = status.startswith("2")
                expected = "application/json" if good else "application/problem+json"
                if status != "304":
                    assert answer["content"][expected]["schema"], status


def test_every_kind_of_body_is_one_that_is_sent_here(document: dict[str, Any]) -> None:
    kinds = {kind for _, op in _documented(document) for kind in op.get("requestBody", {}).get("content", ())}
    assert kinds == BODIES


def test_the_examples_run_one_after_another_as_they_stand(
    document: dict[str, Any], service: RunningService, key: dict[str, str], subtests: pytest.Subtests
) -> None:
    with httpx.Client(base_url=service.url, headers=key, trust_env=False, timeout=60) as client:
        [cycle] = client.post(INGEST, json=body("xy", "yx")).json()["circular_dependencies_detected"]
        for name, operation in _documented(document):
            method, path = name.split()
            examples = _examples(operation, "path") | {"alert_id": cycle["alert_id"]}
            url, query = path.format_map(examples), _examples(operation, "query")
            with subtests.test(name):
                example = _body_example(operation, document)
                answer = client.request(method, url, params=query, json=example)
                assert answer.is_success, answer.text
                assert str(answer.status_code) in operation["responses"]


def test_the_example_of_a_stream_runs_as_it_stands(
    document: dict[str, Any], service: RunningService, key: dict[str, str]
) -> None:
    lines = document["paths"][INGEST]["post"]["requestBody"]["content"][NDJSON]["example"]
    query = {"source": "manual", "timestamp": NOON.isoformat()}
    headers = key | {"Content-Type": NDJSON}
    answer = httpx.post(
        f"{service.url}{INGEST}", params=query, headers=headers, content=lines, trust_env=False, timeout=60
    )
    assert answer.status_code == 202, answer.text
    assert answer.json()["edges_received"] == 1


def _examples(operation: dict[str, Any], place: str) -> dict[str, str]:
    return {
        parameter["name"]: next(iter(parameter["examples"].values()))["value"]
        for parameter in operation.get("parameters", [])
        if parameter["in"] == place and "examples" in parameter
    }


def _body_example(operation: dict[str, Any], document: dict[str, Any]) -> object:
    """The first example of the body, None where no body is wanted; one without an example is a fault."""
    if "requestBody" not in operation:
        return None
    json_body = operation["requestBody"]["content"]["application/json"]
    if "example" in json_body:
        return json_body["example"]
    schema = json_body["schema"]
    return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["examples"][0]
