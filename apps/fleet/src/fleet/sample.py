import json
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from importlib.resources import files
from typing import Any

from rich.text import Text
from rich.tree import Tree

from fleet.service_client import ServiceClient

SHOWN = "checkoutservice"
INGEST = "/api/v1/services/dependencies"
DOWNSTREAM = f"/api/v1/services/{SHOWN}/dependencies?direction=downstream&depth=10"


def load_sample(graph: ServiceClient) -> Sequence[str]:
    """Tell the graph service of the demo shop; its warnings. Again on the same day changes nothing."""
    topology = json.loads(files("fleet").joinpath("otel-demo.json").read_text())
    # As of its own date the calls would soon be taken for ones that nobody makes any more.
    today = datetime.combine(datetime.now(UTC), time(), UTC)
    return graph.post(INGEST, {**topology, "timestamp": today.isoformat()})["warnings"]


def dependencies_of_checkout(graph: ServiceClient) -> Tree:
    """What the demo shop's checkout depends on, as the graph service knows it now."""
    return dependency_tree(SHOWN, graph.get(DOWNSTREAM)["edges"])


def dependency_tree(root: str, edges: Sequence[Mapping[str, Any]]) -> Tree:
    """`root` and what it depends on, each service with its own dependencies where it is nearest to `root`.

    `edges` are those of an answer about the downstream of `root`. Circles end at the service that closes them.
    """
    tree = Tree(Text(root))
    shown = {root}
    unexpanded = deque([(root, tree)])
    while unexpanded:
        source, branch = unexpanded.popleft()
        for edge in edges:
            if edge["source"] == source:
                leaf = branch.add(_label(edge))
                if edge["target"] not in shown:
                    shown.add(edge["target"])
                    unexpanded.append((edge["target"], leaf))
    return tree


def _label(edge: Mapping[str, Any]) -> Text:
    kind = ", ".join(word for word in (edge["protocol"], edge["criticality"]) if word)
    return Text.assemble(edge["target"], (f" ({kind})", "dim"))
