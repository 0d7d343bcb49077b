"""Stands in for `helm`: renders the chart with the given values, and checks what comes of it."""

# ruff: noqa: T201  # a command prints

import argparse
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import helm_python
import yaml
from cluster import Cluster, Manifest, fail

CHART = "helm/fleet"
Values = dict[str, Any]


def _arguments() -> argparse.Namespace:
    given = argparse.ArgumentParser(prog="helm", allow_abbrev=False)
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for names in (("-n", "--namespace"), ("--timeout",), ("--version",), ("--kube-context",)):
        common.add_argument(*names)
    for names in (("-f", "--values"), ("--set",), ("--set-string",), ("--set-file",), ("--set-json",)):
        common.add_argument(*names, action="append", default=[])
    for flag in (
        "--create-namespace",
        "--wait",
        "--install",
        "--atomic",
        "--rollback-on-failure",
        "--dry-run",
    ):
        common.add_argument(flag, action="store_true")
    for flag in ("--strict", "--reuse-values", "--reset-then-reuse-values", "--no-hooks", "--debug"):
        common.add_argument(flag, action="store_true")
    commands = given.add_subparsers(dest="command", required=True)
    for command in ("install", "upgrade", "template"):
        one = commands.add_parser(command, parents=[common], allow_abbrev=False)
        one.add_argument("release")
        one.add_argument("chart")
    lint = commands.add_parser("lint", parents=[common], allow_abbrev=False)
    lint.add_argument("chart")
    for command in ("status", "history", "rollback", "uninstall", "test"):
        one = commands.add_parser(command, parents=[common], allow_abbrev=False)
        one.add_argument("release")
        one.add_argument("revision", nargs="?")
    commands.add_parser("list", parents=[common], allow_abbrev=False)
    shown = commands.add_parser("show", parents=[common], allow_abbrev=False)
    shown.add_argument("what", choices=["values", "chart", "readme"])
    shown.add_argument("chart")
    return given.parse_args()


def _merged(values: Values, others: Values) -> Values:
    both = {
        name: _merged(values[name], other)
        for name, other in others.items()
        if isinstance(other, dict) and isinstance(values.get(name), dict)
    }
    return values | others | both


def _values(given: argparse.Namespace) -> Values:
    files = [yaml.load(Path(file).read_text(), yaml.CSafeLoader) or {} for file in given.values]
    parsers: dict[str, Callable[[str], Values]] = {
        "set_json": helm_python.parse_set_json,
        "set": helm_python.parse_set_string,
        "set_string": helm_python.parse_set_string_values,
        "set_file": helm_python.parse_set_file,
    }
    said = [parse(one) for name, parse in parsers.items() for one in getattr(given, name)]
    return reduce(_merged, [*files, *said], Values())


def _chart(said: str) -> str:
    """The chart in this folder, also where it is fetched from a registry."""
    is_published = said.startswith("oci://") and said.rpartition("/")[2] == Path(CHART).name
    return CHART if is_published else said


def _rendered(given: argparse.Namespace, namespace: str) -> Iterator[Manifest]:
    upgrades = given.command == "upgrade"
    with helm_python.Chart.load(_chart(given.chart)) as chart:
        files = chart.render(
            _values(given),
            name=given.release,
            namespace=namespace,
            is_install=not upgrades,
            is_upgrade=upgrades,
        )
    for path, text in sorted(files.items()):
        if path.endswith((".yaml", ".yml")):
            yield from filter(None, yaml.load_all(text, yaml.CSafeLoader))


def _lint(given: argparse.Namespace) -> None:
    report = helm_python.lint(_chart(given.chart), _values(given), strict=given.strict)
    if report["errors"]:
        fail(str(report["messages"]))


def _install(given: argparse.Namespace, cluster: Cluster, namespace: str) -> None:
    installs = given.command == "install" or given.install
    if installs and given.create_namespace:
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        cluster.put([made], namespace)
    if not installs and given.release not in cluster.releases:
        fail(f"there is no release {given.release} to upgrade")
    cluster.put(_rendered(given, namespace), namespace)
    if missing := cluster.missing_secrets(namespace):
        fail(f"pods would wait for secrets in namespace {namespace}: {', '.join(missing)}")
    cluster.releases[given.release] = namespace
    print(f"NAME: {given.release}\nNAMESPACE: {namespace}\nSTATUS: deployed")


def _main() -> None:
    given, cluster = _arguments(), Cluster()
    namespace = given.namespace or cluster.namespace
    match given.command:
        case "install" | "upgrade":
            _install(given, cluster, namespace)
            cluster.save()
        case "template":
            print(yaml.dump_all(_rendered(given, namespace), Dumper=yaml.CSafeDumper))
        case "lint":
            _lint(given)
        case "show":
            print(Path(_chart(given.chart), "values.yaml").read_text())
        case "list":
            print(*cluster.releases, sep="\n")
        case _:
            if cluster.releases.get(given.release) != namespace:
                fail(f"there is no release {given.release} in namespace {namespace}")


if __name__ == "__main__":
    _main()
