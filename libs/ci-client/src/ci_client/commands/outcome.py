from collections.abc import Mapping
from typing import Any

from ci_client.models import Job, Results

PASSED, NOT_PASSED = 0, 1


def exit_code(success: bool | None) -> int:
    """0 where the tests passed; 1 where they did not, or did not run to their end."""
    return PASSED if success else NOT_PASSED


def told(job: Job) -> tuple[str, str]:
    """How a job ended, and the style to say it in."""
    tests = f": {counted(job.results)}" if job.results else ""
    if job.status == "cancelled":
        return f"Cancelled{_why(job)}", "yellow"
    if job.status == "failed":
        return f"Not run to its end{_why(job) or '.'}", "red"
    if job.success:
        return f"Passed{tests}.", "green"
    code = f" (exit code {job.exit_code})" if job.exit_code is not None else ""
    return f"Failed{tests}{code}.", "red"


def counted(results: Results) -> str:
    """As `2 failed, 10 passed in 3.4 s`."""
    counts = {
        "failed": results.failed,
        "errors": results.errors,
        "passed": results.passed,
        "skipped": results.skipped,
    }
    some = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "no tests"
    return some if results.duration is None else f"{some} in {results.duration:.1f} s"


def job_of(job_id: str, event: Mapping[str, Any]) -> Job:
    """What the last event tells of its job, where the server cannot be asked."""
    success = bool(event.get("success"))
    reason, code = event.get("reason"), event.get("exit_code")
    return Job(
        job_id=job_id,
        status=str(event.get("status") or "completed"),
        success=success,
        reason=reason if isinstance(reason, str) else None,
        exit_code=code if isinstance(code, int) else None,
    )


def _why(job: Job) -> str:
    return f": {job.reason}" if job.reason else ""
