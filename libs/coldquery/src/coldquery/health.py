"""What keeps the server from working."""

from collections.abc import Sequence

import structlog

from coldquery.errors import Busy, ColdQueryError
from coldquery.key_guard import KeyGuard
from coldquery.mcp.server import Service

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def what_is_missing(service: Service, guard: KeyGuard) -> Sequence[str]:
    """A sentence for each thing that is missing; nothing if the server is ready."""
    return [sentence for sentence in (await _database(service), await guard.missing()) if sentence]


async def _database(service: Service) -> str | None:
    try:
        await service.connections.require_reachable()
    except Busy:
        # It is there, and others work on it.
        return None
    except ColdQueryError as error:
        # The driver's own words name host and user, so they are for operators only.
        _log.warning("the database cannot be used", reason=repr(error.__cause__ or error))
        return f"The database cannot be used; see DATABASE_URL or DB_HOST. {error.message}"
    return None
