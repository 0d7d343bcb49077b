import time
from collections.abc import Mapping

from fleet.endpoint import Endpoint
from fleet.errors import FleetError
from fleet.service_client import ServiceClient
from fleet.services import Service
from fleet.supervisor import Supervisor

READY_WITHIN_SECONDS = 60.0
ASK_EVERY_SECONDS = 0.1
KEY_NAME = "fleet up"
KEY_SCOPES = ("read", "write", "admin")


class Launcher:
    """Runs the commands of services under `supervisor`, with `environment` on top of this process's own.

    Every method raises FleetError where a command fails.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        environment: Mapping[str, str],
        ready_within: float = READY_WITHIN_SECONDS,
    ) -> None:
        self._supervisor = supervisor
        self._ready_within = ready_within
        self._environment = environment

    def migrate(self, service: Service) -> None:
        """Bring the service's part of the database up to date."""
        self._run(service, "migrate")

    def serve(self, endpoint: Endpoint) -> None:
        """Start the service, which is watched from then on."""
        service = endpoint.service
        listen = {"API_HOST": endpoint.host, "API_PORT": str(endpoint.port)}
        self._supervisor.start(service.name, service.command("serve"), {**self._environment, **listen})

    def wait_until_ready(self, client: ServiceClient) -> None:
        """Wait until the service says that it can work, up to 60 s, or until something watched ends."""
        deadline = time.monotonic() + self._ready_within
        while missing := client.what_is_missing():
            self._supervisor.check()
            if time.monotonic() > deadline:
                raise FleetError(
                    f"{client.service.name} is not ready after {self._ready_within:.0f} s: {missing}"
                )
            time.sleep(ASK_EVERY_SECONDS)

    def create_api_key(self, service: Service) -> str:
        """A new key for all that any service can do."""
        scopes = [word for scope in KEY_SCOPES for word in ("--scope", scope)]
        return self._run(service, "api-keys", "create", "--name", KEY_NAME, *scopes)

    def _run(self, service: Service, *arguments: str) -> str:
        name = f"{service.name}-{arguments[0]}"
        return self._supervisor.run(name, service.command(*arguments), self._environment).strip()
