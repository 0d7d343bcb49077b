"""Stands in for `kubectl`: checks what it is told against the cluster, and runs what a pod is told to run."""

# ruff: noqa: T201  # a command prints

import base64
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from cluster import Cluster, Manifest, fail

WITH_VALUE = {
    "-n", "--namespace", "-f", "--filename", "-o", "--output", "-l", "--selector", "-c", "--container",
    "--context", "--timeout", "--tail", "--replicas", "--for", "--image", "--type", "-p", "--patch", "--since",
    "--from-literal", "--from-file", "--from-env-file", "--docker-server", "--docker-username",
    "--docker-password", "--env", "--restart", "--as", "--to-revision", "--overrides", "--from",
}  # fmt: skip
LONG = {"-n": "--namespace", "-f": "--filename", "-o": "--output", "-l": "--selector"}


class Asked:
    """Words, options (each with all its values) and what comes after `--`."""

    def __init__(self, arguments: Sequence[str]) -> None:
        said, self.command = list(arguments), list[str]()
        if "--" in said:
            at = said.index("--")
            said, self.command = said[:at], said[at + 1 :]
        self.words: list[str] = []
        self.options: dict[str, list[str]] = {}
        waiting = iter(said)
        for word in waiting:
            if not word.startswith("-") or word == "-":
                self.words.append(word)
                continue
            name, is_set, value = word.partition("=")
            if not is_set and name in WITH_VALUE:
                value = next(waiting, "") or fail(f"{name} wants a value")
            self.options.setdefault(LONG.get(name, name), []).append(value)

    def one(self, name: str) -> str | None:
        return next(iter(self.options.get(name, [])), None)


def _found(cluster: Cluster, namespace: str, words: Sequence[str]) -> list[Manifest]:
    """The objects that `deploy/x`, `deployment x y` or `deployments` name; ends the command if one is not there."""
    if not words:
        fail("which kind?")
    if "/" in words[0]:
        pairs = [tuple(word.split("/", 1)) for word in words]
    else:
        pairs = [(kind, name) for kind in words[0].split(",") for name in words[1:] or [""]]
    found: list[Manifest] = []
    for kind, name in pairs:
        of_kind = cluster.of_kind(_in_templates(kind), namespace)
        named = [one for one in of_kind if name in ("", one["metadata"]["name"])]
        if not named and (name or not of_kind):
            there = ", ".join(one["metadata"]["name"] for one in of_kind) or "none"
            fail(f"no {kind} {name} in namespace {namespace}; there: {there}")
        found += named
    return found


def _in_templates(kind: str) -> str:
    """Pods are there as the templates of deployments."""
    return "deployment" if kind in ("pod", "pods", "po") else kind


def _selected(cluster: Cluster, namespace: str, selector: str) -> None:
    wanted = dict(pair.split("=", 1) for pair in selector.replace("==", "=").split(","))
    kinds = ("deployment", "job", "statefulset", "service", "secret", "configmap", "ingress", "networkpolicy")
    for kind in kinds:
        for manifest in cluster.of_kind(kind, namespace):
            pods = manifest.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {})
            for labels in (pods, manifest["metadata"].get("labels", {})):
                if wanted.items() <= labels.items():
                    return
    fail(f"nothing in namespace {namespace} has the labels {selector}")


def _get(asked: Asked, cluster: Cluster, namespace: str) -> None:
    if selector := asked.one("--selector"):
        _selected(cluster, namespace, selector)
        return
    found = _found(cluster, namespace, asked.words[1:])
    output = asked.one("--output") or ""
    if output.startswith("jsonpath="):
        print(_at(found[0], output.removeprefix("jsonpath=").strip("'{}")), end="")
    elif output in ("yaml", "json"):
        print(yaml.safe_dump_all(found))
    else:
        print(*(f"{one['kind'].lower()}/{one['metadata']['name']}" for one in found), sep="\n")


def _at(manifest: Manifest, path: str) -> Any:
    found: Any = manifest
    for name in path.replace(r"\.", "\0").strip(".").split("."):
        found = found[name.replace("\0", ".")]
    return found


