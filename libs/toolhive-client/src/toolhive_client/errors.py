class ToolhiveError(Exception):
    """ToolHive did not give what was asked for; the text says what to do, and holds no secret."""


class ToolhiveUnavailable(ToolhiveError):
    """No ToolHive was found, it broke off, or it answered what is no answer."""


class ToolhiveNotFound(ToolhiveUnavailable):
    """There is no ToolHive in any of the places where one may be."""


class ToolhiveTimeout(ToolhiveUnavailable):
    """ToolHive did not answer in time."""


class WorkloadNotFound(ToolhiveError):
    """There is no workload of this name, or there is none any more."""

    def __init__(self, name: str) -> None:
        super().__init__(f"ToolHive has no workload {name!r}.")
        self.name = name


class RegistryUnavailable(ToolhiveError):
    """ToolHive is there, and its registry is not; `code` is what it calls the reason, if it does."""

    def __init__(self, why: str, code: str | None = None) -> None:
        super().__init__(why)
        self.code = code
