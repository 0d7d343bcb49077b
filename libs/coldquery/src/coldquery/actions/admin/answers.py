"""What pg_admin answers. Sizes are bytes; a number beyond 2^53 is text, as everywhere."""

from typing import NotRequired

from typing_extensions import TypedDict


class MaintenanceAnswer(TypedDict):
    """`table` is what was maintained, quoted, null for the whole database; `messages` are PostgreSQL's."""

    command: str | None
    table: str | None
    messages: list[str]
    hint: NotRequired[str]


class TableStats(TypedDict):
    """Counted since the statistics were reset; `row_estimate` and `bytes_estimate` by the last vacuum or analyze."""

    schema: str
    name: str
    row_estimate: int | None
    bytes_estimate: int
    live_rows: int | str
    dead_rows: int | str
    sequential_scans: int | str
    rows_read_sequentially: int | str
    index_scans: int | str
    rows_fetched_by_index: int | str
    inserted: int | str
    updated: int | str
    updated_in_place: int | str
    deleted: int | str
    modified_since_analyze: int | str
    cache_hit_ratio: float | None
    last_vacuum: str | None
    last_autovacuum: str | None
    last_analyze: str | None
    last_autoanalyze: str | None


class ColumnStats(TypedDict):
    """`distinct_values` below 0 is minus the share of all rows; `correlation` of the order on disk, -1 to 1."""

    name: str
    null_fraction: float
    distinct_values: float
    average_bytes: int
    correlation: float | None


class StatsAnswer(TypedDict):
    """The largest tables first, of `total`; `columns` of one table, null where all were asked for."""

    tables: list[TableStats]
    total: int
    columns: list[ColumnStats] | None
    hint: NotRequired[str]


class Setting(TypedDict):
    """A secret's value is shown as ***."""

    name: str
    value: str | None
    category: str
    description: str | None
    type: str
    unit: str | None
    source: str
    default: str | None
    minimum: str | None
    maximum: str | None
    allowed: list[str] | None
    settable: str
    pending_restart: bool


class Category(TypedDict):
    name: str
    settings: int


class SettingList(TypedDict):
    """At most 200 of `total`. Without a category: those that are not as they come, and all `categories`."""

    settings: list[Setting]
    total: int
    categories: list[Category] | None
    hint: NotRequired[str]


class OneSetting(TypedDict):
    setting: Setting
    hint: NotRequired[str]


class SettingChange(TypedDict):
    """`holds` says for whom and how long, `undo` how to go back."""

    name: str
    before: str | None
    value: str | None
    holds: str
    undo: str
    hint: NotRequired[str]
