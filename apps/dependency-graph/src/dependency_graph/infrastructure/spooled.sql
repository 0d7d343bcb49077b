-- What a stream told waits here, before any lock is taken. `line` is the order in which it was told.

-- name: plan_each_time
SET LOCAL plan_cache_mode = force_custom_plan;

-- name: create_told_nodes
CREATE TEMPORARY TABLE told_nodes (line bigint, service_id text COLLATE "C", metadata text) ON COMMIT DROP;

-- name: create_told_edges
CREATE TEMPORARY TABLE told_edges (
    line bigint, source text COLLATE "C", target text COLLATE "C", communication_mode text, criticality text,
    protocol text, timeout_ms integer, retry_config text
) ON COMMIT DROP;

-- name: node_bytes
octet_length(service_id) + coalesce(octet_length(metadata), 0)

-- name: told_nodes
SELECT service_id, metadata
FROM (SELECT DISTINCT ON (service_id) * FROM pg_temp.told_nodes ORDER BY service_id, line DESC) AS last
WHERE {node_bytes} <= :small;

-- name: told_nodes_are_large
SELECT EXISTS (SELECT FROM pg_temp.told_nodes WHERE {node_bytes} > :small);

-- name: large_told_nodes
SELECT place, bytes
FROM (
    SELECT DISTINCT ON (service_id) CAST(ctid AS text) AS place, {node_bytes} AS bytes
    FROM pg_temp.told_nodes
    ORDER BY service_id, line DESC
) AS last
WHERE bytes > :small;

-- name: told_nodes_at
SELECT service_id, metadata
FROM pg_temp.told_nodes
WHERE ctid = ANY(CAST(CAST(:places AS text[]) AS tid[]));

-- name: edge_bytes
octet_length(source) + octet_length(target)
    + coalesce(octet_length(protocol), 0) + coalesce(octet_length(retry_config), 0)

-- name: told_edges
SELECT source, target, communication_mode, criticality, protocol, timeout_ms, retry_config
FROM (SELECT DISTINCT ON (source, target) * FROM pg_temp.told_edges ORDER BY source, target, line DESC) AS last
WHERE {edge_bytes} <= :small;

-- name: told_edges_are_large
SELECT EXISTS (SELECT FROM pg_temp.told_edges WHERE {edge_bytes} > :small);

-- name: large_told_edges
SELECT place, bytes
FROM (
    SELECT DISTINCT ON (source, target) CAST(ctid AS text) AS place, {edge_bytes} AS bytes
    FROM pg_temp.told_edges
    ORDER BY source, target, line DESC
) AS last
WHERE bytes > :small;

-- name: told_edges_at
SELECT source, target, communication_mode, criticality, protocol, timeout_ms, retry_config
FROM pg_temp.told_edges
WHERE ctid = ANY(CAST(CAST(:places AS text[]) AS tid[]));

-- name: told_pairs
SELECT DISTINCT source, target
FROM pg_temp.told_edges
ORDER BY source, target;

-- name: repeated_nodes
SELECT count(*) OVER (), service_id
FROM pg_temp.told_nodes
GROUP BY service_id
HAVING count(*) > 1
ORDER BY min(line)
LIMIT :most;

-- name: repeated_edges
SELECT count(*) OVER (), source, target
FROM pg_temp.told_edges
GROUP BY source, target
HAVING count(*) > 1
ORDER BY min(line)
LIMIT :most;
