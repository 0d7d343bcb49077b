from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from io import TextIOWrapper
from itertools import count
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Self

from dependency_graph.application.ingest import Edge, Node
from dependency_graph.infrastructure.database import Database, dumps
from dependency_graph.infrastructure.parts import ROWS_IN_A_PART
from dependency_graph.infrastructure.postgres_graph import PostgresGraph, graph_transaction
from dependency_graph.infrastructure.spooled import PostgresSpooled

KEPT_IN_MEMORY = 1024 * 1024


class FileSpool:
    """What a stream tells, as the rows of two files in the text format of COPY.

    Nameless files in the folder for temporary ones (TMPDIR), so that nothing is left of them whatever dies;
    a little is kept in memory. A context manager. Raises OSError where the disk is full.
    """

    def __init__(self, database: Database, rows_in_a_part: int = ROWS_IN_A_PART) -> None:
        self._database = database
        self._rows_in_a_part = rows_in_a_part
        self._nodes = _Rows()
        self._edges = _Rows()

    def add_nodes(self, nodes: Sequence[Node]) -> None:
        self._nodes.add([node.service_id, _json(node.metadata)] for node in nodes)

    def add_edges(self, edges: Sequence[Edge]) -> None:
        self._edges.add(map(_edge_row, edges))

    @asynccontextmanager
    async def delivery(self) -> AsyncGenerator[tuple[PostgresGraph, PostgresSpooled]]:
        """The graph in a transaction of its own, and what was told, which is there before any lock is taken."""
        async with graph_transaction(self._database) as graph:
            told = PostgresSpooled(graph.connection, self._rows_in_a_part)
            await told.load(self._nodes.file(), self._edges.file())
            yield graph, told

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._nodes.close()
        self._edges.close()


class _Rows:
    def __init__(self) -> None:
        self._bytes = SpooledTemporaryFile(KEPT_IN_MEMORY)  # noqa: SIM115  # closed by `close`
        self._text = TextIOWrapper(self._bytes, "utf-8", newline="")
        self._numbers = count()

    def add(self, rows: Iterable[Sequence[str | int | None]]) -> None:
        for row in rows:
            fields = map(_field, (next(self._numbers), *row))
            self._text.write("\t".join(fields) + "\n")

    def file(self) -> SpooledTemporaryFile[bytes]:
        self._text.flush()
        self._bytes.seek(0)
        return self._bytes

    def close(self) -> None:
        self._text.close()


def _field(value: str | int | None) -> str:
    if value is None:
        return "\\N"
    escaped = str(value).replace("\\", "\\\\")
    return escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def _edge_row(edge: Edge) -> list[str | int | None]:
    told = edge.attributes
    how = [told.communication_mode, told.criticality, told.protocol, told.timeout_ms]
    return [*edge.pair, *how, _json(told.retry_config)]


def _json(value: object) -> str | None:
    return None if value is None else dumps(value)
