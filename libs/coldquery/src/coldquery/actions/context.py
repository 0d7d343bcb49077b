from dataclasses import dataclass

from coldquery.audit import Audit
from coldquery.caller import Caller
from coldquery.connections.owner import Connections
from coldquery.limits import Limits


@dataclass(frozen=True, slots=True)
class Context:
    """What an action has at hand."""

    caller: Caller
    connections: Connections
    limits: Limits
    audit: Audit
