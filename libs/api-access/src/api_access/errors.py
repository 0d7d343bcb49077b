class UnknownKey(LookupError):
    """There is no such key that is still good."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"there is no active API key {key_id!r}")


class StoreUnavailable(Exception):
    """The keys' database does not answer, or not as it should."""


class NotMigrated(StoreUnavailable):
    """The keys' database has no table of keys yet."""
