from typing import Any, cast

from coldquery.actions.catalogue import looking
from coldquery.actions.context import Context
from coldquery.actions.monitor.answers import Health
from coldquery.actions.monitor.checks import OK, WARNING, checks


async def health(context: Context) -> Health:
    """How the server is doing, and as whom it is worked on; each check says what to do where something is wrong."""
    async with looking(context) as catalogue:
        vitals = await catalogue.row("health")
    made = checks(vitals)
    status = WARNING if any(check["status"] == WARNING for check in made) else OK
    told: dict[str, Any] = {"status": status, "checks": made, **vitals}
    return cast("Health", told)
