from collections.abc import Generator
from contextlib import contextmanager

from coldquery.errors import StatementFailed

_AGAIN = {
    "40001": "Another transaction changed what this one had read, so nothing was written: call this again.",
    "40P01": "Two transactions waited for each other and this one was given up, so nothing was written: "
    "call this again.",
}
_AGAIN_IN_SESSION = {
    "40001": "Another transaction changed what this one had read. Roll back with pg_tx, begin, and try the "
    "whole transaction again, its reads too; going back to a savepoint does not help.",
    "40P01": "Two transactions waited for each other and this one was given up. Roll back with pg_tx, begin, "
    "and try the whole transaction again.",
}


@contextmanager
def advised(session: str | None) -> Generator[None]:
    """Say with a failure that is nobody's fault how to try again; `session`: the transaction goes over several calls."""
    try:
        yield
    except StatementFailed as failure:
        again = _AGAIN_IN_SESSION if session else _AGAIN
        failure.hint = again.get(failure.sqlstate, failure.hint)
        raise
