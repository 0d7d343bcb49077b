"""The tables of the schema `ci` (on SQLite of none); the migrations are the truth."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Double, Integer, MetaData, Table, Text

from api_access import UtcDateTime

_ci = MetaData(schema="ci")

jobs = Table(
    "jobs",
    _ci,
    Column("job_id", Text, primary_key=True),
    Column("user_name", Text, nullable=False),
    Column("submitted_time", UtcDateTime, nullable=False),
    Column("latest", Integer, nullable=False),
    Column("command", Text),
    Column("image", Text),
    Column("timeout", Integer, nullable=False),
    Column("memory", BigInteger, nullable=False),
    Column("cpus", Double, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("network", Boolean, nullable=False),
    Column("webhook", Text),
    Column("artifacts", JSON, nullable=False),
    Column("branch", Text),
    Column("commit", Text),
    Column("env", JSON, nullable=False),
)

attempts = Table(
    "attempts",
    _ci,
    Column("job_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("status", Text, nullable=False),
    Column("success", Boolean),
    Column("queued_time", UtcDateTime, nullable=False),
    Column("start_time", UtcDateTime),
    Column("end_time", UtcDateTime),
    Column("exit_code", Integer),
    Column("reason", Text),
    Column("passed", Integer),
    Column("failed", Integer),
    Column("skipped", Integer),
    Column("errors", Integer),
    Column("duration", Double),
    Column("host", Text),
    Column("runner", Text),
    Column("cancel_wanted", Text),
    Column("log_base", BigInteger),
    Column("started", Boolean, nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    _ci,
    Column("delivery_id", Text, primary_key=True),
    Column("job_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("event", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_time", UtcDateTime, nullable=False),
)
