from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from fleet.data_dir import DataDir
from fleet.endpoint import Endpoint
from fleet.launcher import Launcher
from fleet.sample import dependencies_of_checkout, load_sample
from fleet.screen import Row, Screen
from fleet.service_client import ServiceClient
from fleet.services import GRAPH, Service
from fleet.settings import Settings
from fleet.stores import Stores, start_stores
from fleet.supervisor import Supervisor
from fleet.until_stopped import until_stopped


@dataclass(frozen=True, slots=True)
class Plan:
    """What to bring up; `ports` has the services in the order of starting, 0 for any free port."""

    data_dir: Path
    ports: Mapping[Service, int]
    sample: bool


def up(plan: Plan, settings: Settings, screen: Screen) -> None:
    """Bring everything up, and return once Ctrl-C or SIGTERM has stopped it.

    Raises FleetError, EmbeddedServiceError or OSError where something cannot start, or ends by itself.
    Nothing is left running in any case.
    """
    with DataDir.held(plan.data_dir) as data_dir, ExitStack() as running:
        with until_stopped():
            start(plan, settings, screen, data_dir, running).wait()
        screen.say("Stopping ...")


def start(
    plan: Plan, settings: Settings, screen: Screen, data_dir: DataDir, running: ExitStack
) -> Supervisor:
    """Start everything, to be stopped by `running`, and tell where it is. The supervisor watches over it.

    Raises as `up`.
    """
    endpoints = [Endpoint.claim(service, settings.api_host, port) for service, port in plan.ports.items()]
    clients = [running.enter_context(ServiceClient(endpoint)) for endpoint in endpoints]
    supervisor = Supervisor(data_dir.logs)
    with screen.step("Starting the database and the cache"):
        stores = start_stores(settings, data_dir.path, supervisor, running)
    # On the stack after the stores, so stopped before them.
    running.callback(supervisor.stop)
    launcher = Launcher(supervisor, settings.environment() | stores.environment())
    with screen.step("Bringing the database up to date"):
        for endpoint in endpoints:
            launcher.migrate(endpoint.service)
    with screen.step(f"Starting the services: {', '.join(service.name for service in plan.ports)}"):
        for endpoint in endpoints:
            launcher.serve(endpoint)
        api_key = _good_api_key(clients, data_dir, launcher, screen)
    if plan.sample:
        _show_sample(clients, screen)
    data_dir.announce({endpoint.service.name: endpoint.url for endpoint in endpoints}, stores.database.url)
    _show_overview(endpoints, stores, screen)
    screen.next_steps(endpoints, api_key, data_dir.api_key_file)
    return supervisor


def _good_api_key(
    clients: Sequence[ServiceClient], data_dir: DataDir, launcher: Launcher, screen: Screen
) -> str:
    """The key of an earlier start if it is still good, else a new one; all services are ready then."""
    first = clients[0]
    kept = data_dir.api_key()
    # A key is made while the services start; whether an old one is good, only a running service can tell.
    api_key = kept or launcher.create_api_key(first.service)
    for client in clients:
        launcher.wait_until_ready(client)
    if kept and not first.accepts(kept):
        screen.say(f"The API key in {data_dir.api_key_file} is no longer good: it is replaced by a new one.")
        api_key = launcher.create_api_key(first.service)
    if api_key != kept:
        data_dir.keep_api_key(api_key)
    for client in clients:
        client.use(api_key)
    return api_key


def _show_sample(clients: Sequence[ServiceClient], screen: Screen) -> None:
    graph = next(client for client in clients if client.service is GRAPH)
    with screen.step("Loading the sample topology"):
        warnings = load_sample(graph)
    for warning in warnings:
        screen.say(f"Warning: {warning}")
    screen.show(dependencies_of_checkout(graph))


def _show_overview(endpoints: Sequence[Endpoint], stores: Stores, screen: Screen) -> None:
    services = [Row(endpoint.service.name, endpoint.url, "ready") for endpoint in endpoints]
    screen.overview([*services, *(Row(*store) for store in stores)])
