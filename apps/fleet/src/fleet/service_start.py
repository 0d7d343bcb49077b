from collections.abc import Sequence
from dataclasses import dataclass

from fleet.data_dir import DataDir
from fleet.launcher import Launcher
from fleet.screen import Screen
from fleet.service_client import ServiceClient
from fleet.services import Service


@dataclass(frozen=True, slots=True)
class ServiceStart:
    """The start of services with one API key for all, which `key_keeper` makes, among them or not."""

    key_keeper: Service
    clients: Sequence[ServiceClient]
    launcher: Launcher
    data_dir: DataDir
    screen: Screen

    def run(self) -> str:
        """Start them, and wait until all are ready; the API key, which the clients send from then on.

        Those that look keys up are started first: the others have to be told of a key that is good.
        Raises FleetError.
        """
        for client in self.clients:
            if client.service.key_variable is None:
                self.launcher.serve(client.endpoint)
        api_key = self._good_api_key()
        for client in self.clients:
            client.use(api_key)
            if variable := client.service.key_variable:
                # In place of a token that the user's environment has: the key on the screen works everywhere.
                self.launcher.serve(client.endpoint, {**self._others(api_key), variable: api_key})
        for client in self.clients:
            self.launcher.wait_until_ready(client)
        return api_key

    def _others(self, api_key: str) -> dict[str, str]:
        """Where the other services are, and the key for them."""
        told = dict[str, str]()
        for client in self.clients:
            if variables := client.service.client_variables:
                told |= zip(variables, (client.endpoint.url, api_key), strict=True)
        return told

    def _good_api_key(self) -> str:
        """The key of an earlier start if it is still good, else a new one, made while services start."""
        kept = self.data_dir.api_key()
        if kept and self._is_good(kept):
            return kept
        if kept:
            self.screen.say(
                f"The API key in {self.data_dir.api_key_file} is no longer good: it is replaced by a new one."
            )
        api_key = self.launcher.create_api_key(self.key_keeper)
        self.data_dir.keep_api_key(api_key)
        return api_key

    def _is_good(self, api_key: str) -> bool:
        for client in self.clients:
            if client.service is self.key_keeper:
                self.launcher.wait_until_ready(client)
                return client.accepts(api_key)
        return self.launcher.keeps_api_key(self.key_keeper, api_key)
