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

-- name: told_nodes
SELECT service_id, metadata
FROM (SELECT DISTINCT ON (service_id) * FROM pg_temp.told_nodes ORDER BY service_id, line DESC) AS last
WHERE (coalesce(octet_length(metadata), 0) > :small) = :large;

-- name: told_nodes_are_large
SELECT EXISTS (SELECT FROM pg_temp.told_nodes WHERE octet_length(metadata) > :small);

-- name: told_edges
SELECT source, target, communication_mode, criticality, protocol, timeout_ms, retry_config
FROM (SELECT DISTINCT ON (source, target) * FROM pg_temp.told_edges ORDER BY source, target, line DESC) AS last
WHERE (coalesce(octet_length(retry_config), 0) > :small) = :large;

-- name: told_edges_are_large
SELECT EXISTS (SELECT FROM pg_temp.told_edges WHERE octet_length(retry_config) > :small);

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
