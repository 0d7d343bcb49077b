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
from fleet.service_start import ServiceStart
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
    key_keeper: Service = GRAPH
    """Makes the API keys and keeps them, whether it is among those to bring up or not."""

    def migrated(self) -> Sequence[Service]:
        """The services whose part of the database has to be up to date."""
        looking_up = [service for service in self.ports if service.key_variable is None]
        return list(dict.fromkeys([self.key_keeper, *looking_up]))


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
    endpoints = Endpoint.claim(settings.api_host, plan.ports)
    clients = [running.enter_context(ServiceClient(endpoint)) for endpoint in endpoints]
    supervisor = Supervisor(data_dir.logs)
    with screen.step("Starting the database and the cache"):
        stores = start_stores(settings, data_dir.path, supervisor, running)
    # On the stack after the stores, so stopped before them.
    running.callback(supervisor.stop)
    # No process stays behind, that of a job neither.
    own = {
        "CI_DATABASE_URL": stores.database.url,
        "CI_DATA_DIR": str(data_dir.path.absolute() / "ci"),
        "CI_JOBS_END_WITH_SERVER": "true",
    }
    launcher = Launcher(supervisor, own | settings.environment() | stores.environment())
    with screen.step("Bringing the database up to date"):
        for service in plan.migrated():
            launcher.migrate(service)
        # Not before their schemas are there.
        for service in plan.ports:
            if service.role:
                launcher.make_role(service, service.role, stores.database.url)
    with screen.step(f"Starting the services: {', '.join(service.name for service in plan.ports)}"):
        api_key = ServiceStart(plan.key_keeper, clients, launcher, data_dir, screen).run()
    if plan.sample:
        _show_sample(clients, screen)
    data_dir.announce({endpoint.service.name: endpoint.url for endpoint in endpoints}, stores.database.url)
    _show_overview(endpoints, stores, screen)
    screen.next_steps(endpoints, api_key, data_dir.api_key_file)
    return supervisor


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
