"""The registry and the workloads of ToolHive."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UP = [
    """
    CREATE TABLE graph.mcp_registry_servers (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        name text COLLATE "C" NOT NULL UNIQUE,
        images text[] NOT NULL DEFAULT '{}',
        urls text[] NOT NULL DEFAULT '{}',
        title text,
        description text,
        transport text,
        status text,
        tier text,
        repository_url text,
        tags text[] NOT NULL DEFAULT '{}',
        tools text[] NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    # "group" is a word of SQL.
    """
    CREATE TABLE graph.mcp_workloads (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        runtime text NOT NULL,
        namespace text NOT NULL DEFAULT '',
        name text NOT NULL,
        full_name text COLLATE "C" NOT NULL
            GENERATED ALWAYS AS (CASE WHEN namespace = '' THEN name ELSE namespace || '/' || name END) STORED,
        package text NOT NULL,
        remote boolean NOT NULL,
        status text NOT NULL,
        transport text,
        proxy_mode text,
        url text,
        workload_group text,
        tools text[] NOT NULL DEFAULT '{}',
        registry_server_id uuid REFERENCES graph.mcp_registry_servers ON DELETE SET NULL,
        version_differs boolean NOT NULL DEFAULT false,
        ambiguous boolean NOT NULL DEFAULT false,
        missed boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (runtime, namespace, name)
    )
    """,
    "CREATE INDEX mcp_workloads_full_name ON graph.mcp_workloads (full_name)",
    "CREATE INDEX mcp_workloads_registry_server ON graph.mcp_workloads (registry_server_id, full_name)",
]

DOWN = [
    "DROP TABLE graph.mcp_workloads",
    "DROP TABLE graph.mcp_registry_servers",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
