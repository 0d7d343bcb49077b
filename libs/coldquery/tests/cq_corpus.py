"""The statements of corpus/, by kind."""

from pathlib import Path
from typing import Any

import pytest
import yaml

CORPUS = Path(__file__).parent / "corpus"


def entries(kind: str, layer: str | None = None) -> list[Any]:
    """Each statement of corpus/`kind`/ as a test parameter; with a layer only those it holds alone."""
    found: list[dict[str, Any]] = [
        entry for path in sorted((CORPUS / kind).glob("*.yaml")) for entry in load(path)
    ]
    return [
        pytest.param(entry, id=entry["name"])
        for entry in found
        if layer is None or layer in entry.get("holds", [layer])
    ]


def load(path: Path) -> list[Any]:
    loaded = yaml.safe_load(path.read_text("utf-8"))
    # A comma in a statement without quotes would make two members of it.
    strange = [entry for entry in loaded if isinstance(entry, dict) and None in entry.values()]
    assert not strange, strange
    return loaded
