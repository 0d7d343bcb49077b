"""What routes are given: the whole of dependency injection.

The functions are coroutines, as FastAPI runs others in a thread.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Protocol

from fastapi import Depends, Request

from api_access import Principal
from dependency_graph.application.ingest_once import Answers
from dependency_graph.application.ports import Graph
from dependency_graph.application.queries import GraphReader

API = "/api/v1"


class WritableGraph(Graph, Protocol):
    """The graph inside one transaction, with the answers stored in it."""

    @property
    def answers(self) -> Answers: ...


@dataclass(frozen=True, slots=True)
class Resources:
    """What the service works with, from its start to its stop.

    `transaction` is entered once for each request that writes, and commits at its end. `missing` says what
    keeps the service from working.
    """

    reader: GraphReader
    transaction: Callable[[], AbstractAsyncContextManager[WritableGraph]]
    missing: Callable[[], Awaitable[list[str]]]


async def resources(request: Request) -> Resources:
    return request.state.resources


async def reader(request: Request) -> GraphReader:
    return request.state.resources.reader


async def principal(request: Request) -> Principal:
    return request.state.principal


async def now() -> datetime:
    return datetime.now(UTC)


Reader = Annotated[GraphReader, Depends(reader)]
Caller = Annotated[Principal, Depends(principal)]
Now = Annotated[datetime, Depends(now)]
Service = Annotated[Resources, Depends(resources)]
