import socket
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
    def claim(cls, service: Service, host: str, port: int) -> "Endpoint":
        """An endpoint on `port`, or on any free one for 0; raises FleetError where nobody can listen there."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            with socket.socket(family) as probe:
                # As servers do: connections that linger after a close are no hindrance.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
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
