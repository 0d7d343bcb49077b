-- What pg_schema describes, a facet by a statement. $1 is the oid of the object, unless told otherwise.

-- name: named
-- Those called $1 in schema $2, or with NULL in any: `place` is where their schema is on the search path $3, from 1
-- (NULL: it is not on it).
SELECT o.oid::bigint AS oid, o.kind, n.nspname::text AS "schema", o.name::text AS name,
    array_position($3::text[], n.nspname::text) AS place
FROM (
    SELECT oid, relnamespace AS namespace, relname AS name, relkind::text AS kind
    FROM pg_class WHERE relname = $1::text
    UNION ALL
    SELECT oid, pronamespace, proname, '()' FROM pg_proc WHERE proname = $1::text
) AS o
JOIN pg_namespace AS n ON n.oid = o.namespace
WHERE ($2::text IS NULL OR n.nspname = $2::text) AND o.kind NOT IN ('t', 'c')
ORDER BY place, n.nspname, o.oid

-- name: columns
SELECT a.attname::text AS name,
    format_type(a.atttypid, a.atttypmod) AS type,
    NOT a.attnotnull AS nullable,
    CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END AS "default",
    CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END AS identity,
    CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END AS generated,
    CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END AS collation,
    CASE WHEN t.typtype = 'e' THEN (
        SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = t.oid
    ) END AS labels,
    col_description(a.attrelid, a.attnum) AS comment
FROM pg_attribute AS a
JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum

-- name: about_relation
SELECT n.nspname::text AS "schema", c.relname::text AS name,
    {relation_kind} AS kind,
    pg_get_userbyid(c.relowner)::text AS owner,
    has_table_privilege(c.oid, 'SELECT') AS readable,
    CASE WHEN c.relkind NOT IN ('v', 'p') AND c.reltuples >= 0 THEN c.reltuples::bigint END AS row_estimate,
    coalesce(
        (SELECT sum(pg_total_relation_size(p.relid))::bigint FROM pg_partition_tree(c.oid) AS p),
        pg_total_relation_size(c.oid)
    ) AS total_bytes,
    pg_table_size(c.oid) AS table_bytes,
    pg_indexes_size(c.oid) AS indexes_bytes,
    c.relrowsecurity AS row_security,
    obj_description(c.oid, 'pg_class') AS comment,
    pg_get_partkeydef(c.oid) AS partitioned_by,
    pg_get_expr(c.relpartbound, c.oid) AS partition_bound,
    CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS definition
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = $1::bigint::oid

-- name: relation_kind
CASE c.relkind
    WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'f' THEN 'foreign table'
    WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' ELSE 'index'
END

-- name: parents
-- What it is a partition of, or inherits from.
SELECT n.nspname::text AS "schema", c.relname::text AS name
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhparent
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE i.inhrelid = $1::bigint::oid
ORDER BY i.inhseqno

-- name: partitions
SELECT n.nspname::text AS "schema", c.relname::text AS name, pg_get_expr(c.relpartbound, c.oid) AS bound
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE i.inhparent = $1::bigint::oid
ORDER BY n.nspname, c.relname

-- name: key_columns
-- On pg_constraint AS k: the names of its columns, in the key's order.
(
    SELECT array_agg(a.attname::text ORDER BY p.place)
    FROM unnest(k.conkey) WITH ORDINALITY AS p (attnum, place)
    JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = p.attnum
)

-- name: constraints
-- Primary key (p), unique (u), check (c) and exclusion (x) constraints.
SELECT k.contype::text AS type, k.conname::text AS name, coalesce({key_columns}, '{}') AS columns,
    pg_get_constraintdef(k.oid) AS definition
FROM pg_constraint AS k
WHERE k.conrelid = $1::bigint::oid AND k.contype IN ('p', 'u', 'c', 'x')
ORDER BY k.conname

-- name: foreign_keys
-- Both ways: those of this table (`outgoing`), and those of others that refer to it. A partition's share of its
-- parent's key is left out, as the parent tells it.
SELECT k.conrelid = $1::bigint::oid AS outgoing, k.conname::text AS name,
    n.nspname::text AS "schema", c.relname::text AS "table", {key_columns} AS columns,
    fn.nspname::text AS references_schema, f.relname::text AS references_table,
    (
        SELECT array_agg(a.attname::text ORDER BY p.place)
        FROM unnest(k.confkey) WITH ORDINALITY AS p (attnum, place)
        JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = p.attnum
    ) AS references_columns,
    pg_get_constraintdef(k.oid) AS definition
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_class AS f ON f.oid = k.confrelid
JOIN pg_namespace AS fn ON fn.oid = f.relnamespace
WHERE k.contype = 'f'
    AND (k.conrelid = $1::bigint::oid OR (k.confrelid = $1::bigint::oid AND k.conparentid = 0))
