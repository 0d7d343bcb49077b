"""What Backstage takes for an entity, as @backstage/catalog-model 1.10 has it in its schemas and policies."""

import re
from collections.abc import Mapping
from typing import Any

Entity = Mapping[str, Any]

REQUIRED = {"Component": {"type", "lifecycle", "owner"}, "Resource": {"type", "owner"}}
_OBJECT_NAME = re.compile(r"(?=.{1,63}\Z)([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_DNS_LABEL = re.compile(r"(?=.{1,63}\Z)[a-z0-9]+(?:-+[a-z0-9]+)*")
_REFERENCE = re.compile(r"(?:(?P<kind>[^:/]+):)?(?:(?P<namespace>[^:/]+)/)?(?P<name>[^:/]+)")


def faults(entity: Entity) -> list[str]:
    """What the catalogue would refuse of `entity`."""
    metadata, spec, kind = entity["metadata"], entity["spec"], entity["kind"]
    references = [(spec["owner"], "group"), *((each, "") for each in spec.get("dependsOn", []))]
    checks = {
        "apiVersion": entity["apiVersion"] == "backstage.io/v1alpha1",
        "kind": kind in REQUIRED,
        "fields of others": entity.keys() <= {"apiVersion", "kind", "metadata", "spec"},
        "metadata.name": _matches(_OBJECT_NAME, metadata["name"]),
        "metadata.title": _is_text(metadata["title"]),
        "metadata.description": isinstance(metadata.get("description", ""), str),
        "metadata.annotations": all(_is_annotation(*each) for each in metadata["annotations"].items()),
        "spec": all(_is_text(spec.get(name)) for name in REQUIRED.get(kind, set())),
        "references": all(_is_reference(text, usual) for text, usual in references),
    }
    return [name for name, holds in checks.items() if not holds]


def reference(entity: Entity) -> str:
    """How others refer to it; without regard to case."""
    return f"{entity['kind']}:default/{entity['metadata']['name']}".lower()


def _matches(pattern: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None


def _is_text(text: object) -> bool:
    return isinstance(text, str) and bool(text)


def _is_annotation(key: str, value: object) -> bool:
    prefix, _, name = key.rpartition("/")
    labels = prefix.split(".") if prefix else []
    return (
        all(_matches(_DNS_LABEL, label) for label in labels)
        and _matches(_OBJECT_NAME, name)
        and isinstance(value, str)
    )


def _is_reference(text: str, usual_kind: str) -> bool:
    found = _REFERENCE.fullmatch(text)
    return found is not None and bool(found["kind"] or usual_kind) and _matches(_OBJECT_NAME, found["name"])
