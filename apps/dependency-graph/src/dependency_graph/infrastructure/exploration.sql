-- What leads to a service, who is next to whom, and the whole graph.

-- name: upstream_of
-- What leads to a service in at most so many steps, as arrays: services in order of their ids, and the pairs
-- between them by their places in that order, each with whether it is hard. It is one row, as half a million
-- of them would take a second to read.
--
-- The walk has one row for each step, with the services that are new in it and all that were reached; so no
-- service is walked from twice, and the arrays never hold more than all services. With a row for each service
-- and distance, deduplicated by UNION, it looked into the index 249,000 times instead of 69,000 where 73,000 of
-- 100,000 services are reached.
WITH RECURSIVE steps (distance, frontier, reached) AS (
    SELECT 0, ARRAY[id], ARRAY[id] FROM graph.services WHERE service_id = :service_id
    UNION ALL
    SELECT steps.distance + 1, next.frontier, steps.reached || next.frontier
    FROM steps
    CROSS JOIN LATERAL (
        SELECT array_agg(id) AS frontier
        FROM (
            SELECT d.source_id AS id
            FROM unnest(steps.frontier) AS near (id)
            JOIN graph.service_dependencies AS d ON d.target_id = near.id
            WHERE NOT d.is_stale
            EXCEPT
            SELECT unnest(steps.reached)
        ) AS found
    ) AS next
    WHERE steps.distance < :depth AND next.frontier IS NOT NULL
),
numbered AS MATERIALIZED (
    SELECT
        s.id, s.service_id, s.criticality, s.team,
        CAST(row_number() OVER (ORDER BY s.service_id) AS integer) - 1 AS number
    FROM (SELECT unnest(frontier) AS id FROM steps) AS near
    JOIN graph.services AS s ON s.id = near.id
),
links AS MATERIALIZED (
    -- The attributes of a pair are those of its foremost source.
    SELECT DISTINCT ON (target.number, source.number)
        source.number AS source, target.number AS target, d.criticality = 'hard' AS is_hard
    FROM numbered AS target
    JOIN graph.service_dependencies AS d ON d.target_id = target.id
    JOIN numbered AS source ON source.id = d.source_id
    WHERE NOT d.is_stale
    ORDER BY target.number, source.number, d.discovery_source
)
SELECT
    generation.value AS generation,
    (SELECT array_agg(service_id ORDER BY number) FROM numbered) AS services,
    (SELECT array_agg(criticality ORDER BY number) FROM numbered) AS criticalities,
    (SELECT array_agg(team ORDER BY number) FROM numbered) AS teams,
    (SELECT coalesce(array_agg(source), '{}') FROM links) AS sources,
    (SELECT coalesce(array_agg(target), '{}') FROM links) AS targets,
    (SELECT coalesce(array_agg(is_hard), '{}') FROM links) AS hard
FROM graph.generation
WHERE EXISTS (SELECT FROM steps);

-- name: known_services
SELECT service_id FROM graph.services WHERE service_id = ANY (:service_ids);

-- name: next_downstream
SELECT DISTINCT near.service_id AS source, far.service_id AS target
FROM graph.services AS near
JOIN graph.service_dependencies AS d ON d.source_id = near.id
JOIN graph.services AS far ON far.id = d.target_id
WHERE near.service_id = ANY (:service_ids) AND NOT d.is_stale;

-- name: next_upstream
SELECT DISTINCT far.service_id AS source, near.service_id AS target
FROM graph.services AS near
JOIN graph.service_dependencies AS d ON d.target_id = near.id
JOIN graph.services AS far ON far.id = d.source_id
WHERE near.service_id = ANY (:service_ids) AND NOT d.is_stale;

-- name: snapshot_nodes_with_targets
-- Every service, with the id and type of each that it depends on.
SELECT
    CAST(row_to_json(node) AS text) AS node,
    CAST(coalesce(
        (
            SELECT json_agg(json_build_array(target.service_id, target.service_type) ORDER BY target.service_id)
            FROM graph.services AS target
            WHERE target.id IN (
                SELECT d.target_id FROM graph.service_dependencies AS d
                WHERE d.source_id = node.id AND {counts}
            )
        ),
        '[]'
    ) AS text) AS targets
FROM (
    SELECT service_id, id, team, criticality, service_type, metadata, discovered FROM graph.services
) AS node
ORDER BY service_id;
