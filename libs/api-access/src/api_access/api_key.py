from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from api_access.rate_limits import RateLimit


class Scope(StrEnum):
    """What a key is good for; the members are the plain strings too."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request comes from: what a verified key stands for."""

    key_id: str
    name: str
    scopes: frozenset[str]
    """Each scope stands for itself alone, except that `admin` brings all of them."""
    limits: Mapping[str, RateLimit]
    """By limit class; a class that is not here has the service's default."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored, all times with their zone."""

    key_id: str
    secret_hash: str = field(repr=False)
    name: str
    scopes: frozenset[str]
    limits: Mapping[str, RateLimit]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    """May lie ahead: a rotated key works until its grace is over."""

    @property
    def ends_at(self) -> datetime | None:
        """When the key stops, or stopped, being good; None for never."""
        return min(filter(None, (self.expires_at, self.revoked_at)), default=None)

    @property
    def principal(self) -> Principal:
        """Who carries this key."""
        scopes = frozenset[str](Scope) if Scope.ADMIN in self.scopes else self.scopes
        return Principal(self.key_id, self.name, scopes, self.limits)
