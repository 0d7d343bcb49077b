from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Query
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from problem_details import Fault, Problem, ProblemKind
from problem_details.handlers import install_problem_handlers


class NoSuchBookError(Exception):
    """No book has this number."""


class Book(BaseModel):
    title: str
    pages: int


def _library() -> FastAPI:
    app = FastAPI()
    kind = ProblemKind(404, "no-such-book", "No such book", headers={"X-Shelf": "3"})
    install_problem_handlers(app, {NoSuchBookError: kind})

    @app.get("/missing")
    def missing() -> None:
        raise NoSuchBookError("book 7 is not here")

    @app.get("/full")
    def full() -> None:
        raise Problem(
            409, "Full", "Take one away.", slug="full", errors=[Fault("/body/title", "too \ud800 odd")]
        )

    @app.get("/broken")
    def broken() -> None:
        raise ZeroDivisionError("secret detail")

    @app.post("/books")
    def add(books: list[Book], shelf: Annotated[int, Query(ge=1)]) -> None: ...

    return app


def _with_request_id(app: ASGIApp) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"request_id": "abc"}
        await app(scope, receive, send)

    return wrapped


@pytest.fixture
async def client() -> httpx.AsyncClient:
    transport = httpx.ASGITransport(_with_request_id(_library()), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://library")


async def test_an_error_of_the_app_is_answered_as_its_table_says(client: httpx.AsyncClient) -> None:
    answer = await client.get("/missing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-shelf"] == "3"
    assert answer.json() == {
        "type": "urn:fleet:problem:no-such-book",
        "title": "No such book",
        "status": 404,
        "detail": "book 7 is not here",
        "instance": "/missing",
        "correlation_id": "abc",
    }


async def test_a_lone_surrogate_in_a_reason_is_spelled_out(client: httpx.AsyncClient) -> None:
    answer = await client.get("/full")
    assert answer.status_code == 409
    assert answer.json()["errors"] == [{"path": "/body/title", "reason": "too \ud800 odd"}]


async def test_an_unexpected_error_tells_nothing_of_itself(client: httpx.AsyncClient) -> None:
    answer = await client.get("/broken")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["correlation_id"] == "abc"


async def test_every_fault_of_a_payload_is_listed_with_its_place(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/books?shelf=0", json=[{"title": 3, "pages": 1}, {"title": "x", "pages": "y"}]
    )
    assert answer.status_code == 422
    places = [error["path"] for error in answer.json()["errors"]]
    assert places == ["/query/shelf", "/body/0/title", "/body/1/pages"]
    assert "/query/shelf" in answer.json()["detail"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/books", 405)])
async def test_errors_of_the_framework_are_problems_too(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
