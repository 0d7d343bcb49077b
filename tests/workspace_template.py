"""The Coder template of the documentation, and the pod that it makes, as a manifest."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

hcl2: Any = pytest.importorskip("hcl2", reason="python-hcl2 is not installed")

Manifest = dict[str, Any]
DOCS = Path(__file__).parents[1] / "docs"
MAIN = DOCS / "coder" / "main.tf"
ID = "2c9f0e2a-53e1-4c9b-9b6e-0d4f5d0b6d0a"
KNOWN = {
    "coder_agent.main.init_script": "exec sleep infinity",
    "coder_agent.main.token": "token",
    "data.coder_workspace.me.id": ID,
    "data.coder_workspace.me.name": "shop",
    "data.coder_workspace_owner.me.name": "me",
    "kubernetes_persistent_volume_claim_v1.home.metadata[0].name": f"coder-{ID}-home",
}
"""What Coder and Kubernetes tell of the workspace that `sidecar.yaml` is of."""
RESOURCES = {
    "Deployment": "kubernetes_deployment_v1",
    "PersistentVolumeClaim": "kubernetes_persistent_volume_claim_v1",
}
SEVERAL = {
    "container": "containers",
    "env": "env",
    "init_container": "initContainers",
    "volume": "volumes",
    "volume_mount": "volumeMounts",
}
"""Blocks of which Kubernetes has a list."""


def manifests_in(file: str) -> list[Manifest]:
    """The documents of a file of `docs/coder`."""
    return list(yaml.safe_load_all((DOCS / "coder" / file).read_text()))


@cache
def template() -> Mapping[str, Any]:
    """`main.tf` as its language has it; blocks are lists."""
    options = hcl2.SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)
    return hcl2.loads(MAIN.read_text(), serialization_options=options)


def resource(kind: str) -> Mapping[str, Any]:
    """The one resource of that kind."""
    [of_kind] = [found[kind] for found in template()["resource"] if kind in found]
    [(_, body)] = of_kind.items()
    return body


def manifest(kind: str, api_version: str) -> Manifest:
    """What the provider makes of the one resource of that kind."""
    body = resource(RESOURCES[kind])
    made = _of_kubernetes({key: body[key] for key in ("metadata", "spec")})
    return {"apiVersion": api_version, "kind": kind, **made}


def _of_kubernetes(block: Mapping[str, Any]) -> Manifest:
    return {SEVERAL.get(name, _camel(name)): _value(name, value) for name, value in block.items()}


def _value(name: str, value: object) -> Any:
    match value:
        case [{}, *_] if name in SEVERAL:
            return [_of_kubernetes(each) for each in value]
        case [{**only}]:
            return _of_kubernetes(only)
        case list():
            return [_resolved(each) for each in value]
        case dict():
            return {key: _resolved(each) for key, each in value.items()}
        case _:
            return _resolved(value)


def _resolved(value: Any) -> Any:
    """`value`, or what its references stand for."""
    if not isinstance(value, str) or "${" not in value:
        return value
    if whole := re.fullmatch(r"\$\{([^}]+)\}", value):
        found = _named(whole[1])
        return (
            {key: _resolved(each) for key, each in found.items()}
            if isinstance(found, dict)
            else _resolved(found)
        )
    return re.sub(r"\$\{([^}]+)\}", lambda reference: str(_resolved(_named(reference[1]))), value)


def _named(reference: str) -> Any:
    kind, _, name = reference.partition(".")
    if kind == "local":
        return template()["locals"][0][name]
    if kind == "var":
        return next(found[name]["default"] for found in template()["variable"] if name in found)
    return KNOWN[reference]


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda letter: letter[1].upper(), name)
