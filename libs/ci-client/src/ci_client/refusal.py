"""What an answer means that is not the one that was asked for."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from json import loads
from typing import Any

from ci_client.errors import (
    CiError,
    NotAllowed,
    NotFound,
    Refused,
    ServerUnavailable,
    StrangeAnswer,
    TooManyRequests,
)

_KEY = "CI_API_KEY, or api_key in ci.toml"
_LONGEST_DETAIL = 2000


def refusal(server: str, status: int, headers: Mapping[str, str], body: bytes) -> CiError:
    """The error for an answer with this status; `server` is its address, without credentials."""
    problem = _problem(body)
    why = _why(problem)
    if status == HTTPStatus.UNAUTHORIZED:
        return NotAllowed(
            f"The CI server at {server} does not let us in: {why or 'no reason'} Set {_KEY}.", status
        )
    if status == HTTPStatus.FORBIDDEN:
        return NotAllowed(f"The CI server at {server} does not allow that: {why or 'no reason'}", status)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        seconds = retry_after(headers) or 1.0
        return TooManyRequests(
            f"The CI server at {server} wants to be left for {seconds:.0f} s: {why or 'too many requests'}",
            seconds,
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unavailable(server, status, headers, why)
    if not problem:
        return StrangeAnswer(
            f"What {server} answered ({_phrase(status, headers)}) is none of a CI server's; "
            "check CI_SERVER_URL."
        )
    return (NotFound if status == HTTPStatus.NOT_FOUND else Refused)(why, status)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The header of that name, in seconds from now; None without one."""
    told = headers.get("retry-after", "").strip()
    if told.isascii() and told.isdigit():
        return float(told)
    try:
        at = parsedate_to_datetime(told)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _unavailable(server: str, status: int, headers: Mapping[str, str], why: str) -> ServerUnavailable:
    return ServerUnavailable(
        f"The CI server at {server} answered {status}{f' ({why})' if why else ''}; "
        "try again later, and if that does not help look at its log.",
        uncertain=status != HTTPStatus.SERVICE_UNAVAILABLE,
        retry_after=retry_after(headers),
    )


def _problem(body: bytes) -> dict[str, Any]:
    try:
        told = loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) and "status" in told else {}


def _why(problem: Mapping[str, Any]) -> str:
    """The problem's detail, and where it is in what was sent."""
    detail = str(problem.get("detail") or problem.get("title") or "")
    errors = problem.get("errors")
    faults = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    told = [f"{fault.get('path')}: {fault.get('reason')}" for fault in faults]
    lines = [detail, *(line for line in told if line not in detail)]
    return "\n  ".join(lines)[:_LONGEST_DETAIL]


def _phrase(status: int, headers: Mapping[str, str]) -> str:
    place = headers.get("location")
    is_redirect = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    return f"{status}, a redirect to {place}" if is_redirect and place else str(status)
