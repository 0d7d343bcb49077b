"""What the tests know of each image: nothing but its name, and what it needs to start."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """`needs` are the variables that get the database's URL; without any there are no migrations."""

    member: str
    port_variable: str
    needs: tuple[str, ...] = ()
    has_volume: bool = False

    def environment(self, port: int, database: str) -> Mapping[str, str]:
        return {self.port_variable: str(port), **dict.fromkeys(self.needs, database)}


GRAPH = Service("dependency-graph", "API_PORT", ("DATABASE_URL",))
CI = Service("ci-server", "CI_PORT", ("CI_DATABASE_URL", "ACCESS_DATABASE_URL"), has_volume=True)
SQL = Service("coldquery", "COLDQUERY_PORT", ("DATABASE_URL", "ACCESS_DATABASE_URL"), has_volume=True)
METADATA = Service("fleet-metadata", "METADATA_PORT")
SERVICES = (GRAPH, CI, SQL, METADATA)
