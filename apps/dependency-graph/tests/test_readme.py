"""The README's requests give the README's answers; `...` in an answer stands for what differs or is left out."""

import json
import os
import re
import subprocess
from collections.abc import Generator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import httpx
import pytest
from running_service import INGEST, UNLIMITED, RunningService, make_key_with_limits

from dependency_graph.settings import Settings

HERE = Path(__file__).parent
SAMPLE = json.loads((HERE.parents[2] / "samples" / "otel-demo.json").read_text())
README = (HERE.parent / "README.md").read_text()
REQUESTS = re.findall(r"```sh\n(curl [^`]+)```\n\n```(?:json|mermaid)\n([^`]+)```", README)


def test_there_are_five_of_them() -> None:
    assert len(REQUESTS) == 5


def test_every_setting_is_in_the_table() -> None:
    assert [name for name in Settings.model_fields if f"`{name.upper()}`" not in README] == []


@pytest.fixture(scope="module")
def variables(
    migrated_database: str, create_database: Any, tmp_path_factory: pytest.TempPathFactory
) -> Generator[dict[str, str]]:
    """What the README has its reader set: where the service is, with the sample in it, and the key."""
    url = create_database(template=migrated_database)
    key = make_key_with_limits(url, query=UNLIMITED, ingestion=UNLIMITED)
    with RunningService(tmp_path_factory.mktemp("readme"), DATABASE_URL=url, API_WORKERS="1") as service:
        told = httpx.post(
            f"{service.url}{INGEST}", json=SAMPLE, headers={"X-API-Key": key}, trust_env=False, timeout=60
        )
        assert told.status_code == 202
        yield {"GRAPH": f"{service.url}/api/v1", "KEY": key}


@pytest.mark.parametrize(("command", "expected"), REQUESTS)
def test_a_request_gives_the_answer_that_is_shown(
    variables: dict[str, str], command: str, expected: str
) -> None:
    done = subprocess.run(
        ["bash", "-c", command], env=os.environ | variables, capture_output=True, text=True, check=True
    )
    if expected.startswith("{"):
        assert _agree(json.loads(expected), json.loads(done.stdout)), done.stdout
    else:
        assert done.stdout.startswith(expected.partition("  ...")[0]), done.stdout


def _agree(shown: Any, given: Any) -> bool:
    match shown, given:
        case "...", _:
            return True
        case dict(), dict():
            rest = shown.get("...") is None and shown.keys() != given.keys()
            return not rest and all(_agree(shown[name], given[name]) for name in shown if name != "...")
        case list(), list():
            open_ended = shown[-1:] == ["..."]
            pairs = list(zip_longest(shown[: -1 if open_ended else None], given))
            return all(_agree(one, other) or (open_ended and one is None) for one, other in pairs)
        case _:
            return shown == given
