import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from api_access.api_key import ApiKey


def as_json(keys: Sequence[ApiKey]) -> str:
    """The keys as a JSON array, times in ISO 8601, without their hashes."""
    return json.dumps([_fields(key) for key in keys], indent=2, default=_text)


def as_table(keys: Sequence[ApiKey]) -> Table:
    """The keys for a terminal."""
    table = Table("Key id", "Name", "Scopes", "Limits", "Created", "Last used", "Status")
    # Nothing is cut off where the terminal is narrow. An id is there to be copied.
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].no_wrap = True
    for key in keys:
        limits = ", ".join(f"{limit_class} {limit}" for limit_class, limit in key.limits.items())
        times = (_day(key.created_at), _day(key.last_used_at), _status(key))
        table.add_row(key.key_id, key.name, " ".join(sorted(key.scopes)), limits, *times)
    return table


def _fields(key: ApiKey) -> dict[str, Any]:
    limits = {limit_class: str(limit) for limit_class, limit in key.limits.items()}
    fields: dict[str, Any] = asdict(key) | {"scopes": sorted(key.scopes), "limits": limits}
    del fields["secret_hash"]
    return fields


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _day(time: datetime | None) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d") if time else ""


def _status(key: ApiKey) -> str:
    if key.ends_at is None:
        return "active"
    over = key.ends_at <= datetime.now(UTC)
    return f"{'ended' if over else 'active until'} {_day(key.ends_at)}"
