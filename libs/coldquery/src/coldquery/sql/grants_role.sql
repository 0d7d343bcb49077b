-- The role. No name stands inside the block, where it might end the quoting.
SELECT pg_catalog.set_config('coldquery.role', :name, true);
DO $$
DECLARE
    role text := current_setting('coldquery.role');
    it pg_roles;
BEGIN
    SELECT * INTO it FROM pg_roles WHERE rolname = role;
    IF NOT FOUND THEN
        EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', role);
    ELSIF it.rolsuper OR it.rolcreaterole OR it.rolcreatedb OR it.rolreplication OR it.rolbypassrls OR EXISTS (
        SELECT FROM pg_roles AS other
        WHERE pg_has_role(it.oid, other.oid, 'MEMBER') AND (
            other.rolsuper OR other.rolname IN (
                'pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files', 'pg_write_all_data'
            )
        )
    ) THEN
        RAISE EXCEPTION 'the role % may do more than any grant can take from it; choose another with --role', role;
    ELSIF NOT it.rolcanlogin THEN
        EXECUTE format('ALTER ROLE %I LOGIN', role);
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
END
$$;
-- What all sessions do, for pg_monitor. Not the role pg_monitor, which may also see settings that hold passwords.
DO $$
BEGIN
    EXECUTE format('GRANT pg_read_all_stats TO %I', current_setting('coldquery.role'));
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'pg_read_all_stats is not yours to grant: pg_monitor will tell of ColdQuery''s own sessions only';
END
$$;
