-- Questions to the graph that are too long to stand in code, by name.
-- {name} stands for the statement of that name.

-- name: list_alerts
SELECT id AS alert_id, cycle_path, status, detected_at, acknowledged_by, resolution_notes, resolved_at
FROM graph.circular_dependency_alerts
WHERE (CAST(:status AS text) IS NULL OR status = :status)
    AND (
        CAST(:after AS uuid) IS NULL
        OR (detected_at, id) < (
            SELECT detected_at, id FROM graph.circular_dependency_alerts WHERE id = :after
        )
    )
ORDER BY detected_at DESC, id DESC
LIMIT :most;

-- name: counts
(:include_stale OR NOT d.is_stale)

-- name: walkable
-- The criticality asked for is that of the merged dependency, whose attributes are the foremost source's.
{counts} AND d.confidence_score >= :min_confidence
    AND (
        CAST(:dependency_criticality AS text) IS NULL
        OR :dependency_criticality = (
            SELECT other.criticality
            FROM graph.service_dependencies AS other
            WHERE other.source_id = d.source_id AND other.target_id = d.target_id
                AND (:include_stale OR NOT other.is_stale)
            ORDER BY other.is_stale, other.discovery_source
            LIMIT 1
        )
    )

-- name: wanted
-- Whether the service at the far end may be walked into; the start always may.
(
    (:include_external AND CAST(:service_criticality AS text) IS NULL)
    OR d.far_id = (SELECT id FROM start)
    OR EXISTS (
        SELECT FROM graph.services AS far
        WHERE far.id = d.far_id
            AND (:include_external OR far.service_type <> 'external')
            AND (:service_criticality IS NULL OR far.criticality = :service_criticality)
    )
)

-- name: edges
-- One edge for each pair of `walked` whose ends are `named`, merged of all sources that report it.
merged AS (
    SELECT
        source.service_id AS source, target.service_id AS target,
        (array_agg(d ORDER BY d.is_stale, d.discovery_source))[1] AS foremost,
        (array_agg(d ORDER BY d.is_stale, d.discovery_source) FILTER (WHERE d.request_rate IS NOT NULL))[1]
            AS observed,
        max(d.confidence_score) AS confidence_score,
        array_agg(d.discovery_source ORDER BY d.discovery_source) AS discovery_sources,
        max(d.last_observed_at) AS last_observed_at,
        bool_and(d.is_stale) AS is_stale
    FROM walked
    JOIN named AS source ON source.id = walked.source_id
    JOIN named AS target ON target.id = walked.target_id
    JOIN graph.service_dependencies AS d
        ON d.source_id = walked.source_id AND d.target_id = walked.target_id
    WHERE {counts}
    GROUP BY source.service_id, target.service_id
),
edges AS (
    SELECT
        source, target, (foremost).communication_mode, (foremost).criticality, (foremost).protocol,
        (foremost).timeout_ms, (foremost).retry_config, confidence_score, (foremost).discovery_source,
        discovery_sources, (observed).request_rate, (observed).error_rate, (observed).p95_ms,
        last_observed_at, is_stale
    FROM merged
)

