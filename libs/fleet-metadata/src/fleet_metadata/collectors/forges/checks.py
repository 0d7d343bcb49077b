"""What the checks of a commit come to: check runs, as of GitHub Actions, and statuses, as of other services."""

from collections.abc import Iterable
from typing import Literal
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter

from fleet_metadata.collectors.forges.pull_request_search import Found
from fleet_metadata.collectors.forges.rest_api import RestApi

Outcome = Literal["success", "failure", "pending"]
OUTCOMES: tuple[Outcome, ...] = ("success", "failure", "pending")

_FAILURES = {"failure", "timed_out", "cancelled", "action_required", "startup_failure"}
_SUCCESSES = {"success", "neutral", "skipped"}


class CheckRun(BaseModel):
    status: str
    conclusion: str | None = None

    @property
    def outcome(self) -> Outcome:
        """What it came to. One that GitHub gave up on (stale) came to nothing."""
        if self.status != "completed":
            return "pending"
        if self.conclusion in _FAILURES:
            return "failure"
        return "success" if self.conclusion in _SUCCESSES else "pending"


class CombinedStatus(BaseModel):
    """What all statuses of a commit come to. A commit without any is pending, says GitHub."""

    state: str
    total_count: int

    @property
    def outcome(self) -> Outcome | None:
        match self.state:
            case "failure" | "error":
                return "failure"
            case "success":
                return "success"
            case _:
                return "pending" if self.total_count else None


class _CheckRuns(BaseModel):
    check_runs: list[CheckRun]


_CHECK_RUNS = TypeAdapter(_CheckRuns)
_STATUS = TypeAdapter(CombinedStatus)


async def checks_status(api: RestApi, found: Found) -> Outcome | None:
    """What the checks of a pull request's last commit come to; None without any. Raises CollectionFailed."""
    commit = f"/repos/{found.repository}/commits/{quote(found.pull.head.sha, safe='')}"
    pages = await api.pages(f"{commit}/check-runs", {"filter": "latest", "per_page": 100})
    runs = [run for page in pages for run in (await page.read(_CHECK_RUNS)).check_runs]
    status = await (await api.get(f"{commit}/status", {"per_page": 100})).read(_STATUS)
    return outcome(runs, status)


def outcome(runs: Iterable[CheckRun], status: CombinedStatus) -> Outcome | None:
    """A failure of one is one of all, and all have to end before they are a success."""
    outcomes = {status.outcome, *(run.outcome for run in runs)}
    told: tuple[Outcome, ...] = ("failure", "pending", "success")
    return next((each for each in told if each in outcomes), None)
