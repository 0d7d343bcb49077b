"""Random runs of cycles, each held to a model of what must be known after it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inventory_cycles import Inventory, MemoryToolhive

from dependency_graph.application.ports import ObservedWorkload
from dependency_graph.domain.dependency import Pair
from dependency_graph.domain.errors import SourceFailed
from dependency_graph.domain.mcp_server import Match, RegistryEntry, WorkloadKey

JOURNEYS = 100
STEPS = 12

UPSTREAMS = {
    "https://one.example/mcp": "one.example",
    "HTTPS://One.example:443/mcp/": "one.example",
    "http://two.example:81": "two.example:81",
}
IMAGES = ("mcp/a:1", "mcp/a:2", "mcp/b:1")


@dataclass(frozen=True)
class Listing:
    """`told` are names with what they are made from; the listing fails where it is None."""

    runtime: str
    told: dict[str, str | None] | None
    complete: bool
    empty: bool


@dataclass(frozen=True)
class Registry:
    """`told` are names with packages; the registry fails where it is None."""

    told: dict[str, str] | None
    complete: bool


@dataclass
class Known:
    package: str
    missed: bool = False


@dataclass
class Model:
    servers: dict[tuple[str, str], Known] = field(default_factory=dict[tuple[str, str], Known])
    entries: dict[str, str] = field(default_factory=dict[str, str])

    def list(self, listing: Listing) -> None:
        told = listing.told
        if told is None:
            return
        for runtime, name in list(self.servers):
            if runtime == listing.runtime and name not in told:
                self._unlist((runtime, name), listing)
        for name, package in told.items():
            key = (listing.runtime, name)
            if package or key in self.servers:
                self.servers[key] = Known(package or self.servers[key].package)

    def describe(self, registry: Registry) -> None:
        if registry.told and registry.complete:
            self.entries = dict(registry.told)
        else:
            self.entries |= registry.told or {}

    def match(self, key: tuple[str, str]) -> Match:
        package, name = self.servers[key].package, key[1]
        alike = {entry: told for entry, told in self.entries.items() if _origin(told) == _origin(package)}
        equal = {entry for entry, told in alike.items() if package in UPSTREAMS or told == package}
        best, differs = equal or set(alike), bool(alike) and not equal
        if name in best:
            return Match(name, differs)
        return Match(min(best, default=None), differs, len(best) > 1)

    @property
    def services(self) -> set[str]:
        return {_service(key) for key in self.servers} | {target for _, target in self.pairs}

    @property
    def pairs(self) -> set[Pair]:
        remotes = [(key, s.package) for key, s in self.servers.items() if s.package in UPSTREAMS]
        return {(_service(key), f"remote:{UPSTREAMS[package]}") for key, package in remotes}

    def _unlist(self, key: tuple[str, str], listing: Listing) -> None:
        known = self.servers[key]
        if listing.complete and (known.missed or not listing.empty):
            del self.servers[key]
        else:
            known.missed = listing.complete


def _origin(package: str) -> str:
    """Where it comes from, whatever its version."""
    return UPSTREAMS.get(package) or package.partition(":")[0]


def _service(key: tuple[str, str]) -> str:
    runtime, name = key
    return f"mcp:tools/{name}" if runtime == "k8s" else f"mcp:{name}"


packages = st.sampled_from([*UPSTREAMS, *IMAGES])
names = st.sampled_from(["a", "b", "c"])
runtimes = st.sampled_from(["docker", "docker", "k8s"])
full = st.dictionaries(names, st.none() | packages, min_size=1)
listings = st.one_of(
    st.builds(Listing, runtimes, full, st.booleans(), st.just(value=False)),
    st.builds(Listing, runtimes, st.just({}), st.just(value=True), st.booleans()),
    st.builds(Listing, runtimes, st.none() | st.just({}), st.just(value=False), st.just(value=False)),
)
registries = st.builds(Registry, st.none() | st.dictionaries(names, packages), st.booleans())
steps = st.lists(listings | registries, max_size=STEPS)


def _observed(listing: Listing) -> Sequence[ObservedWorkload]:
    namespace = "tools" if listing.runtime == "k8s" else ""
    return [
        ObservedWorkload(
            WorkloadKey(listing.runtime, namespace, name), package, package in UPSTREAMS, "running"
        )
        for name, package in (listing.told or {}).items()
    ]


def _entry(name: str, package: str) -> RegistryEntry:
    is_url = package in UPSTREAMS
    return RegistryEntry(name, () if is_url else (package,), (package,) if is_url else ())


async def _list(inventory: Inventory, listing: Listing) -> None:
    if listing.told is None:
        with pytest.raises(SourceFailed):
            await inventory.takes_workloads(MemoryToolhive())
        return
    await inventory.lists(
        *_observed(listing), complete=listing.complete, empty=listing.empty, runtime=listing.runtime
    )


async def _describe(inventory: Inventory, registry: Registry) -> None:
    if registry.told is None:
        with pytest.raises(SourceFailed):
            await inventory.takes_registry(MemoryToolhive())
        return
    entries = [_entry(name, package) for name, package in registry.told.items()]
    await inventory.describes(*entries, complete=registry.complete)


def _check(inventory: Inventory, model: Model) -> None:
    known = {(key.runtime, key.name): s for key, s in inventory.graph.known_mcp_servers.items()}
    assert {k: Known(s.package, s.missed) for k, s in known.items()} == model.servers
    assert {k: s.match for k, s in known.items()} == {k: model.match(k) for k in model.servers}
    assert set(inventory.graph.known_entries) == set(model.entries)
    assert (inventory.services, inventory.pairs) == (model.services, model.pairs)


async def _check_that_it_changes_nothing(inventory: Inventory, step: Listing | Registry) -> None:
    writes = inventory.graph.writes
    await (_list(inventory, step) if isinstance(step, Listing) else _describe(inventory, step))
    assert inventory.graph.writes == writes


@settings(max_examples=JOURNEYS, deadline=None)
@given(steps)
async def test_every_run_of_cycles_leads_where_the_model_says(run: list[Listing | Registry]) -> None:
    inventory, model = Inventory(), Model()
    for step in run:
        before = set(inventory.names)
        if isinstance(step, Listing):
            await _list(inventory, step)
            model.list(step)
            assert before <= set(inventory.names) or (step.told is not None and step.complete)
        else:
            await _describe(inventory, step)
            model.describe(step)
            assert before == set(inventory.names)
        _check(inventory, model)
        if not (isinstance(step, Listing) and step.empty):
            await _check_that_it_changes_nothing(inventory, step)
        inventory.now += timedelta(minutes=1)
