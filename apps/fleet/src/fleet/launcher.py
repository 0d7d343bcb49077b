import json
import re
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from api_access import asyncpg_url
from fleet.endpoint import Endpoint
from fleet.errors import FleetError
from fleet.service_client import ServiceClient
from fleet.services import Role, Service
from fleet.supervisor import Supervisor

READY_WITHIN_SECONDS = 60.0
ASK_EVERY_SECONDS = 0.1
KEY_NAME = "fleet up"
KEY_SCOPES = ("read", "write", "admin")
KEY = re.compile(r"fleet_(?P<id>[0-9a-z]+)_[0-9A-Za-z]+")


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
        self._told = dict[Service, Mapping[str, str]]()

    def migrate(self, service: Service) -> None:
        """Bring the service's part of the database up to date."""
        self._run(service, "migrate")

    def make_role(self, service: Service, role: Role, database_url: str) -> None:
        """Have the service work as `role` on the database at `database_url`, whose user makes it.

        Its password is a new one each time, and kept nowhere.
        """
        password = secrets.token_urlsafe(24)
        self._run(service, "grants", *role.arguments(), "--apply", told={"COLDQUERY_ROLE_PASSWORD": password})
        url = asyncpg_url(database_url).set(username=role.name, password=password)
        self._told[service] = {"DATABASE_URL": url.render_as_string(hide_password=False)}

    def serve(self, endpoint: Endpoint, told: Mapping[str, str] | None = None) -> None:
        """Start the service, which is watched from then on, with `told` in its environment too."""
        service = endpoint.service
        command = service.command("serve", "--host", endpoint.host, "--port", str(endpoint.port))
        own = self._told.get(service, {})
        self._supervisor.start(service.name, command, {**self._environment, **own, **(told or {})})

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

    def keeps_api_key(self, service: Service, api_key: str) -> bool:
        """Whether the id of `api_key` is that of a good one that `service` keeps, which need not be running.

        The secret in it is not checked: only a running service can do that.
        """
        key = KEY.fullmatch(api_key)
        listed = json.loads(self._run(service, "api-keys", "list", "--json")) if key else []
        return any(key and entry["key_id"] == key["id"] and not _has_ended(entry) for entry in listed)

    def _run(self, service: Service, *arguments: str, told: Mapping[str, str] | None = None) -> str:
        name = f"{service.name}-{arguments[0]}"
        environment = {**self._environment, **(told or {})}
        return self._supervisor.run(name, service.command(*arguments), environment).strip()


def _has_ended(key: Mapping[str, str | None]) -> bool:
    # A time may lie ahead: a rotated key is good until its grace is over.
    ends = (key["expires_at"], key["revoked_at"])
    return any(end and datetime.fromisoformat(end) <= datetime.now(UTC) for end in ends)
