import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from fleet.errors import FleetError
from fleet.services import Service

REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # looked up here; what is bound is the user's choice


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service listens."""

    service: Service
    host: str
    port: int

    @classmethod
    def claim(cls, host: str, ports: Mapping[Service, int]) -> Sequence["Endpoint"]:
        """An endpoint for each service, on its port, or on any free one for 0.

        Raises FleetError where nobody can listen, or two are to listen on the same port.
        """
        with ExitStack() as probes:
            return [cls._claim(service, host, port, probes) for service, port in ports.items()]

    @classmethod
    def _claim(cls, service: Service, host: str, port: int, probes: ExitStack) -> "Endpoint":
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            probe = probes.enter_context(socket.socket(family))
            # As servers do: connections that linger after a close are no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            # Only a port that is listened on is refused to the next.
            probe.listen()
            return cls(service, host, probe.getsockname()[1])
        except OSError as error:
            raise FleetError(
                f"The {service.title} service cannot listen on port {port} of {host}: {error.strerror}. "
                f"Choose another port with {service.port_option} (0 takes any that is free), "
                "or another address with API_HOST."
            ) from error

    @property
    def url(self) -> str:
        """Where the service is reached from this machine."""
        host = REACHED_AT.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
