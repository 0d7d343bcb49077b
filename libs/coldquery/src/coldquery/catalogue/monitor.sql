-- What pg_monitor tells. Durations are in seconds, sizes in bytes. Of other roles' connections, PostgreSQL shows who
-- is not in pg_read_all_stats neither state nor query.

-- name: shown_query
-- On pg_stat_activity AS a: at most 2000 characters of it, and no password that somebody sets right now.
regexp_replace(left(a.query, 2000), '(password\s+)(e|u&)?''([^'']|'''')*(''|$)', '\1''***''', 'gi')

-- name: sees_all
pg_has_role('pg_read_all_stats', 'USAGE')

-- name: seconds_since_transaction
extract(epoch FROM clock_timestamp() - a.xact_start)::float8

-- name: health
SELECT current_setting('server_version') AS version,
    current_database()::text AS database,
    current_user::text AS role,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
    NOT EXISTS (
        SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'f', 'v') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
            AND has_schema_privilege(n.oid, 'USAGE')
            AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
    ) AND NOT EXISTS (
        SELECT FROM pg_namespace AS n WHERE n.nspname !~ '^pg_' AND has_schema_privilege(n.oid, 'CREATE')
    ) AND NOT has_database_privilege(current_database(), 'CREATE') AS reads_only,
    {sees_all} AS sees_all,
    pg_is_in_recovery() AS standby,
    extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS uptime_seconds,
    (SELECT coalesce(sum(numbackends), 0)::int FROM pg_stat_database) AS connections_used,
    current_setting('max_connections')::int AS connections_max,
    (
        SELECT blks_hit::float8 / nullif(blks_hit + blks_read, 0)
        FROM pg_stat_database WHERE datname = current_database()
    ) AS cache_hit_ratio,
    (
        SELECT max({seconds_since_transaction})
        FROM pg_stat_activity AS a WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
    ) AS oldest_transaction_seconds,
    (SELECT count(DISTINCT pid)::int FROM pg_locks WHERE NOT granted) AS waiting_for_locks,
    CASE
        WHEN pg_is_in_recovery() THEN CASE
            WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8
        END
        ELSE (SELECT max(extract(epoch FROM replay_lag))::float8 FROM pg_stat_replication)
    END AS replication_lag_seconds,
    (SELECT max(age(datfrozenxid)) FROM pg_database) AS transaction_id_age,
    current_setting('autovacuum_freeze_max_age')::int AS freeze_max_age

-- name: activity
-- Of database $1 (NULL: of all), with those that do nothing where $2, at most $3.
SELECT count(*) OVER () AS total, a.pid, a.datname::text AS database, a.usename::text AS role,
    a.application_name AS application, host(a.client_addr) AS client, a.backend_type AS kind, a.state,
    a.wait_event_type, a.wait_event,
    CASE WHEN a.wait_event_type = 'Lock' THEN pg_blocking_pids(a.pid) ELSE '{}' END AS blocked_by,
    {seconds_since_transaction} AS transaction_seconds,
    CASE WHEN a.state = 'active' THEN extract(epoch FROM clock_timestamp() - a.query_start)::float8 END
        AS query_seconds,
    extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS state_seconds,
    {shown_query} AS query
FROM pg_stat_activity AS a
WHERE a.pid <> pg_backend_pid() AND (a.state IS NOT NULL OR a.backend_type = 'client backend')
    AND ($1::text IS NULL OR a.datname = $1::text) AND ($2::bool OR a.state IS DISTINCT FROM 'idle')
ORDER BY a.xact_start NULLS LAST, a.pid
LIMIT $3::int

-- name: connections
-- Counted by state, database, role and application, of database $1 (NULL: of all).
SELECT CASE WHEN grouping(a.state) = 0 THEN 'state' WHEN grouping(a.datname) = 0 THEN 'database'
        WHEN grouping(a.usename) = 0 THEN 'role' ELSE 'application' END AS by,
    CASE WHEN grouping(a.state) = 0 THEN a.state WHEN grouping(a.datname) = 0 THEN a.datname::text
        WHEN grouping(a.usename) = 0 THEN a.usename::text ELSE a.application_name END AS name,
    count(*)::int AS count
FROM pg_stat_activity AS a
WHERE a.backend_type = 'client backend' AND ($1::text IS NULL OR a.datname = $1::text)
GROUP BY GROUPING SETS ((a.state), (a.datname), (a.usename), (a.application_name))
ORDER BY count(*) DESC, 2

-- name: room
SELECT (SELECT coalesce(sum(numbackends), 0)::int FROM pg_stat_database) AS used,
    current_setting('max_connections')::int AS max,
    current_setting('superuser_reserved_connections')::int AS reserved_for_superusers,
    {sees_all} AS sees_all

