"""What pg_schema answers. Sizes are bytes; a number beyond 2^53 is text, as everywhere."""

from typing import NotRequired

from typing_extensions import TypedDict


class _Listed(TypedDict):
    schema: str
    name: str
    comment: NotRequired[str | None]


class ListedTable(_Listed):
    """`row_estimate` is what the last vacuum or analyze counted; `total_bytes` is null unless asked for."""

    kind: str
    row_estimate: int | None
    readable: bool
    total_bytes: int | None


class ListedView(_Listed):
    kind: str
    readable: bool
    total_bytes: int | None


class ListedIndex(_Listed):
    table: str
    method: str
    unique: bool
    primary: bool
    valid: bool
    definition: str
    total_bytes: int | None


class ListedSequence(_Listed):
    type: str
    owned_by: str | None
    total_bytes: int | None


class ListedFunction(_Listed):
    arguments: str
    returns: str | None
    kind: str
    language: str
    volatility: str
    extension: str | None


class ListedSchema(_Listed):
    owner: str
    tables: int
    usable: bool


class ListedExtension(_Listed):
    """`available_version` is what ALTER EXTENSION ... UPDATE would make of it."""

    version: str
    available_version: str | None


class ObjectList(TypedDict):
    """`total` counts all that there are; `next_offset` goes back in for those after these, null at the end."""

    target: str
    items: list[
        ListedTable
        | ListedView
        | ListedIndex
        | ListedSequence
        | ListedFunction
        | ListedSchema
        | ListedExtension
    ]
    total: int
    next_offset: int | None
    hint: NotRequired[str]


class ColumnDescription(TypedDict):
    """`identity` is always or by default; `generated` the expression; `labels` those of an enum."""

    name: str
    type: str
    nullable: bool
    default: str | None
    identity: str | None
    generated: str | None
    collation: str | None
    labels: list[str] | None
    comment: str | None


class Key(TypedDict):
    name: str
    columns: list[str]
    definition: str


class ForeignKey(TypedDict):
    """`columns` of `schema`.`table` refer to `references_columns` of the other, in this order."""

    name: str
    schema: str
    table: str
    columns: list[str]
    references_schema: str
    references_table: str
    references_columns: list[str]
    definition: str


class IndexOfTable(TypedDict):
    """`columns` may be expressions; `predicate` is the condition of a partial index."""

    name: str
    method: str
    columns: list[str]
    unique: bool
    primary: bool
    valid: bool
    predicate: str | None
    bytes: int | None
    definition: str


class Trigger(TypedDict):
    name: str
    enabled: bool
    definition: str


class Policy(TypedDict):
    name: str
    command: str
    permissive: bool
    using: str | None
    with_check: str | None


class QualifiedName(TypedDict):
    schema: str
    name: str


class Partition(TypedDict):
    schema: str
    name: str
    bound: str | None


class TableDescription(TypedDict):
    """A table or view; `definition` is the query of a view, `bound` what a partition holds."""

    kind: str
    schema: str
    name: str
    comment: str | None
    owner: str
    readable: bool
    row_estimate: int | None
    total_bytes: int | None
    table_bytes: int | None
    indexes_bytes: int | None
    columns: list[ColumnDescription]
    primary_key: Key | None
    unique: list[Key]
    foreign_keys: list[ForeignKey]
    referenced_by: list[ForeignKey]
    checks: list[Key]
    exclusions: list[Key]
    indexes: list[IndexOfTable]
    triggers: list[Trigger]
    row_security: bool
    policies: list[Policy]
    parents: list[QualifiedName]
    partition_bound: str | None
    partitioned_by: str | None
    partitions: list[Partition]
    definition: str | None
    hint: NotRequired[str]


class IndexDescription(TypedDict):
    kind: str
    schema: str
    name: str
    table_schema: str
    table: str
    method: str
    columns: list[str]
    included: list[str]
    unique: bool
    primary: bool
    valid: bool
    predicate: str | None
    bytes: int | None
    scans: int | str
    definition: str
    comment: str | None
    hint: NotRequired[str]


class SequenceDescription(TypedDict):
    """`last_value` is null where it was not used yet, or may not be read."""

    kind: str
    schema: str
    name: str
    type: str
    start: int | str
    minimum: int | str
    maximum: int | str
    increment: int | str
    cycles: bool
    cache: int | str
    last_value: int | str | None
    comment: str | None
    hint: NotRequired[str]


class FunctionOverload(TypedDict):
    """One function of the name; `source` is the whole CREATE statement, null for an aggregate."""

    identity_arguments: str
    arguments: str
    returns: str | None
    kind: str
    language: str
    volatility: str
    strict: bool
    security_definer: bool
    parallel: str
    extension: str | None
    source: str | None
    comment: str | None


class FunctionDescription(TypedDict):
    kind: str
    schema: str
    name: str
    overloads: list[FunctionOverload]
    hint: NotRequired[str]


class ChangeAnswer(TypedDict):
    """`command` is PostgreSQL's tag; `skipped`: there was nothing to do. `messages` are its notices and warnings."""

    command: str | None
    skipped: bool
    messages: list[str]
    hint: NotRequired[str]
