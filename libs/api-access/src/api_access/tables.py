from sqlalchemy import JSON, CheckConstraint, Column, MetaData, Table, Text, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from api_access.utc_date_time import UtcDateTime

metadata = MetaData(schema="access")

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("secret_hash", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text).with_variant(JSON(), "sqlite"), nullable=False),
    Column("limits", JSONB().with_variant(JSON(), "sqlite"), nullable=False),
    Column("created_at", UtcDateTime, server_default=func.now(), nullable=False),
    Column("last_used_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    CheckConstraint(
        "scopes <@ ARRAY['read', 'write', 'admin'] AND cardinality(scopes) > 0", name="scopes_known"
    ).ddl_if(dialect="postgresql"),
)