def _apply(asked: Asked, cluster: Cluster, namespace: str) -> None:
    for file in asked.options.get("--filename", []) or fail("apply wants -f"):
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        manifests = list(filter(None, yaml.load_all(text, yaml.CSafeLoader)))
        cluster.put(manifests, namespace)
        print(*(f"{one['kind'].lower()}/{one['metadata']['name']} applied" for one in manifests), sep="\n")


def _create(asked: Asked, cluster: Cluster, namespace: str) -> None:
    kind, *words = asked.words[1:] or fail("create what?")
    made: Manifest = {"apiVersion": "v1", "metadata": {"name": words[-1]}}
    match kind:
        case "namespace" | "ns":
            made |= {"kind": "Namespace"}
        case "secret":
            made |= {"kind": "Secret", "data": {key: _encoded(value) for key, value in _pairs(asked)}}
        case "configmap":
            made |= {"kind": "ConfigMap", "data": {key: value.decode() for key, value in _pairs(asked)}}
        case _:
            fail(f"it does not create a {kind}")
    if "--dry-run" in asked.options:
        print(yaml.safe_dump(made))
    else:
        cluster.put([made], namespace)
        print(f"{kind}/{words[-1]} created")


def _pairs(asked: Asked) -> list[tuple[str, bytes]]:
    literals = [pair.split("=", 1) for pair in asked.options.get("--from-literal", [])]
    files = [
        pair.split("=", 1) if "=" in pair else (Path(pair).name, pair)
        for pair in asked.options.get("--from-file", [])
    ]
    return [(key, value.encode()) for key, value in literals] + [
        (key, sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()) for key, path in files
    ]


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _exec(asked: Asked, cluster: Cluster, namespace: str) -> None:
    [found] = _found(cluster, namespace, asked.words[1:])
    containers = [one["name"] for one in found["spec"]["template"]["spec"]["containers"]]
    if (name := asked.one("--container") or asked.one("-c")) and name not in containers:
        fail(f"no container {name}; there: {', '.join(containers)}")
    _run_here(asked.command)


def _run_here(command: Sequence[str]) -> None:
    if not command:
        fail("which command? It stands after `--`")
    sys.exit(subprocess.run(command, check=False).returncode)


def _run(asked: Asked, cluster: Cluster, namespace: str) -> None:
    if not asked.one("--image"):
        fail("run wants --image")
    if asked.command:
        _run_here(asked.command)


def _named(asked: Asked, cluster: Cluster, namespace: str) -> None:
    """A command that is about objects, which must be there."""
    words = asked.words[2:] if asked.words[0] == "rollout" else asked.words[1:]
    if selector := asked.one("--selector"):
        _selected(cluster, namespace, selector)
    elif file := asked.one("--filename"):
        Path(file).read_text()
    else:
        kind_first = words if "/" in words[0] else words[:2]
        about = words[:1] if asked.words[0] == "port-forward" else kind_first
        if asked.words[0] == "logs" and "/" not in about[0]:
            fail("logs of which deployment? deploy/NAME")
        found = _found(cluster, namespace, about)
        if asked.words[0] == "delete":
            for one in found:
                cluster.remove(one)


def _config(asked: Asked, cluster: Cluster, namespace: str) -> None:
    if asked.words[1:2] == ["set-context"]:
        cluster.namespace = namespace


def _nothing(asked: Asked, cluster: Cluster, namespace: str) -> None:
    print("ok")


COMMANDS: dict[str, Callable[[Asked, Cluster, str], None]] = {
    "apply": _apply,
    "cluster-info": _nothing,
    "config": _config,
    "create": _create,
    "exec": _exec,
    "get": _get,
    "run": _run,
    "version": _nothing,
} | dict.fromkeys(
    ("annotate", "delete", "describe", "label", "logs", "patch", "port-forward", "rollout", "scale", "wait"),
    _named,
)


def _main() -> None:
    asked, cluster = Asked(sys.argv[1:]), Cluster()
    if not asked.words or asked.words[0] not in COMMANDS:
        fail(f"it knows {', '.join(sorted(COMMANDS))}")
    COMMANDS[asked.words[0]](asked, cluster, asked.one("--namespace") or cluster.namespace)
    cluster.save()


if __name__ == "__main__":
    _main()
