"""What can be wrong, in the words of the domain; `api/problems.py` says how each is answered."""


class ServiceNotFound(Exception):
    """No service has this id."""

    def __init__(self, service_id: str) -> None:
        super().__init__(
            f"There is no service {service_id!r}; GET /api/v1/services lists those that are known."
        )


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


class InvalidServiceId(ValueError):
    """A text that cannot be the id of a service."""


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
    """All connections to the database are in use."""

    def __init__(self) -> None:
        super().__init__(
            "All connections to the database are in use; nothing was stored. Try again in a moment."
        )
