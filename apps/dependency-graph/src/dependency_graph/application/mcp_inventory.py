"""Taking in what ToolHive runs and what its registry describes, each in one transaction."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from dependency_graph.application.mcp_topology import McpTopology, Redrawn, redraw, topology_of
from dependency_graph.application.ports import Graph, ObservedRegistry, ObservedWorkloads, Toolhive
from dependency_graph.application.stocktaking import Stock, after_listing, changed, matched, stock_of
from dependency_graph.application.sync import Changes, Transaction
from dependency_graph.domain.mcp_match import Catalogue
from dependency_graph.domain.mcp_server import McpServer, RegistryEntry

NAMED = 5


async def take_workloads(
    source: Toolhive, transaction: Transaction, now: datetime, renewed_after: timedelta
) -> Changes:
    """List the workloads, store them, and make the graph follow; how much that changed.

    A cycle that finds nothing changed writes nothing, but for dependencies that were last observed more than
    `renewed_after` ago. Raises SourceFailed, and nothing is changed.
    """
    observed = await source.workloads()
    async with transaction() as graph:
        await graph.generation.lock()
        before = stock_of(await graph.mcp_servers.all())
        after = matched(after_listing(before, observed), Catalogue(await graph.mcp_servers.entries()))
        stored = await _save(graph, before, after)
        gone = before.keys() - after.keys()
        removed = await graph.mcp_servers.delete(gone) if gone else 0
        topology, seen = topology_of(after.values()), topology_of(_seen(observed, after))
        redrawn = await redraw(graph, topology_of(before.values()), topology, seen, now, renewed_after)
    return {
        "workloads_seen": len(observed.workloads),
        "workloads_upserted": stored,
        "workloads_removed": removed,
        "workloads_not_in_registry": sum(server.match.entry is None for server in after.values()),
        "details_missing": len(_untold(observed)),
        **_told(redrawn),
        "warnings": [*observed.warnings, *_doubts(observed, after, topology), *redrawn.warnings],
    }


async def take_registry(source: Toolhive, transaction: Transaction) -> Changes:
    """Read the registry, store it, and match all workloads anew; how much that changed.

    Raises SourceFailed, and nothing is changed.
    """
    observed = await source.registry()
    told = {entry.name: entry for entry in observed.entries}
    async with transaction() as graph:
        await graph.generation.lock()
        known = {entry.name: entry for entry in await graph.mcp_servers.entries()}
        missing = known.keys() - told.keys()
        gone = missing if told and observed.complete else frozenset[str]()
        stored = await _save_entries(graph, [e for name, e in told.items() if known.get(name) != e])
        entries = [entry for name, entry in (known | told).items() if name not in gone]
        before = stock_of(await graph.mcp_servers.all())
        relinked = await _save(graph, before, matched(before, Catalogue(entries)))
        removed = await graph.mcp_servers.delete_entries(gone) if gone else 0
    return {
        "entries_seen": len(told),
        "entries_upserted": stored,
        "entries_removed": removed,
        "workloads_relinked": relinked,
        "warnings": [*observed.warnings, *_kept(observed, missing)],
    }


def _seen(observed: ObservedWorkloads, stock: Stock) -> list[McpServer]:
    return [stock[workload.key] for workload in observed.workloads if workload.key in stock]


async def _save(graph: Graph, before: Stock, after: Stock) -> int:
    servers = changed(before, after)
    return await graph.mcp_servers.save(servers) if servers else 0


async def _save_entries(graph: Graph, entries: Collection[RegistryEntry]) -> int:
    return await graph.mcp_servers.save_entries(entries) if entries else 0


def _told(redrawn: Redrawn) -> dict[str, Any]:
    return {
        "services_upserted": redrawn.services_upserted,
        "services_removed": redrawn.services_removed,
        "dependencies_upserted": redrawn.dependencies_upserted,
        "dependencies_removed": redrawn.dependencies_removed,
        "cycles_found": redrawn.cycles_found,
        "generation": redrawn.generation,
    }


def _untold(observed: ObservedWorkloads) -> list[str]:
    return [workload.key.full_name for workload in observed.workloads if workload.package is None]


def _doubts(observed: ObservedWorkloads, after: Stock, topology: McpTopology) -> Iterable[str]:
    """What an operator should know of a listing, beside what the source says of it."""
    if untold := _untold(observed):
        yield f"what these were made from could not be told, and is asked again next time: {_names(untold)}"
    listed = {workload.key for workload in observed.workloads}
    kept = [key.full_name for key in after if key.runtime == observed.runtime and key not in listed]
    if kept:
        why = "it was empty for the first time" if observed.empty else "not all of it could be read"
        yield f"these are not in the listing, and stay as {why}: {_names(kept)}"
    if topology.left_out:
        yield f"these, or what they lead to, cannot be named in the graph: {_names(topology.left_out)}"


def _kept(observed: ObservedRegistry, missing: Collection[str]) -> Iterable[str]:
    if missing and not (observed.entries and observed.complete):
        why = "not all of it could be read" if observed.entries else "it was empty"
        yield f"these are not in the registry, and stay as {why}: {_names(missing)}"


def _names(names: Collection[str]) -> str:
    first: Sequence[str] = sorted(names)[:NAMED]
    more = len(names) - len(first)
    return ", ".join(map(repr, first)) + (f" and {more} more" if more else "")