-- name: locks
-- One row for each wait: who waits, for what, and for whom. A prepared transaction has the pid 0. A row of
-- pg_locks names a relation by its oid in the database of the lock, which only here can be looked up.
SELECT count(*) OVER () AS total, a.pid, a.datname::text AS database, a.usename::text AS role,
    {shown_query} AS query,
    extract(epoch FROM clock_timestamp() - l.waitstart)::float8 AS waiting_seconds,
    l.locktype AS lock, l.mode,
    CASE WHEN l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) THEN
        (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = l.relation)
    END AS relation,
    holder.*
FROM pg_locks AS l
JOIN pg_stat_activity AS a ON a.pid = l.pid
CROSS JOIN LATERAL unnest(pg_blocking_pids(l.pid)) AS blocking (pid)
LEFT JOIN LATERAL ({holder}) AS holder ON true
WHERE NOT l.granted AND ($1::text IS NULL OR a.datname = $1::text)
ORDER BY l.waitstart NULLS LAST, a.pid, blocking.pid
LIMIT $2::int

-- name: holder
SELECT blocking.pid AS holder_pid, a.usename::text AS holder_role, a.application_name AS holder_application,
    a.state AS holder_state, {seconds_since_transaction} AS holder_transaction_seconds,
    cardinality(pg_blocking_pids(blocking.pid)) > 0 AS holder_waits, {shown_query} AS holder_query
FROM (SELECT 1) AS one LEFT JOIN pg_stat_activity AS a ON a.pid = blocking.pid

-- name: databases
-- The sizes of those that this role may ask about.
SELECT d.datname::text AS name,
    CASE WHEN has_database_privilege(d.oid, 'CONNECT') OR {sees_all} THEN pg_database_size(d.oid) END AS bytes
FROM pg_database AS d
WHERE NOT d.datistemplate AND ($1::text IS NULL OR d.datname = $1::text)
ORDER BY bytes DESC NULLS LAST, d.datname
LIMIT $2::int

-- name: largest_tables
-- To measure a table takes a lock on it: one that another holds exclusively is told by what the last vacuum counted.
WITH exclusively AS (
    SELECT DISTINCT relation FROM pg_locks
    WHERE mode = 'AccessExclusiveLock' AND granted AND pid IS DISTINCT FROM pg_backend_pid()
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
), measured AS (
    SELECT n.nspname::text AS "schema", c.relname::text AS name,
        CASE WHEN e.relation IS NULL THEN pg_total_relation_size(c.oid)
            ELSE c.relpages * current_setting('block_size')::bigint END AS total_bytes,
        CASE WHEN e.relation IS NULL THEN pg_table_size(c.oid)
            ELSE c.relpages * current_setting('block_size')::bigint END AS table_bytes,
        CASE WHEN e.relation IS NULL THEN pg_indexes_size(c.oid) END AS indexes_bytes,
        {row_estimate} AS row_estimate,
        e.relation IS NULL AS measured
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN exclusively AS e ON e.relation = c.oid
    WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
)
SELECT count(*) OVER () AS total, measured.* FROM measured
ORDER BY total_bytes DESC, "schema", name
LIMIT $1::int

-- name: statements_extension
-- The schema of pg_stat_statements, if it is installed here; and whether its library is loaded, which alone knows its
-- settings.
SELECT (
        SELECT n.nspname::text FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
        WHERE e.extname = 'pg_stat_statements'
    ) AS "schema",
    current_setting('pg_stat_statements.max', true) IS NOT NULL AS loaded,
    {sees_all} AS sees_all

-- name: slowest_statements
-- [statements] stands for the extension's view, quoted.
SELECT d.datname::text AS database, r.rolname::text AS role, a.calls, a.total_exec_time AS total_ms,
    a.mean_exec_time AS mean_ms, a.max_exec_time AS max_ms, a.rows,
    a.shared_blks_hit::float8 / nullif(a.shared_blks_hit + a.shared_blks_read, 0) AS cache_hit_ratio,
    a.temp_blks_written AS temp_blocks_written, {shown_query} AS query
FROM [statements] AS a
LEFT JOIN pg_database AS d ON d.oid = a.dbid
LEFT JOIN pg_roles AS r ON r.oid = a.userid
WHERE $1::text IS NULL OR d.datname = $1::text
ORDER BY a.total_exec_time DESC
LIMIT $2::int

-- name: longest_running
SELECT a.pid, a.datname::text AS database, a.usename::text AS role,
    extract(epoch FROM clock_timestamp() - a.query_start)::float8 * 1000 AS running_ms, {shown_query} AS query
FROM pg_stat_activity AS a
WHERE a.pid <> pg_backend_pid() AND a.state = 'active' AND a.backend_type = 'client backend'
    AND ($1::text IS NULL OR a.datname = $1::text)
ORDER BY a.query_start, a.pid
LIMIT $2::int

-- name: statistics_since
-- To the second, or NULL where they were never reset.
SELECT stats_reset AS since FROM pg_stat_database WHERE datname = current_database()

