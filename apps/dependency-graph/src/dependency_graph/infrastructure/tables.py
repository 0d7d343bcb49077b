"""The tables of the schema `graph` as far as short statements need them; migrations are the truth."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, LargeBinary, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSON, JSONB

_graph = MetaData(schema="graph")
_instant = DateTime(timezone=True)

services = Table(
    "services",
    _graph,
    Column("id", Uuid, primary_key=True),
    Column("service_id", Text, nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("team", Text),
    Column("criticality", Text, nullable=False),
    Column("service_type", Text, nullable=False),
    Column("discovered", Boolean, nullable=False),
    Column("created_at", _instant, nullable=False),
    Column("updated_at", _instant, nullable=False),
)

alerts = Table(
    "circular_dependency_alerts",
    _graph,
    Column("id", Uuid, primary_key=True),
    Column("cycle_path", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("detected_at", _instant, nullable=False),
    Column("acknowledged_by", Text),
    Column("resolution_notes", Text),
    Column("resolved_at", _instant),
)

generation = Table(
    "generation",
    _graph,
    Column("value", BigInteger, nullable=False),
    Column("revision", Uuid, nullable=False),
)

stored_answers = Table(
    "stored_answers",
    _graph,
    Column("key_id", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("body_digest", LargeBinary, nullable=False),
    Column("answer", JSON, nullable=False),
    Column("created_at", _instant, nullable=False),
)
