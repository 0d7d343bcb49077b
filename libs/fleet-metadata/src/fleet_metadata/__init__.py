"""What a workspace is doing right now: collectors, and a server that answers what they tell.

What a package with a collector of its own needs is here.
"""

from typing import TYPE_CHECKING

from fleet_metadata.collector import CollectionFailed, Collector, NotApplicable, Reading, RemoteCollector
from fleet_metadata.key import Key, ValueType

if TYPE_CHECKING:
    from fleet_metadata.workspace import Workspace

__all__ = [
    "CollectionFailed",
    "Collector",
    "Key",
    "NotApplicable",
    "Reading",
    "RemoteCollector",
    "ValueType",
    "Workspace",
]


def __getattr__(name: str) -> object:
    # With a workspace come the settings, of which a client of servers needs nothing.
    if name == "Workspace":
        from fleet_metadata.workspace import Workspace

        return Workspace
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
