from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from dependency_graph.api.body_limit import LARGEST_BODY
from dependency_graph.api.wiring import Spool
from dependency_graph.application.ingest import Edge, Node
from dependency_graph.domain.dependency import DiscoverySource
from dependency_graph.schemas.bodies import EdgeTold, NodeTold

LONGEST_LINE = LARGEST_BODY
MOST_FAULTS = 100

_WHITE = b" \t\r"
_EITHER = "A line is either a service, with 'service_id', or a dependency, with 'source' and 'target'"


class LineTooLong(ValueError):
    def __init__(self, number: int) -> None:
        super().__init__(f"line {number} is too long")
        self.number = number


class ToldLines:
    """Lines of NDJSON, checked as the same things in a JSON body are, and kept in a spool as long as all are good.

    `digest` is of all that was told, with what stood in the query. `faults` are as pydantic tells them, with
    `body` and `line 3` as the first parts of their place; after a hundred of them no more are looked for.
    """

    def __init__(self, source: DiscoverySource, timestamp: datetime, spool: Spool) -> None:
        self.nodes = self.edges = self.loops = 0
        self.faults: list[dict[str, Any]] = []
        self._spool = spool
        self._number = 0
        self._hash = sha256(f"{source} {timestamp.isoformat()}\n".encode())

    @property
    def digest(self) -> bytes:
        return self._hash.digest()

    def take(self, block: bytes) -> None:
        """Take in some whole lines. Blocks; raises LineTooLong, and OSError where the disk is full."""
        self._hash.update(block)
        told = [item for line in _lines(block) for item in self._read(line)]
        nodes = [item.as_node() for item in told if isinstance(item, NodeTold)]
        edges = [item.as_edge() for item in told if isinstance(item, EdgeTold)]
        self._keep(nodes, edges)

    def _keep(self, nodes: list[Node], edges: list[Edge]) -> None:
        real = [edge for edge in edges if edge.pair[0] != edge.pair[1]]
        self.nodes += len(nodes)
        self.edges += len(edges)
        self.loops += len(edges) - len(real)
        if not self.faults:
            self._spool.add_nodes(nodes)
            self._spool.add_edges(real)

    def _read(self, line: bytes) -> Iterable[NodeTold | EdgeTold]:
        self._number += 1
        if len(line) > LONGEST_LINE:
            raise LineTooLong(self._number)
        if not line.strip(_WHITE) or len(self.faults) >= MOST_FAULTS:
            return
        try:
            yield _told(from_json(line, allow_inf_nan=False))
        except ValidationError as error:
            self._fault(*error.errors(include_url=False))
        except ValueError as error:
            why = str(error).replace(" at line 1 column", " at column")
            self._fault({"type": "line_invalid", "loc": (), "msg": why, "input": None})

    def _fault(self, *found: Any) -> None:
        room = MOST_FAULTS - len(self.faults)
        self.faults += [
            fault | {"loc": ("body", f"line {self._number}", *fault["loc"])} for fault in found[:room]
        ]


def _lines(block: bytes) -> list[bytes]:
    return block.removesuffix(b"\n").split(b"\n") if block else []


def _told(value: object) -> NodeTold | EdgeTold:
    if not isinstance(value, dict):
        raise ValueError(_EITHER)  # noqa: TRY004  # of what was sent, not of our own
    is_node, is_edge = "service_id" in value, "source" in value or "target" in value
    if is_node == is_edge:
        raise ValueError(_EITHER)
    return NodeTold.model_validate(value) if is_node else EdgeTold.model_validate(value)
