"""Graphs whose ids and teams hold whatever breaks formats."""

from typing import Any

from hypothesis import strategies as st

from dependency_graph.domain.errors import InvalidServiceId
from dependency_graph.domain.service import check_service_id

HOSTILE_IDS = (
    "checkout",
    "Checkout",
    "CHECKOUT",
    'say "hi"',
    "back\\slash\\",
    'both\\"',
    "<b>&amp;&lt;</b>",
    "a->b;c#d%e%%f",
    "#35;#quot;",
    "`code`[box](round){rhombus}",
    "style:x#1;",
    "click end subgraph",
    "component:default/checkout",
    "---",
    "1. __init__ *x*",
    "- yes: no # null",
    "]]>",
    "\u652f\u4ed8",
    "\U0001f6d2",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "$$x$$",
    "x" * 255,
)
HOSTILE_TEAMS = (
    "pay\tments",
    "a\r\nb\n",
    "\x01\x1b\x7f\x85\u2028\ufeff\ufffe",
    "Team A",
    "\u652f\u4ed8",
    "0",
    "null",
)

_ALPHABET = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


def _can_be_an_id(text: str) -> bool:
    try:
        return bool(check_service_id(text))
    except InvalidServiceId:
        return False


ids = st.sampled_from(HOSTILE_IDS) | st.text(_ALPHABET, min_size=1, max_size=70).filter(_can_be_an_id)
teams = st.none() | st.sampled_from(HOSTILE_TEAMS) | st.text(_ALPHABET, min_size=1, max_size=20)
_types = st.sampled_from(["internal", "external", "database", "queue"])
_json = st.dictionaries(
    st.text(_ALPHABET, max_size=5), st.text(_ALPHABET, max_size=5) | st.integers(), max_size=2
)

_metadata = _json | st.fixed_dictionaries({"description": teams})


def _node(service_id: str, team: str | None, service_type: str, metadata: dict[str, Any]) -> dict[str, Any]:
    told = {"service_id": service_id, "id": "b7a0", "team": team, "criticality": "high"}
    return told | {"service_type": service_type, "metadata": metadata, "discovered": False}


def _edge(source: str, target: str, criticality: str, retry_config: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "source": source,
        "target": target,
        "communication_mode": "sync",
        "criticality": criticality,
        "protocol": None,
        "timeout_ms": 5,
        "retry_config": retry_config,
        "confidence_score": 0.95,
        "discovery_source": "manual",
        "discovery_sources": ["manual"],
        "request_rate": None,
        "error_rate": 0.5,
        "p95_ms": None,
        "last_observed_at": "2026-02-14T12:00:00+00:00",
        "is_stale": False,
    }


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Nodes and edges as an export reads them, in order."""
    names = sorted(draw(st.sets(ids, min_size=1, max_size=8)))
    nodes = [_node(name, draw(teams), draw(_types), draw(_metadata)) for name in names]
    ends = st.tuples(st.sampled_from(names), st.sampled_from(names)).filter(lambda pair: pair[0] != pair[1])
    pairs = sorted(draw(st.sets(ends, max_size=10))) if len(names) > 1 else []
    hardness = st.sampled_from(["hard", "soft"])
    return nodes, [_edge(*pair, draw(hardness), draw(st.none() | _json)) for pair in pairs]
