"""What can be wrong, in the words of the domain; `api/problems.py` says how each is answered."""

from collections.abc import Iterable


class ServiceNotFound(Exception):
    """No service has this id."""

    def __init__(self, service_id: str) -> None:
        super().__init__(
            f"There is no service {service_id!r}; GET /api/v1/services lists those that are known."
        )
        self.service_id = service_id


class AlertNotFound(Exception):
    """No circular dependency alert has this id."""

    def __init__(self, alert_id: object) -> None:
        super().__init__(
            f"There is no alert {alert_id}; GET /api/v1/circular-dependencies lists those that are known."
        )


class CycleIsGone(Exception):
    """An alert is to be open, but its cycle is not in the graph any more."""

    def __init__(self) -> None:
        super().__init__("The cycle is not in the graph any more: its alert can only be resolved.")


class McpServerNotFound(Exception):
    """No MCP server has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no MCP server {name!r}; GET /api/v1/mcp-servers lists those that are known."
        )
        self.name = name


class SourceNotFound(Exception):
    """No source that can be run has this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no source {name!r}; the sources are {', '.join(known)}.")


class SourceFailed(Exception):
    """A source cannot be asked, or not believed; the text says why and what to do, and holds no secret."""


class InvalidServiceId(ValueError):
    """A text that cannot be the id of a service."""


class InvalidSpanId(ValueError):
    """The id of a span cannot be one."""

    def __init__(self) -> None:
        super().__init__("a trace id is 16 bytes and a span id 8, not all of them zero")


class IdempotencyKeyReused(Exception):
    """The key came with another body before."""

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used with another body; send a new key with a new body.")


class IngestInProgress(Exception):
    """Another request with the same Idempotency-Key has not ended yet."""

    def __init__(self) -> None:
        super().__init__(
            "A request with this Idempotency-Key is being worked on; repeat it in a second for its answer."
        )


class GraphUnavailable(Exception):
    """The database cannot be reached."""

    def __init__(self) -> None:
        super().__init__(
            "The database cannot be reached; what was sent is not stored. Try again in a moment."
        )


class GraphBusy(Exception):
    """All connections to the database are in use, or others write for long."""

    def __init__(self) -> None:
        super().__init__(
            "All connections to the database are in use, or others are writing; nothing was stored. "
            "Try again in a moment."
        )


class TooManyExports(Exception):
    """As many exports of the whole graph are being read as this process allows."""

    def __init__(self) -> None:
        super().__init__("Other exports of the whole graph are being read; try again when one has ended.")