ORDER BY n.nspname, c.relname, k.conname

-- name: indexes
SELECT c.relname::text AS name, m.amname::text AS method,
    ARRAY(SELECT pg_get_indexdef(c.oid, key, true) FROM generate_series(1, i.indnkeyatts) AS key) AS columns,
    i.indisunique AS "unique", i.indisprimary AS "primary", i.indisvalid AS valid,
    pg_get_expr(i.indpred, i.indrelid) AS predicate,
    pg_relation_size(c.oid) AS bytes,
    pg_get_indexdef(c.oid) AS definition
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_am AS m ON m.oid = c.relam
WHERE i.indrelid = $1::bigint::oid
ORDER BY c.relname

-- name: triggers
SELECT t.tgname::text AS name, t.tgenabled <> 'D' AS enabled, pg_get_triggerdef(t.oid) AS definition
FROM pg_trigger AS t
WHERE t.tgrelid = $1::bigint::oid AND NOT t.tgisinternal
ORDER BY t.tgname

-- name: policies
SELECT p.polname::text AS name,
    CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete'
        ELSE 'all' END AS command,
    p.polpermissive AS permissive,
    pg_get_expr(p.polqual, p.polrelid) AS "using",
    pg_get_expr(p.polwithcheck, p.polrelid) AS with_check
FROM pg_policy AS p
WHERE p.polrelid = $1::bigint::oid
ORDER BY p.polname

-- name: index
SELECT n.nspname::text AS "schema", c.relname::text AS name, 'index' AS kind,
    tn.nspname::text AS table_schema, t.relname::text AS "table", m.amname::text AS method,
    ARRAY(SELECT pg_get_indexdef(c.oid, key, true) FROM generate_series(1, i.indnkeyatts) AS key) AS columns,
    ARRAY(
        SELECT pg_get_indexdef(c.oid, key, true) FROM generate_series(i.indnkeyatts + 1, i.indnatts) AS key
    ) AS included,
    i.indisunique AS "unique", i.indisprimary AS "primary", i.indisvalid AS valid,
    pg_get_expr(i.indpred, i.indrelid) AS predicate,
    pg_relation_size(c.oid) AS bytes,
    coalesce(s.idx_scan, 0) AS scans,
    pg_get_indexdef(c.oid) AS definition,
    obj_description(c.oid, 'pg_class') AS comment
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_class AS t ON t.oid = i.indrelid
JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
JOIN pg_am AS m ON m.oid = c.relam
LEFT JOIN pg_stat_all_indexes AS s ON s.indexrelid = c.oid
WHERE c.oid = $1::bigint::oid

-- name: sequence
-- pg_sequences tells its last value only to who may read it.
SELECT n.nspname::text AS "schema", c.relname::text AS name, 'sequence' AS kind,
    format_type(s.seqtypid, NULL) AS type, s.seqstart AS start, s.seqmin AS minimum, s.seqmax AS maximum,
    s.seqincrement AS increment, s.seqcycle AS cycles, s.seqcache AS cache,
    (SELECT v.last_value FROM pg_sequences AS v WHERE v.schemaname = n.nspname AND v.sequencename = c.relname)
        AS last_value,
    obj_description(c.oid, 'pg_class') AS comment
FROM pg_sequence AS s
JOIN pg_class AS c ON c.oid = s.seqrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = $1::bigint::oid

-- name: functions
-- All that are of one name, in one schema: $1 are their oids.
SELECT pg_get_function_identity_arguments(p.oid) AS identity_arguments,
    pg_get_function_arguments(p.oid) AS arguments,
    pg_get_function_result(p.oid) AS returns,
    {function_kind} AS kind, l.lanname::text AS language, {volatility} AS volatility,
    p.proisstrict AS strict, p.prosecdef AS security_definer,
    CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS parallel,
    {extension_of_function} AS extension,
    CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END AS source,
    obj_description(p.oid, 'pg_proc') AS comment
FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.oid = ANY ($1::bigint[]::oid[])
ORDER BY p.oid
