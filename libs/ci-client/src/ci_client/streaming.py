from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ci_client.client import CiClient
from ci_client.event_stream import Event
from ci_client.project.archive import zipped
from ci_client.project.checkout import of_checkout
from ci_client.project.listing import list_project
from ci_client.submission import Submission


def submit_tests_streaming(
    path: str | Path = ".", *, server_url: str | None = None, api_key: str | None = None, **fields: Any
) -> Iterator[Event]:
    """Submits the tests of the project in the folder `path`, and yields the events of their job to its end.

    `{"type": "job_id", "job_id": "..."}` comes first, then `queued` with its `position`, `log` with `data`, and
    at last `complete` with `success`. It connects again by itself. `fields` are those of `Submission`; `branch`
    and `commit` are else what git has. Without `server_url` and `api_key` they are those of the settings.
    Raises CiError.
    """
    folder = Path(path)
    submission = of_checkout(Submission(**fields), folder)
    with CiClient(server_url, api_key) as client, ExitStack() as until_sent:
        project = until_sent.enter_context(zipped(list_project(folder).files))
        for event in client.submit_streaming(project, submission):
            until_sent.close()
            yield event
