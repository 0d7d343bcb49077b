"""Services, dependencies, alerts, the generation and stored answers."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UP = [
    # The order of the members is the order of priority.
    """
    CREATE TYPE graph.discovery_source AS ENUM
        ('manual', 'service_mesh', 'otel_service_graph', 'kubernetes', 'toolhive')
    """,
    """
    CREATE TABLE graph.services (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        service_id text COLLATE "C" NOT NULL UNIQUE CHECK (char_length(service_id) BETWEEN 1 AND 255),
        metadata jsonb NOT NULL DEFAULT '{}',
        criticality text NOT NULL DEFAULT 'medium' CHECK (criticality IN ('critical', 'high', 'medium', 'low')),
        team text,
        service_type text NOT NULL DEFAULT 'internal'
            CHECK (service_type IN ('internal', 'external', 'database', 'queue')),
        discovered boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """CREATE INDEX services_team ON graph.services (team, service_id)""",
    """
    CREATE TABLE graph.service_dependencies (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        source_id uuid NOT NULL REFERENCES graph.services ON DELETE CASCADE,
        target_id uuid NOT NULL REFERENCES graph.services ON DELETE CASCADE,
        discovery_source graph.discovery_source NOT NULL,
        communication_mode text NOT NULL DEFAULT 'sync' CHECK (communication_mode IN ('sync', 'async')),
        criticality text NOT NULL DEFAULT 'hard' CHECK (criticality IN ('hard', 'soft', 'degraded')),
        protocol text,
        timeout_ms integer,
        retry_config jsonb,
        observations integer NOT NULL DEFAULT 1,
        confidence_score double precision NOT NULL CHECK (confidence_score BETWEEN 0 AND 1),
        request_rate double precision,
        error_rate double precision CHECK (error_rate BETWEEN 0 AND 1),
        p95_ms double precision,
        first_observed_at timestamptz NOT NULL,
        last_observed_at timestamptz NOT NULL,
        is_stale boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CHECK (source_id <> target_id)
    )
    """,
    # Both cover the walks, so that these need not look at the table.
    """
    CREATE UNIQUE INDEX service_dependencies_downstream
        ON graph.service_dependencies (source_id, target_id, discovery_source)
        INCLUDE (is_stale, confidence_score)
    """,
    """
    CREATE INDEX service_dependencies_upstream
        ON graph.service_dependencies (target_id, source_id) INCLUDE (is_stale, confidence_score)
    """,
    """
    CREATE TABLE graph.circular_dependency_alerts (
        id uuid PRIMARY KEY,
        cycle_path jsonb NOT NULL,
        status text NOT NULL CHECK (status IN ('open', 'acknowledged', 'resolved')),
        detected_at timestamptz NOT NULL,
        acknowledged_by text,
        resolution_notes text,
        resolved_at timestamptz
    )
    """,
    # Of a digest, as a long cycle does not fit into an index entry.
    """
    CREATE UNIQUE INDEX circular_dependency_alerts_cycle
        ON graph.circular_dependency_alerts (md5(cycle_path::text))
    """,
    """CREATE INDEX circular_dependency_alerts_members ON graph.circular_dependency_alerts USING gin (cycle_path)""",
    """CREATE TABLE graph.generation (single boolean PRIMARY KEY DEFAULT true CHECK (single), value bigint NOT NULL)""",
    """INSERT INTO graph.generation (value) VALUES (0)""",
    """
    CREATE TABLE graph.stored_answers (
        key_id text NOT NULL,
        idempotency_key text NOT NULL,
        body_digest bytea NOT NULL,
        answer json NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (key_id, idempotency_key)
    )
    """,
    """CREATE INDEX stored_answers_age ON graph.stored_answers (created_at)""",
]

DOWN = [
    "DROP TABLE graph.stored_answers",
    "DROP TABLE graph.generation",
    "DROP TABLE graph.circular_dependency_alerts",
    "DROP TABLE graph.service_dependencies",
    "DROP TABLE graph.services",
    "DROP TYPE graph.discovery_source",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
