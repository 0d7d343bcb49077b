"""What the tools take, as an agent reads it; None stands for what is not given."""

from typing import Annotated, Any

from pydantic import Field

from coldquery.actions.query.operations import Operation
from coldquery.actions.transactions.answers import IsolationLevel

Sql = Annotated[str | None, Field(description="one statement, with $1, $2 for its parameters")]
Params = Annotated[
    list[Any] | None,
    Field(description='values of $1, $2, ... as JSON; dates, numerics, uuids as strings: ["2026-01-31", 7]'),
]
SessionId = Annotated[str | None, Field(description="of pg_tx begin: do it in that transaction")]
Autocommit = Annotated[bool | None, Field(description="true: a write outside a session, committed at once")]
TimeoutMs = Annotated[int | None, Field(ge=1, description="milliseconds; the server's own limit stays")]
MaxRows = Annotated[int | None, Field(ge=1, description="rows at most; more come by `cursor`")]
Cursor = Annotated[
    str | None, Field(description="of a truncated read: the rows after those, instead of `sql`")
]
Analyze = Annotated[
    bool | None,
    Field(
        description="run the statement, to tell real times and rows; a write then needs session_id or autocommit"
    ),
]
Operations = Annotated[
    list[Operation] | None,
    Field(min_length=1, description='statements in order: [{"sql": "...", "params": [...]}]'),
]
Isolation = Annotated[IsolationLevel | None, Field(description="read committed is the default")]
ReadOnly = Annotated[bool | None, Field(description="true: nothing can be written in the session")]
SavepointName = Annotated[
    str | None, Field(description="to set or release; with rollback: only back to this savepoint")
]
Target = Annotated[
    str | None,
    Field(
        description="kind of object. list: tables (default), views, indexes, functions, schemas, extensions, "
        "sequences; describe: table (default), view, index, sequence, function; drop: table, view, index, schema, ..."
    ),
]
Name = Annotated[str | None, Field(description="exactly as it is stored, without quotes")]
Schema = Annotated[str | None, Field(description="exactly as it is stored, without quotes")]
Limit = Annotated[int | None, Field(ge=1, le=10_000, description="entries at most; 100 unless given")]
Entries = Annotated[
    int | None, Field(ge=1, le=200, description="entries at most, of each list; 50 unless given")
]
Offset = Annotated[int | None, Field(ge=0, description="entries to pass over")]
IncludeSizes = Annotated[bool | None, Field(description="tell sizes in bytes too")]
Cascade = Annotated[bool | None, Field(description="drop what depends on it too")]
IfExists = Annotated[bool | None, Field(description="no error where it is not there")]
IfNotExists = Annotated[bool | None, Field(description="no error where it is there already")]
Table = Annotated[
    str | None, Field(description="name, or schema.name; a name with dots or capitals in double quotes")
]
Full = Annotated[bool | None, Field(description="rewrite the table; locks it meanwhile")]
Verbose = Annotated[bool | None, Field(description="tell what was done")]
SettingName = Annotated[str | None, Field(description="work_mem, say")]
SettingValue = Annotated[str | None, Field(description="set it to this, which counts as a write")]
Category = Annotated[
    str | None, Field(description="only settings of this category, or with this in its name: Memory")
]
IncludeIdle = Annotated[bool | None, Field(description="also connections that do nothing")]
Database = Annotated[str | None, Field(description="only what is in this database")]
