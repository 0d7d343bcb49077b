class EmbeddedServiceError(Exception):
    """An embedded server cannot do its work; the text says what to do next."""


class DataFolderInUse(EmbeddedServiceError):
    """Another process holds the data folder."""


class StartFailed(EmbeddedServiceError):
    """The server did not start, or did not answer in time."""


class WrongVersion(EmbeddedServiceError):
    """The data folder belongs to another major version of PostgreSQL."""


class UnsupportedHost(EmbeddedServiceError):
    """This machine, or the user this process runs as, cannot run the server."""
