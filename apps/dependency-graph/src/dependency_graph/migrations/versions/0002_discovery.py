"""Runs of the sources, spans that wait for their other half, and an identity for each state of the graph."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UP = [
    # Another database, or this one after a backup is restored, may be at the same generation; what is
    # cached of one must not be taken for the other's.
    "ALTER TABLE graph.generation ADD COLUMN revision uuid NOT NULL DEFAULT gen_random_uuid()",
    """
    CREATE TABLE graph.sync_runs (
        id uuid PRIMARY KEY,
        source text NOT NULL,
        status text NOT NULL CHECK (status IN ('running', 'succeeded', 'failed')),
        started_at timestamptz NOT NULL,
        finished_at timestamptz,
        changes jsonb NOT NULL DEFAULT '{}',
        error text
    )
    """,
    "CREATE INDEX sync_runs_latest ON graph.sync_runs (source, started_at DESC)",
    # Lost in a crash, which costs a minute of unpaired spans; logged, it would cost every request.
    """
    CREATE UNLOGGED TABLE graph.open_spans (
        trace_id bytea NOT NULL,
        span_id bytea NOT NULL,
        communication_mode text NOT NULL,
        is_caller boolean NOT NULL,
        service_id text COLLATE "C" NOT NULL,
        received_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (trace_id, span_id, communication_mode, is_caller, service_id)
    )
    """,
    "CREATE INDEX open_spans_age ON graph.open_spans (received_at)",
    # Covers what an impact is worked out of; half a million rows of the table would be read for a large one.
    "DROP INDEX graph.service_dependencies_upstream",
    """
    CREATE INDEX service_dependencies_upstream ON graph.service_dependencies (target_id, source_id)
        INCLUDE (is_stale, confidence_score, criticality, discovery_source)
    """,
]

DOWN = [
    "DROP INDEX graph.service_dependencies_upstream",
    """
    CREATE INDEX service_dependencies_upstream
        ON graph.service_dependencies (target_id, source_id) INCLUDE (is_stale, confidence_score)
    """,
    "DROP TABLE graph.open_spans",
    "DROP TABLE graph.sync_runs",
    "ALTER TABLE graph.generation DROP COLUMN revision",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
