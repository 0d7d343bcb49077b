"""Jobs, their attempts, and the webhooks that are yet to be delivered."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATUSES = "status IN ('queued', 'running', 'completed', 'failed', 'cancelled')"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_jobs()
    _create_attempts()
    _create_webhook_deliveries()


def downgrade() -> None:
    for table in ("webhook_deliveries", "attempts", "jobs"):
        op.drop_table(table, schema="ci")


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("user_name", sa.Text, nullable=False),
        sa.Column("submitted_time", INSTANT, nullable=False),
        sa.Column("latest", sa.Integer, nullable=False),
        sa.Column("command", sa.Text),
        sa.Column("image", sa.Text),
        sa.Column("timeout", sa.Integer, nullable=False),
        sa.Column("memory", sa.BigInteger, nullable=False),
        sa.Column("cpus", sa.Double, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("network", sa.Boolean, nullable=False),
        sa.Column("webhook", sa.Text),
        sa.Column("artifacts", sa.JSON, nullable=False),
        sa.Column("branch", sa.Text),
        sa.Column("commit", sa.Text),
        sa.Column("env", sa.JSON, nullable=False),
        schema="ci",
    )
    op.create_index("jobs_newest", "jobs", ["submitted_time", "job_id"], schema="ci")
    op.create_index("jobs_newest_of_user", "jobs", ["user_name", "submitted_time", "job_id"], schema="ci")
    op.create_index("jobs_of_branch", "jobs", ["user_name", "branch"], schema="ci")


def _create_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("job_id", sa.Text, sa.ForeignKey("ci.jobs.job_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("status", sa.Text, sa.CheckConstraint(STATUSES, name="status_known"), nullable=False),
        sa.Column("success", sa.Boolean),
        sa.Column("queued_time", INSTANT, nullable=False),
        sa.Column("start_time", INSTANT),
        sa.Column("end_time", INSTANT),
        sa.Column("exit_code", sa.Integer),
        sa.Column("reason", sa.Text),
        sa.Column("passed", sa.Integer),
        sa.Column("failed", sa.Integer),
        sa.Column("skipped", sa.Integer),
        sa.Column("errors", sa.Integer),
        sa.Column("duration", sa.Double),
        sa.Column("host", sa.Text),
        sa.Column("runner", sa.Text),
        sa.Column("cancel_wanted", sa.Text),
        sa.Column("log_base", sa.BigInteger),
        sa.Column("started", sa.Boolean, nullable=False),
        schema="ci",
    )
    # No job has two attempts that have not ended, whatever the code does.
    active = sa.text("status IN ('queued', 'running')")
    op.create_index(
        "attempts_active",
        "attempts",
        ["job_id"],
        unique=True,
        schema="ci",
        postgresql_where=active,
        sqlite_where=active,
    )
    op.create_index("attempts_by_end", "attempts", ["end_time", "job_id"], schema="ci")


def _create_webhook_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("delivery_id", sa.Text, primary_key=True),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due_time", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id", "attempt"], ["ci.attempts.job_id", "ci.attempts.number"], ondelete="CASCADE"
        ),
        schema="ci",
    )
    op.create_index("webhook_deliveries_due", "webhook_deliveries", ["due_time"], schema="ci")
    op.create_index("webhook_deliveries_of_attempt", "webhook_deliveries", ["job_id", "attempt"], schema="ci")
