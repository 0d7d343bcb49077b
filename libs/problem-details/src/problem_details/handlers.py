from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from problem_details.kind import ProblemKind
from problem_details.problem import Fault, Problem


def install_problem_handlers(app: FastAPI, table: Mapping[type[Exception], ProblemKind]) -> None:
    """Answer every error of `app` with a problem: those of `table`, and those of the framework."""
    for error_type, kind in table.items():
        app.add_exception_handler(
            error_type, lambda request, error, kind=kind: _send(request, kind.problem(error))
        )
    app.add_exception_handler(Problem, _own)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(Exception, _unexpected)


def _send(request: Request, problem: Problem) -> Response:
    return problem.response(request.scope)


def _own(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  # registered for this type only
    return _send(request, error)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for this type only
    status = HTTPStatus(error.status_code)
    slug = status.phrase.lower().replace(" ", "-")
    return _send(
        request,
        Problem(status, status.phrase, error.detail or status.phrase, slug=slug, headers=error.headers),
    )


def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for this type only
    faults = [_fault(entry) for entry in error.errors()]
    count = "One value is" if len(faults) == 1 else f"{len(faults)} values are"
    detail = f"{count} not acceptable: {faults[0].path}: {faults[0].reason}"
    return _send(request, Problem(422, "Request not valid", detail, slug="request-not-valid", errors=faults))


def _fault(entry: Mapping[str, Any]) -> Fault:
    location: Sequence[object] = entry["loc"]
    if entry["type"] == "json_invalid":
        return Fault("/body", f"not valid JSON: {entry['ctx']['error']}")
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)
    return Fault(pointer, str(entry["msg"]).removeprefix("Value error, "))


def _unexpected(request: Request, _error: Exception) -> Response:
    detail = "The fault is on our side and is in the log under this correlation id."
    return _send(request, Problem(500, "Internal error", detail, slug="internal-error"))