-- name: unused_indexes
-- An index that keeps rows unique, or is a table's identity for replication, is of use without being scanned.
SELECT s.schemaname::text AS "schema", s.relname::text AS "table", s.indexrelname::text AS name,
    pg_relation_size(s.indexrelid) AS bytes, pg_get_indexdef(s.indexrelid) AS definition
FROM pg_stat_user_indexes AS s
JOIN pg_index AS i ON i.indexrelid = s.indexrelid
WHERE s.idx_scan = 0 AND i.indisvalid AND NOT i.indisunique AND NOT i.indisexclusion AND NOT i.indisreplident
ORDER BY bytes DESC, 1, 3
LIMIT $1::int

-- name: duplicate_indexes
-- Indexes of one table with the same method, columns, order, operators, expressions and condition.
SELECT n.nspname::text AS "schema", t.relname::text AS "table",
    array_agg(c.relname::text ORDER BY i.indisprimary DESC, i.indisunique DESC, c.relname) AS names,
    sum(pg_relation_size(c.oid))::bigint AS bytes,
    min(pg_get_indexdef(c.oid)) AS definition
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND i.indisvalid
GROUP BY n.nspname, t.relname, i.indrelid, c.relam, i.indkey::text, i.indnkeyatts, i.indclass::text,
    i.indcollation::text, i.indoption::text, pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid)
HAVING count(*) > 1
ORDER BY bytes DESC, 1, 2
LIMIT $1::int

-- name: invalid_indexes
-- What a CREATE INDEX CONCURRENTLY that failed, or still runs, leaves.
SELECT n.nspname::text AS "schema", t.relname::text AS "table", c.relname::text AS name,
    pg_relation_size(c.oid) AS bytes, pg_get_indexdef(c.oid) AS definition
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_class AS t ON t.oid = i.indrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT (i.indisvalid AND i.indisready) AND c.relkind = 'i'
ORDER BY 1, 3
LIMIT $1::int

-- name: unindexed_foreign_keys
-- A DELETE of a row referred to has to look through all of the other table, where no index begins with the key.
SELECT n.nspname::text AS "schema", c.relname::text AS "table", k.conname::text AS name,
    {key_columns} AS columns, pg_relation_size(c.oid) AS table_bytes
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND NOT EXISTS (
    SELECT FROM pg_index AS i
    WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL
        AND (string_to_array(i.indkey::text, ' ')::int2[])[1:cardinality(k.conkey)] @> k.conkey
)
ORDER BY table_bytes DESC, 1, 2, 3
LIMIT $1::int

-- name: vacuum_tables
-- `due`: autovacuum would see to it, by the table's own settings or the server's.
WITH options AS (
    SELECT c.oid,
        max(o.option_value) FILTER (WHERE o.option_name = 'autovacuum_vacuum_threshold') AS threshold,
        max(o.option_value) FILTER (WHERE o.option_name = 'autovacuum_vacuum_scale_factor') AS factor,
        max(o.option_value) FILTER (WHERE o.option_name = 'autovacuum_enabled') AS enabled
    FROM pg_class AS c CROSS JOIN LATERAL pg_options_to_table(c.reloptions) AS o
    GROUP BY c.oid
)
SELECT count(*) OVER () AS total, s.schemaname::text AS "schema", s.relname::text AS name,
    s.n_live_tup AS live_rows, s.n_dead_tup AS dead_rows,
    s.n_dead_tup::float8 / nullif(s.n_live_tup + s.n_dead_tup, 0) AS dead_ratio,
    s.n_dead_tup > coalesce(o.threshold, current_setting('autovacuum_vacuum_threshold'))::float8
        + coalesce(o.factor, current_setting('autovacuum_vacuum_scale_factor'))::float8 * greatest(c.reltuples, 0)
        AS due,
    coalesce(o.enabled, 'true')::bool AS autovacuum,
    s.last_vacuum, s.last_autovacuum, s.last_analyze, s.last_autoanalyze,
    s.n_mod_since_analyze AS modified_since_analyze,
    age(c.relfrozenxid) AS transaction_id_age,
    EXISTS (SELECT FROM pg_stat_progress_vacuum AS v WHERE v.relid = c.oid) AS vacuuming
FROM pg_stat_user_tables AS s
JOIN pg_class AS c ON c.oid = s.relid
LEFT JOIN options AS o ON o.oid = c.oid
WHERE c.relkind IN ('r', 'm')
ORDER BY s.n_dead_tup DESC, age(c.relfrozenxid) DESC, 2, 3
LIMIT $1::int

-- name: freezing
SELECT d.datname::text AS name, age(d.datfrozenxid) AS transaction_id_age, mxid_age(d.datminmxid) AS multixact_age
FROM pg_database AS d
ORDER BY age(d.datfrozenxid) DESC, d.datname
LIMIT $1::int

-- name: autovacuum
SELECT current_setting('autovacuum')::bool AS autovacuum,
    current_setting('autovacuum_freeze_max_age')::int AS freeze_max_age