-- name: dependencies_of
-- What a service depends on and what depends on it, to a depth, as the finished answer.
--
-- A pair of services has one row for each source that reports it. A row counts if it is fresh enough, so a
-- pair is walked if one of its counting rows is sure enough, and what is shown of it is merged from all that
-- count: attributes of the source with the highest priority (the order of the enum; fresh before stale),
-- traffic of the first that has any, the best confidence, the latest observation.
--
-- The walks deduplicate on service and distance; a path array would grow without bound on dense graphs.
WITH RECURSIVE start AS (
    SELECT id, service_id FROM graph.services WHERE service_id = :service_id
),
downstream (id, distance) AS (
    SELECT id, 0 FROM start WHERE :walk_downstream
    UNION
    SELECT d.far_id, near.distance + 1
    FROM downstream AS near
    JOIN (SELECT *, target_id AS far_id FROM graph.service_dependencies) AS d ON d.source_id = near.id
    WHERE near.distance < :depth AND {walkable} AND {wanted}
),
upstream (id, distance) AS (
    SELECT id, 0 FROM start WHERE :walk_upstream
    UNION
    SELECT d.far_id, near.distance + 1
    FROM upstream AS near
    JOIN (SELECT *, source_id AS far_id FROM graph.service_dependencies) AS d ON d.target_id = near.id
    WHERE near.distance < :depth AND {walkable} AND {wanted}
),
below AS MATERIALIZED (SELECT id, min(distance) AS distance FROM downstream GROUP BY id),
above AS MATERIALIZED (SELECT id, min(distance) AS distance FROM upstream GROUP BY id),
reached AS MATERIALIZED (
    SELECT id, min(distance) AS distance
    FROM (SELECT * FROM below UNION ALL SELECT * FROM above) AS both_ways
    WHERE distance > 0
    GROUP BY id
),
walked AS MATERIALIZED (
    SELECT d.source_id, d.target_id
    FROM below AS near
    JOIN (SELECT *, target_id AS far_id FROM graph.service_dependencies) AS d ON d.source_id = near.id
    WHERE near.distance < :depth AND {walkable} AND {wanted}
    UNION
    SELECT d.source_id, d.target_id
    FROM above AS near
    JOIN (SELECT *, source_id AS far_id FROM graph.service_dependencies) AS d ON d.target_id = near.id
    WHERE near.distance < :depth AND {walkable} AND {wanted}
),
kept AS MATERIALIZED (
    SELECT reached.distance, s.*
    FROM reached JOIN graph.services AS s ON s.id = reached.id
    ORDER BY reached.distance, s.service_id
    LIMIT :most_nodes
),
named (id, service_id) AS MATERIALIZED (
    SELECT id, service_id FROM start UNION ALL SELECT id, service_id FROM kept
),
{edges},
nodes AS (
    SELECT service_id, id, team, criticality, service_type, metadata, discovered, distance FROM kept
),
statistics AS (
    SELECT
        (SELECT count(*) FROM kept) AS total_nodes,
        (SELECT count(*) FROM edges) AS total_edges,
        (SELECT count(*) FROM above JOIN kept USING (id)) AS upstream_services,
        (SELECT count(*) FROM below JOIN kept USING (id)) AS downstream_services,
        (SELECT coalesce(max(distance), 0) FROM kept) AS max_depth_reached,
        (SELECT count(*) FROM reached) - (SELECT count(*) FROM kept) AS omitted_nodes,
        (SELECT count(*) FROM walked) - (SELECT count(*) FROM edges) AS omitted_edges
),
answer AS (
    SELECT
        start.service_id,
        CAST(:direction AS text) AS direction,
        CAST(:depth AS integer) AS depth,
        generation.value AS generation,
        (SELECT coalesce(json_agg(nodes ORDER BY distance, service_id), '[]') FROM nodes) AS nodes,
        (SELECT coalesce(json_agg(edges ORDER BY source, target), '[]') FROM edges) AS edges,
        (
            SELECT CASE
                WHEN omitted_nodes > 0 THEN row_to_json(statistics)
                ELSE (SELECT row_to_json(whole) FROM (SELECT
                    total_nodes, total_edges, upstream_services, downstream_services, max_depth_reached
                ) AS whole)
            END
            FROM statistics
        ) AS statistics,
        (SELECT omitted_nodes > 0 FROM statistics) AS truncated
    FROM start, graph.generation
)
SELECT latest.revision, answer.generation, CAST(row_to_json(answer) AS text) AS body
FROM answer, graph.generation AS latest;

-- name: snapshot_nodes
-- Every service as it stands in an answer, but for its distance.
SELECT service_id, CAST(to_json(service_id) AS text) AS quoted, CAST(row_to_json(node) AS text) AS node
FROM (
    SELECT service_id, id, team, criticality, service_type, metadata, discovered FROM graph.services
) AS node
ORDER BY service_id;

-- name: snapshot_edges
-- Every fresh dependency as it stands in an answer.
WITH walked AS (
    SELECT DISTINCT d.source_id, d.target_id FROM graph.service_dependencies AS d WHERE {counts}
),
named AS (SELECT id, service_id FROM graph.services),
{edges}
SELECT source, target, CAST(row_to_json(edges) AS text) AS edge FROM edges ORDER BY source, target;

-- name: more_rows_than
SELECT
    (
        SELECT count(*) > :edges
        FROM (SELECT FROM graph.service_dependencies LIMIT CAST(:edges AS bigint) + 1) AS beginning
    )
    OR (
        SELECT count(*) > :services
        FROM (SELECT FROM graph.services LIMIT CAST(:services AS bigint) + 1) AS beginning
    );

-- name: bytes_in_memory
-- Of JSON in Python at the most: one for each character, or four where any is beyond ASCII.
CASE WHEN octet_length(told) = char_length(told) THEN 1 ELSE 4 END * char_length(told)

-- name: snapshot_nodes_within
-- Those of snapshot_nodes, with the bytes that they take so far; beyond so many there is no JSON to carry over.
SELECT service_id, quoted, taken, CASE WHEN taken <= :most_bytes THEN told END AS node
FROM (
    SELECT
        service_id, quoted, told,
        CAST(sum({bytes_in_memory}) OVER (ORDER BY service_id ROWS UNBOUNDED PRECEDING) AS bigint) AS taken
    FROM (SELECT service_id, quoted, node AS told FROM ({snapshot_nodes}) AS every) AS every
) AS counted
ORDER BY service_id;

-- name: snapshot_edges_within
-- Those of snapshot_edges, in the same manner.
SELECT source, target, CASE WHEN taken <= :most_bytes THEN told END AS edge
FROM (
    SELECT
        source, target, told,
        sum({bytes_in_memory}) OVER (ORDER BY source, target ROWS UNBOUNDED PRECEDING) AS taken
    FROM (SELECT source, target, edge AS told FROM ({snapshot_edges}) AS every) AS every
) AS counted
ORDER BY source, target;
