"""What is shown of any answer whatever."""

import json
from io import StringIO
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fleet_metadata.agents.workspace_metadata import metadata_of
from fleet_metadata.collection.cleaning import Cleaning
from fleet_metadata.commands.screen import _lines, _tables
from fleet_metadata.commands.told_elsewhere import cleaned

TEXTS = st.text() | st.sampled_from(["git", "git_branch", "\x1b[31m", "[red]", "a\nb", "\u202eabc", "\ud800"])
SOME = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
JSON = st.recursive(
    SOME, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
STATES = st.fixed_dictionaries(
    {"name": TEXTS}, optional={"status": SOME, "error": SOME, "age_seconds": SOME, "duration_ms": SOME}
)
ENTRIES = st.fixed_dictionaries({"value": JSON}, optional={"schema": JSON})
DOCUMENTS = st.fixed_dictionaries(
    {
        "data": st.dictionaries(TEXTS, ENTRIES, max_size=4),
        "meta": st.fixed_dictionaries(
            {"collectors": st.lists(STATES, min_size=1, max_size=3)},
            optional={"truncated": st.lists(TEXTS, max_size=2) | JSON, "version": JSON},
        ),
    }
)


@given(DOCUMENTS, st.integers(1, 200))
def test_any_answer_can_be_shown_and_moves_no_cursor(document: Any, width: int) -> None:
    metadata = cleaned(metadata_of(document), Cleaning())
    json.dumps(metadata.document)
    written = StringIO()
    console = Console(file=written, width=width, markup=False, emoji=False, highlight=False)
    console.print(_tables(metadata, width))
    lines = list(_lines(metadata))
    assert len("\n".join(lines).splitlines()) <= len(lines)
    for shown in (written.getvalue(), *lines):
        assert not set(shown) & set("\x1b\x9b\x07\u202e")


def test_keys_of_a_collector_stand_together() -> None:
    names = ("git_a", "git_b", "git_hub_a", "other_a", "other_b", "git_c")
    data = {name: {"value": name[-1]} for name in names}
    meta = {"collectors": [{"name": "git", "status": "ok"}, {"name": "git_hub", "status": "odd"}]}
    assert list(_lines(metadata_of({"data": data, "meta": meta}))) == [
        "git_a      a",
        "git_b      b",
        "",
        "git_hub_a  a",
        "",
        "other_a    a",
        "other_b    b",
        "",
        "git_c      c",
        "",
        "collector git: ok",
        "collector git_hub: odd",
    ]
