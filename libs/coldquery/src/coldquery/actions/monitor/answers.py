"""What pg_monitor answers. Durations are seconds unless the name says _ms, sizes are bytes."""

from typing import NotRequired

from typing_extensions import TypedDict


class Check(TypedDict):
    """`status` is ok or warning; `text` says what there is, and with a warning what to do."""

    name: str
    status: str
    text: str


class Health(TypedDict):
    """`status` is warning if that of a check is. `sees_all`: the role may see what others do (pg_read_all_stats)."""

    status: str
    checks: list[Check]
    version: str
    database: str
    role: str
    superuser: bool
    reads_only: bool
    sees_all: bool
    standby: bool
    uptime_seconds: float
    connections_used: int
    connections_max: int
    cache_hit_ratio: float | None
    oldest_transaction_seconds: float | None
    waiting_for_locks: int
    replication_lag_seconds: float | None
    transaction_id_age: int
    freeze_max_age: int


class Backend(TypedDict):
    """A connection; `query` is what runs or ran last, null or a remark where the role may not see it."""

    pid: int
    database: str | None
    role: str | None
    application: str | None
    client: str | None
    kind: str
    state: str | None
    wait_event_type: str | None
    wait_event: str | None
    blocked_by: list[int]
    transaction_seconds: float | None
    query_seconds: float | None
    state_seconds: float | None
    query: str | None


class Activity(TypedDict):
    """The longest transactions first; `total` counts those beyond `limit` too."""

    backends: list[Backend]
    total: int
    hint: NotRequired[str]


class Count(TypedDict):
    """`name` is null for what has none, or may not be seen."""

    name: str | None
    count: int


class ConnectionCounts(TypedDict):
    """`used` of `max` on the whole server; the others count clients."""

    used: int
    max: int
    reserved_for_superusers: int
    by_state: list[Count]
    by_database: list[Count]
    by_role: list[Count]
    by_application: list[Count]
    hint: NotRequired[str]


class Holder(TypedDict):
    """Who is waited for; pid 0 is a prepared transaction. One that itself `waits` is not the cause."""

    pid: int
    role: str | None
    application: str | None
    state: str | None
    transaction_seconds: float | None
    waits: bool
    query: str | None


class Wait(TypedDict):
    """`lock` and `mode` are what it waits for; `relation` is null where it is none of this database."""

    pid: int
    database: str | None
    role: str | None
    query: str | None
    waiting_seconds: float | None
    lock: str
    mode: str
    relation: str | None
    holder: Holder


class Locks(TypedDict):
    """One entry for each pair of who waits and who is waited for, the longest first."""

    waits: list[Wait]
    total: int
    hint: NotRequired[str]


class DatabaseSize(TypedDict):
    """`bytes` is null where the role may not ask."""

    name: str
    bytes: int | None


class TableSize(TypedDict):
    """`measured`: false where somebody's lock was in the way, and the sizes are the last vacuum's."""

    schema: str
    name: str
    total_bytes: int
    table_bytes: int
    indexes_bytes: int | None
    row_estimate: int | None
    measured: bool


class Sizes(TypedDict):
    """The largest first; `tables` are of the database that this server is connected to, `total` in all."""

    databases: list[DatabaseSize]
    tables: list[TableSize]
    total: int


class SlowStatement(TypedDict):
    """All runs of one statement together; milliseconds."""

    database: str | None
    role: str | None
    calls: int | str
    total_ms: float
    mean_ms: float
    max_ms: float
    rows: int | str
    cache_hit_ratio: float | None
    temp_blocks_written: int | str
    query: str | None


class RunningStatement(TypedDict):
    pid: int
    database: str | None
    role: str | None
    running_ms: float
    query: str | None


class SlowQueries(TypedDict):
    """`source` is pg_stat_statements (then `statements`) or running now (then `running`); the other is empty."""

    source: str
    statements: list[SlowStatement]
    running: list[RunningStatement]
    hint: NotRequired[str]


class IndexFinding(TypedDict):
    schema: str
    table: str
    name: str
    bytes: int | None
    definition: str


class Duplicate(TypedDict):
    """`names` of indexes that are the same; the first is the one to keep. `bytes` of all."""

    schema: str
    table: str
    names: list[str]
    bytes: int
    definition: str


class UnindexedKey(TypedDict):
    """A foreign key that no index of its table begins with."""

    schema: str
    table: str
    name: str
    columns: list[str]
    table_bytes: int | None


class IndexHealth(TypedDict):
    """`unused` since `since` (null: since the statistics began), on this server; a standby may use them."""

    unused: list[IndexFinding]
    duplicates: list[Duplicate]
    invalid: list[IndexFinding]
    unindexed_foreign_keys: list[UnindexedKey]
    since: str | None


class TableVacuum(TypedDict):
    """`due`: it has more dead rows than autovacuum waits for."""

    schema: str
    name: str
    live_rows: int | str
    dead_rows: int | str
    dead_ratio: float | None
    due: bool
    autovacuum: bool
    vacuuming: bool
    last_vacuum: str | None
    last_autovacuum: str | None
    last_analyze: str | None
    last_autoanalyze: str | None
    modified_since_analyze: int | str
    transaction_id_age: int


class DatabaseAge(TypedDict):
    """Transactions since the oldest that is not frozen; at 2^31 the server stops."""

    name: str
    transaction_id_age: int
    multixact_age: int


class VacuumHealth(TypedDict):
    """The tables with the most dead rows first; from `freeze_max_age` on autovacuum freezes in any case."""

    tables: list[TableVacuum]
    total: int
    databases: list[DatabaseAge]
    autovacuum: bool
    freeze_max_age: int
