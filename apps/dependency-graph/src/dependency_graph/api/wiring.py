"""What routes are given: the whole of dependency injection.

The functions are coroutines, as FastAPI runs others in a thread.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Annotated, Protocol, Self

from fastapi import Depends, Request

from api_access import Principal
from dependency_graph.application.ingest import Edge, Node
from dependency_graph.application.ingest_once import Answers
from dependency_graph.application.ingest_stream import Spooled
from dependency_graph.application.inventory_queries import InventoryReader
from dependency_graph.application.pair_spans import ToldPairs
from dependency_graph.application.ports import Graph, OpenSpans, Topology
from dependency_graph.application.queries import GraphExports, GraphReader
from dependency_graph.application.sync import Sync

API = "/api/v1"


class WritableGraph(Graph, Protocol):
    """The graph inside one transaction, with the answers and the spans stored in it."""

    @property
    def answers(self) -> Answers: ...
    @property
    def open_spans(self) -> OpenSpans: ...


class Spool(Protocol):
    """Keeps what a stream tells outside of memory until all of it is there; a context manager.

    Adding blocks, and raises OSError where the disk is full.
    """

    def add_nodes(self, nodes: Sequence[Node]) -> None: ...

    def add_edges(self, edges: Sequence[Edge]) -> None:
        """None of them from a service to itself."""
        ...

    def delivery(self) -> AbstractAsyncContextManager[tuple[WritableGraph, Spooled]]:
        """The graph in a transaction of its own, and in it what was added."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Resources:
    """What the service works with, from its start to its stop.

    `transaction` is entered once for each request that writes, and commits at its end. `missing` says what
    keeps the service from working. `sync` runs the sources. `exports` are of the whole graph.
    `spool` makes room for one stream.
    """

    reader: GraphReader
    inventory: InventoryReader
    transaction: Callable[[], AbstractAsyncContextManager[WritableGraph]]
    missing: Callable[[], Awaitable[list[str]]]
    sync: Sync
    topology: Topology
    exports: GraphExports
    spool: Callable[[], Spool]
    told_pairs: ToldPairs = field(default_factory=ToldPairs)


async def resources(request: Request) -> Resources:
    return request.state.resources


async def reader(request: Request) -> GraphReader:
    return request.state.resources.reader


async def inventory(request: Request) -> InventoryReader:
    return request.state.resources.inventory


async def principal(request: Request) -> Principal:
    return request.state.principal


async def now() -> datetime:
    return datetime.now(UTC)


Reader = Annotated[GraphReader, Depends(reader)]
Inventory = Annotated[InventoryReader, Depends(inventory)]
Caller = Annotated[Principal, Depends(principal)]
Now = Annotated[datetime, Depends(now)]
Service = Annotated[Resources, Depends(resources)]
