-- What pg_schema lists. Each statement here finds all of one kind; {page} cuts $2 of them after the first $3,
-- in an order that does not depend on a locale, and tells with each how many there are in all. Past the end
-- there is one row that has the total only. $1 is a schema, or NULL for all but the system's own.

-- name: listed_schema
-- Inside WHERE, on pg_namespace AS n. The temporary schema is this session's own; those of others are nobody's.
CASE
    WHEN $1::text IS NULL THEN
        n.nspname <> 'information_schema' AND (n.nspname !~ '^pg_' OR n.oid = pg_my_temp_schema())
    ELSE n.nspname = $1::text
END

-- name: page
SELECT counted.total, page.*
FROM (SELECT count(*) AS total FROM found) AS counted
LEFT JOIN LATERAL (
    SELECT * FROM found ORDER BY "schema" COLLATE "C", name COLLATE "C", oid LIMIT $2::int OFFSET $3::bigint
) AS page ON true
ORDER BY page."schema" COLLATE "C", page.name COLLATE "C", page.oid

-- name: page_with_sizes
-- Only what is on the page is measured, and only where $4: to measure is to look at files. A partitioned table
-- has none of its own, so its partitions count.
SELECT counted.total, page.*,
    CASE WHEN $4::bool THEN coalesce(
        (SELECT sum(pg_total_relation_size(p.relid))::bigint FROM pg_partition_tree(page.oid) AS p),
        pg_total_relation_size(page.oid)
    ) END AS total_bytes
FROM (SELECT count(*) AS total FROM found) AS counted
LEFT JOIN LATERAL (
    SELECT * FROM found ORDER BY "schema" COLLATE "C", name COLLATE "C", oid LIMIT $2::int OFFSET $3::bigint
) AS page ON true
ORDER BY page."schema" COLLATE "C", page.name COLLATE "C", page.oid

-- name: row_estimate
-- On pg_class AS c: what the last vacuum or analyze counted; NULL when there was none.
CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END

-- name: list_tables
WITH found AS (
    SELECT c.oid, n.nspname::text AS "schema", c.relname::text AS name,
        CASE
            WHEN c.relkind = 'p' THEN 'partitioned table'
            WHEN c.relkind = 'f' THEN 'foreign table'
            WHEN c.relispartition THEN 'partition'
            ELSE 'table'
        END AS kind,
        {row_estimate} AS row_estimate,
        has_table_privilege(c.oid, 'SELECT') AS readable,
        obj_description(c.oid, 'pg_class') AS comment
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f') AND {listed_schema}
)
{page_with_sizes}

-- name: list_views
WITH found AS (
    SELECT c.oid, n.nspname::text AS "schema", c.relname::text AS name,
        CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END AS kind,
        has_table_privilege(c.oid, 'SELECT') AS readable,
        obj_description(c.oid, 'pg_class') AS comment
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND {listed_schema}
)
{page_with_sizes}

-- name: list_indexes
WITH found AS (
    SELECT c.oid, n.nspname::text AS "schema", c.relname::text AS name, t.relname::text AS "table",
        a.amname::text AS method, i.indisunique AS "unique", i.indisprimary AS "primary", i.indisvalid AS valid,
        pg_get_indexdef(c.oid) AS definition
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_class AS t ON t.oid = i.indrelid
    JOIN pg_am AS a ON a.oid = c.relam
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE {listed_schema}
)
{page_with_sizes}

-- name: list_sequences
WITH found AS (
    SELECT c.oid, n.nspname::text AS "schema", c.relname::text AS name,
        format_type(s.seqtypid, NULL) AS type,
        (
            SELECT format('%I.%I.%I', tn.nspname, t.relname, a.attname)
            FROM pg_depend AS d
            JOIN pg_class AS t ON t.oid = d.refobjid
            JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
            JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
            LIMIT 1
        ) AS owned_by
    FROM pg_sequence AS s
    JOIN pg_class AS c ON c.oid = s.seqrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE {listed_schema}
)
{page_with_sizes}

-- name: list_functions
WITH found AS (
    SELECT p.oid, n.nspname::text AS "schema", p.proname::text AS name,
        pg_get_function_identity_arguments(p.oid) AS arguments,
        pg_get_function_result(p.oid) AS returns,
        {function_kind} AS kind,
        l.lanname::text AS language,
        {volatility} AS volatility,
        {extension_of_function} AS extension,
        obj_description(p.oid, 'pg_proc') AS comment
    FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    JOIN pg_language AS l ON l.oid = p.prolang
    WHERE {listed_schema}
)
{page}

-- name: function_kind
CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' WHEN 'w' THEN 'window' ELSE 'function' END

-- name: volatility
CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END

-- name: extension_of_function
(
    SELECT e.extname::text
    FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
        AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
)

-- name: list_schemas
WITH found AS (
    SELECT n.oid, n.nspname::text AS "schema", n.nspname::text AS name,
        pg_get_userbyid(n.nspowner)::text AS owner,
        (SELECT count(*) FROM pg_class AS c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'f')) AS tables,
        has_schema_privilege(n.oid, 'USAGE') AS usable,
        obj_description(n.oid, 'pg_namespace') AS comment
    FROM pg_namespace AS n
    WHERE {listed_schema}
)
{page}

-- name: list_extensions
-- Extensions live in a schema that may be the system's own, as plpgsql does; they are no part of it.
WITH found AS (
    SELECT e.oid, n.nspname::text AS "schema", e.extname::text AS name, e.extversion AS version,
        (SELECT a.default_version FROM pg_available_extensions AS a WHERE a.name = e.extname) AS available_version,
        obj_description(e.oid, 'pg_extension') AS comment
    FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
    WHERE $1::text IS NULL OR n.nspname = $1::text
)
{page}
