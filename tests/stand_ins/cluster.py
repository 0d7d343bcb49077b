"""The cluster of the stand-ins for `helm` and `kubectl`: what a page has put there, as a file of manifests."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

Manifest = dict[str, Any]
DEFAULT_NAMESPACE = "default"
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "Namespace", "PersistentVolume", "StorageClass"}
KUBERNETES_OWN = ("k8s.io", "apps", "autoscaling", "batch", "policy")


def fail(message: str) -> NoReturn:
    sys.exit(f"{Path(sys.argv[0]).stem} (stand-in): {message}")


class Cluster:
    """What is in the cluster; `save` keeps it for the next command."""

    def __init__(self) -> None:
        self._file = Path(os.environ["STAND_IN_CLUSTER"])
        kept = json.loads(self._file.read_text()) if self._file.exists() else {}
        self.namespace: str = kept.get("namespace", DEFAULT_NAMESPACE)
        self.releases: dict[str, str] = kept.get("releases", {})
        self._objects: list[Manifest] = kept.get("objects", [])

    def save(self) -> None:
        kept = {"namespace": self.namespace, "releases": self.releases, "objects": self._objects}
        self._file.write_text(json.dumps(kept))

    def put(self, manifests: Iterable[Manifest], namespace: str) -> None:
        """Add these, each in its own namespace or else in this; what is of the same name is replaced."""
        for manifest in manifests:
            if manifest.get("kind") not in CLUSTER_WIDE:
                manifest.get("metadata", {}).setdefault("namespace", namespace)
            # What is there as it stands was found good before.
            if manifest not in self._objects:
                check(manifest)
                self._objects = [other for other in self._objects if _identity(other) != _identity(manifest)]
                self._objects.append(manifest)

    def remove(self, manifest: Manifest) -> None:
        self._objects.remove(manifest)

    def of_kind(self, kind: str, namespace: str) -> list[Manifest]:
        """Those of a kind, by its name in any form that kubectl takes, in the namespace."""
        return [
            manifest
            for manifest in self._objects
            if is_kind(kind, manifest["kind"])
            and manifest["metadata"].get("namespace", namespace) == namespace
        ]

    def missing_secrets(self, namespace: str) -> list[str]:
        """Secrets, and keys of them, that pods in the namespace ask for in vain."""
        there = {secret["metadata"]["name"]: secret for secret in self.of_kind("secret", namespace)}
        asked = {
            wanted
            for kind in ("deployment", "job", "cronjob", "statefulset")
            for manifest in self.of_kind(kind, namespace)
            for wanted in _secrets_of(manifest)
        }
        return sorted(
            f"{name}[{key}]" if key else name
            for name, key in asked
            if name not in there or (key and key not in _keys_of(there[name]))
        )


def is_kind(said: str, kind: str) -> bool:
    """Whether `said` is that kind: `deploy`, `deployments.apps`, `Deployment`."""
    said, kind = said.partition(".")[0].lower(), kind.lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}es" if kind.endswith("s") else f"{kind}s"
    return SHORT.get(said, said) in {kind, plural}


SHORT = {
    "cm": "configmap",
    "deploy": "deployment",
    "hpa": "horizontalpodautoscaler",
    "ing": "ingress",
    "netpol": "networkpolicy",
    "ns": "namespace",
    "pdb": "poddisruptionbudget",
    "pvc": "persistentvolumeclaim",
    "sa": "serviceaccount",
    "sts": "statefulset",
    "svc": "service",
}


def check(manifest: Manifest) -> None:
    """Ends the command where Kubernetes would not take the manifest; others' kinds are taken as they are."""
    # Half of the time that a command takes, and most of them put nothing there.
    from kubernetes_validate import SchemaNotFoundError, ValidationError, latest_version, validate

    name = f"{manifest.get('kind')} {manifest.get('metadata', {}).get('name')}"
    try:
        validate(manifest, latest_version(), strict=True)
    except ValidationError as error:
        fail(f"{name}: {error.message}")
    except SchemaNotFoundError as error:
        group = manifest["apiVersion"].rpartition("/")[0]
        if not group or group.endswith(KUBERNETES_OWN):
            fail(f"{name}: {error.message}")


def _identity(manifest: Manifest) -> tuple[str, str, str | None]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata["name"], metadata.get("namespace")


def _keys_of(secret: Manifest) -> set[str]:
    return {*secret.get("data", {}), *secret.get("stringData", {})}


def _secrets_of(node: Any) -> Iterator[tuple[str, str | None]]:
    """Name and key of every secret that must be there for the pods of a manifest to start."""
    if isinstance(node, list):
        for item in node:  # pyright: ignore[reportUnknownVariableType]
            yield from _secrets_of(item)
    elif isinstance(node, dict):
        yield from _secrets_named_in(node)  # pyright: ignore[reportUnknownArgumentType]
        for value in node.values():  # pyright: ignore[reportUnknownVariableType]
            yield from _secrets_of(value)


def _secrets_named_in(node: Manifest) -> Iterator[tuple[str, str | None]]:
    for name in ("secretKeyRef", "secretRef"):
        if (reference := node.get(name)) and not reference.get("optional"):
            yield reference["name"], reference.get("key")
    if isinstance(secret := node.get("secret"), dict) and not secret.get("optional"):
        yield secret["secretName"], None
