"""PostgreSQL and Valkey from wheels: started in a moment, supervised, gone when their parent is."""

from embedded_services.data_folder import DataFolder
from embedded_services.errors import (
    DataFolderInUse,
    EmbeddedServiceError,
    StartFailed,
    UnsupportedHost,
    WrongVersion,
)
from embedded_services.local_database import local_database
from embedded_services.parent_death import die_with_parent, dies_with_parent
from embedded_services.postgres import EmbeddedPostgres
from embedded_services.valkey import EmbeddedValkey

__all__ = [
    "DataFolder",
    "DataFolderInUse",
    "EmbeddedPostgres",
    "EmbeddedServiceError",
    "EmbeddedValkey",
    "StartFailed",
    "UnsupportedHost",
    "WrongVersion",
    "die_with_parent",
    "dies_with_parent",
    "local_database",
]
