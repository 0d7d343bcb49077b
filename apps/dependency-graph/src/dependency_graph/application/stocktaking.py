"""Which workloads there are after a listing, and which entries of the registry they were made from."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dependency_graph.application.ports import ObservedWorkload, ObservedWorkloads
from dependency_graph.domain.mcp_match import Catalogue
from dependency_graph.domain.mcp_server import McpServer, WorkloadKey

Stock = Mapping[WorkloadKey, McpServer]


def stock_of(servers: Iterable[McpServer]) -> Stock:
    return {server.key: server for server in servers}


def after_listing(known: Stock, observed: ObservedWorkloads) -> Stock:
    """The workloads of all runtimes after one of them was listed; matches are yet to be made.

    What is listed is there, with the package it was known to have where the listing does not tell; what has
    none at all waits for the next listing. Of the same runtime, what is not listed goes if the listing is
    complete and not empty, or if it is the second empty one in turn, failed ones between them not counted.
    """
    listed = {workload.key: workload for workload in observed.workloads}
    unlisted = (
        server if key.runtime != observed.runtime else _unlisted(server, observed)
        for key, server in known.items()
        if key not in listed
    )
    seen = (_listed(workload, known.get(key)) for key, workload in listed.items())
    return stock_of(server for server in (*unlisted, *seen) if server)


def matched(stock: Stock, catalogue: Catalogue) -> Stock:
    """The same workloads, each with its match made anew."""
    return {
        key: replace(server, match=catalogue.match(server.package, server.remote, key.name))
        for key, server in stock.items()
    }


def changed(before: Stock, after: Stock) -> list[McpServer]:
    """What is new in `after`, or differs."""
    return [server for key, server in after.items() if before.get(key) != server]


def _listed(workload: ObservedWorkload, known: McpServer | None) -> McpServer | None:
    package, remote = workload.package, workload.remote
    if package is None:
        if known is None:
            return None
        package, remote = known.package, known.remote
    return McpServer(
        workload.key,
        package,
        remote,
        workload.status,
        workload.transport,
        workload.proxy_mode,
        workload.url,
        workload.group,
        workload.tools,
    )


def _unlisted(server: McpServer, observed: ObservedWorkloads) -> McpServer | None:
    if not observed.complete:
        return replace(server, missed=False)
    if not observed.empty or server.missed:
        return None
    return replace(server, missed=True)
