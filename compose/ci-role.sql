-- The role that the CI server works as: it may do that, and nothing else, as jobs that run beside the server can come
-- by its password. Run after each migration, for the tables that are new.
\getenv password CI_ROLE_PASSWORD
BEGIN;
-- The password is for no log.
SET LOCAL log_statement = none;
SET LOCAL log_min_error_statement = panic;
SELECT 'CREATE ROLE ci LOGIN' WHERE to_regrole('ci') IS NULL \gexec
ALTER ROLE ci PASSWORD :'password';

GRANT USAGE ON SCHEMA ci, access TO ci;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ci TO ci;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA ci TO ci;
REVOKE INSERT, UPDATE, DELETE ON ci.alembic_version FROM ci;
-- To know keys, and note when they were used; not to make any.
GRANT SELECT ON ALL TABLES IN SCHEMA access TO ci;
GRANT UPDATE (last_used_at) ON access.api_keys TO ci;
COMMIT;
