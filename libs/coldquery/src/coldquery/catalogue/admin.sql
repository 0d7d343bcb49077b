-- What pg_admin needs of the catalogue.

-- name: table_named
-- What $1 can mean: a name, with its schema before it or on the search path $2, as it is stored or as a statement
-- would quote it. A name of one part is that of the first schema on the path that has it.
WITH relation AS (
    SELECT c.oid, n.nspname::text AS "schema", c.relname::text AS name, c.relkind::text AS kind,
        array_position($2::text[], n.nspname::text) AS place, {maintainable} AS maintainable
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I')
), of_the_path AS (
    SELECT DISTINCT ON (name) * FROM relation
    WHERE place IS NOT NULL AND $1::text IN (name, quote_ident(name), '"' || replace(name, '"', '""') || '"')
    ORDER BY name, place
)
SELECT oid::bigint AS oid, "schema", name, kind, maintainable FROM of_the_path
UNION
SELECT oid::bigint, "schema", name, kind, maintainable FROM relation
WHERE $1::text IN (
    "schema" || '.' || name, quote_ident("schema") || '.' || quote_ident(name),
    '"' || replace("schema", '"', '""') || '"."' || replace(name, '"', '""') || '"'
)
ORDER BY "schema", name

-- name: maintainable
-- On pg_class AS c. A table is vacuumed and analyzed by its owner, or the database's; from 17 on also by a grant. Asked
-- of others, PostgreSQL warns and does nothing.
CASE
    WHEN current_setting('server_version_num')::int >= 170000 AND has_table_privilege(c.oid, 'MAINTAIN') THEN true
    ELSE pg_has_role(c.relowner, 'USAGE') OR pg_has_role(
        (SELECT d.datdba FROM pg_database AS d WHERE d.datname = current_database()), 'USAGE'
    )
END

-- name: table_stats
-- Of the table whose oid is $1; NULL: of the $2 largest.
SELECT count(*) OVER () AS total, s.schemaname::text AS "schema", s.relname::text AS name,
    {row_estimate} AS row_estimate,
    s.n_live_tup AS live_rows, s.n_dead_tup AS dead_rows,
    s.seq_scan AS sequential_scans, s.seq_tup_read AS rows_read_sequentially,
    coalesce(s.idx_scan, 0) AS index_scans, coalesce(s.idx_tup_fetch, 0) AS rows_fetched_by_index,
    s.n_tup_ins AS inserted, s.n_tup_upd AS updated, s.n_tup_hot_upd AS updated_in_place, s.n_tup_del AS deleted,
    s.n_mod_since_analyze AS modified_since_analyze,
    (io.heap_blks_hit::float8 / nullif(io.heap_blks_hit + io.heap_blks_read, 0)) AS cache_hit_ratio,
    c.relpages * current_setting('block_size')::bigint AS bytes_estimate,
    s.last_vacuum, s.last_autovacuum, s.last_analyze, s.last_autoanalyze
FROM pg_stat_all_tables AS s
JOIN pg_class AS c ON c.oid = s.relid
LEFT JOIN pg_statio_all_tables AS io ON io.relid = s.relid
WHERE CASE WHEN $1::bigint IS NULL THEN s.schemaname !~ '^pg_' AND s.schemaname <> 'information_schema'
    ELSE s.relid = $1::bigint::oid END
ORDER BY c.relpages DESC, 2, 3
LIMIT $2::int

-- name: column_stats
-- What the planner knows of each column; no values of the table are among it.
SELECT s.attname::text AS name, s.null_frac::float8 AS null_fraction, s.n_distinct::float8 AS distinct_values,
    s.avg_width AS average_bytes, s.correlation::float8 AS correlation
FROM pg_stats AS s
JOIN pg_class AS c ON c.relname = s.tablename
JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = s.schemaname
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = s.attname
WHERE c.oid = $1::bigint::oid AND NOT s.inherited
ORDER BY a.attnum

-- name: shown_setting
-- On pg_settings AS s, without what may be a secret.
s.name, CASE WHEN s.name ~* {secret} AND s.setting <> '' THEN '***' ELSE current_setting(s.name) END AS value,
    s.category, s.short_desc AS description, s.vartype AS type, s.unit, s.source,
    CASE WHEN s.name ~* {secret} AND s.boot_val <> '' THEN '***' ELSE s.boot_val END AS "default",
    s.min_val AS minimum, s.max_val AS maximum, s.enumvals AS allowed, {settable} AS settable, s.pending_restart

-- name: secret
'(conninfo|password|passphrase_command|secret|token|api_key)$'

-- name: settable
CASE s.context
    WHEN 'user' THEN 'by anyone' WHEN 'superuser' THEN 'by a superuser'
    WHEN 'backend' THEN 'at connection' WHEN 'superuser-backend' THEN 'at connection'
    WHEN 'sighup' THEN 'by a reload' WHEN 'postmaster' THEN 'by a restart' ELSE 'not at all'
END

-- name: settings_of
-- Those of the categories that have $1 in their names, at most $2; NULL: those that are not as they come.
SELECT count(*) OVER () AS total, {shown_setting}
FROM pg_settings AS s
WHERE CASE WHEN $1::text IS NULL THEN s.source NOT IN ('default', 'override')
    ELSE position(lower($1::text) IN lower(s.category)) > 0 END
ORDER BY s.category, s.name
LIMIT $2::int

-- name: categories
SELECT s.category AS name, count(*)::int AS settings FROM pg_settings AS s GROUP BY 1 ORDER BY 1

-- name: setting_named
-- A setting of an extension that is not loaded is a text without more.
SELECT {shown_setting} FROM pg_settings AS s WHERE lower(s.name) = lower($1::text)

-- name: placeholder
SELECT CASE WHEN $1::text ~* {secret} AND current_setting($1::text, true) <> '' THEN '***'
    ELSE current_setting($1::text, true) END AS value

-- name: settings_like
SELECT s.name FROM pg_settings AS s WHERE position(lower($1::text) IN lower(s.name)) > 0 ORDER BY s.name LIMIT 5

-- name: this_database
SELECT current_database()::text AS name

-- name: setting_now
-- Run under whatever search path there is.
SELECT pg_catalog.current_database()::pg_catalog.text AS database,
    CASE WHEN $1::pg_catalog.text OPERATOR(pg_catalog.~*) {secret} THEN '***'
    ELSE pg_catalog.current_setting($1::pg_catalog.text, true) END AS value

-- name: set_locally
-- As SET LOCAL.
SELECT pg_catalog.set_config($1::pg_catalog.text, $2::pg_catalog.text, true) IS NOT NULL AS done
