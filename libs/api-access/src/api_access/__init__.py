"""API keys in PostgreSQL or SQLite, and token-bucket rate limits, for any ASGI app."""

from api_access.access import Access
from api_access.api_key import ApiKey, Principal, Scope
from api_access.authenticator import Authenticator
from api_access.cli import api_keys_app
from api_access.database_url import asyncpg_url, database_url
from api_access.engines import SEARCH_PATH, create_engine
from api_access.errors import NotMigrated, StoreUnavailable, UnknownKey
from api_access.fallback_buckets import FallbackBuckets
from api_access.guard import Guard
from api_access.key_store import KeyStore
from api_access.memory_buckets import MemoryBuckets
from api_access.middleware import AccessMiddleware
from api_access.migrating import ACCESS_MIGRATIONS, Migrations, downgrade, migrate
from api_access.outage import Outage
from api_access.rate_limits import Decision, RateLimit, TokenBuckets
from api_access.redis_buckets import RedisBuckets
from api_access.redis_url import redis_url
from api_access.refusals import InvalidKey, Refusal
from api_access.requirement import KEY_ONLY, KeyOnly, Requirement
from api_access.utc_date_time import UtcDateTime

__all__ = [
    "ACCESS_MIGRATIONS",
    "KEY_ONLY",
    "SEARCH_PATH",
    "Access",
    "AccessMiddleware",
    "ApiKey",
    "Authenticator",
    "Decision",
    "FallbackBuckets",
    "Guard",
    "InvalidKey",
    "KeyOnly",
    "KeyStore",
    "MemoryBuckets",
    "Migrations",
    "NotMigrated",
    "Outage",
    "Principal",
    "RateLimit",
    "RedisBuckets",
    "Refusal",
    "Requirement",
    "Scope",
    "StoreUnavailable",
    "TokenBuckets",
    "UnknownKey",
    "UtcDateTime",
    "api_keys_app",
    "asyncpg_url",
    "create_engine",
    "database_url",
    "downgrade",
    "migrate",
    "redis_url",
]
