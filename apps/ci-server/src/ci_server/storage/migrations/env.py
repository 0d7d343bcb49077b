# Identical in every package whose migrations run through `api_access.migrating.Migrations`.
from alembic import context

attributes = context.config.attributes
context.configure(connection=attributes["connection"], **attributes["version_table"])
with context.begin_transaction():
    context.run_migrations()
