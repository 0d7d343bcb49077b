from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from dependency_graph.application.inventory_queries import InventoryReader
from dependency_graph.application.ports import Graph, Topology
from dependency_graph.application.queries import GraphReader


@dataclass(frozen=True, slots=True)
class GraphService:
    """What tools work with. `transaction` is entered once for each call that writes, and commits at its end."""

    reader: GraphReader
    topology: Topology
    inventory: InventoryReader
    transaction: Callable[[], AbstractAsyncContextManager[Graph]]
