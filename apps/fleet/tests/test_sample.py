import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from rich.console import Console

from fleet.sample import dependency_tree

TOPOLOGY = json.loads(files("fleet").joinpath("otel-demo.json").read_text())


def drawn(root: str, calls: Sequence[tuple[str, str]]) -> str:
    edges = [{"source": s, "target": t, "protocol": None, "criticality": "hard"} for s, t in calls]
    console = Console(width=80)
    with console.capture() as output:
        console.print(dependency_tree(root, edges))
    return output.get()


def test_the_packaged_sample_is_the_one_of_the_repository() -> None:
    assert json.loads((Path(__file__).parents[3] / "samples/otel-demo.json").read_text()) == TOPOLOGY


def test_the_sample_has_the_whole_shop_and_its_calls_to_itself() -> None:
    names = {node["service_id"] for node in TOPOLOGY["nodes"]}
    pairs = {(edge["source"], edge["target"]) for edge in TOPOLOGY["edges"]}
    assert (len(names), len(pairs), sum(s == t for s, t in pairs)) == (19, 36, 12)
    assert {name for pair in pairs for name in pair} <= names
    assert all({"team", "criticality"} <= node["metadata"].keys() for node in TOPOLOGY["nodes"])


def test_messages_are_asynchronous_and_everything_else_is_not() -> None:
    for edge in TOPOLOGY["edges"]:
        attributes = edge["attributes"]
        assert (attributes["protocol"] == "kafka") == (attributes["communication_mode"] == "async")


def test_a_service_is_expanded_once_where_it_is_nearest_to_the_root() -> None:
    assert drawn("a", [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d")]) == (
        "a\n├── b (hard)\n│   └── c (hard)\n└── c (hard)\n    └── d (hard)\n"
    )


def test_a_circle_ends_at_the_service_that_closes_it() -> None:
    assert drawn("a", [("a", "b"), ("b", "a")]) == "a\n└── b (hard)\n    └── a (hard)\n"


def test_a_name_is_shown_as_it_is() -> None:
    assert drawn("[red]", [("[red]", ":smile:[/]")]) == "[red]\n└── :smile:[/] (hard)\n"
