-- What the transactions that change the graph need. Rows travel as one JSON text, or where there are many as an array for each column.

-- name: find_services
SELECT service_id, metadata, team, criticality, service_type, discovered
FROM graph.services
WHERE service_id = ANY (CAST(:service_ids AS text[]));

-- name: unknown_services
SELECT told.service_id COLLATE "C" AS service_id
FROM unnest(CAST(:service_ids AS text[])) AS told (service_id)
WHERE NOT EXISTS (SELECT FROM graph.services AS known WHERE known.service_id = told.service_id)
ORDER BY 1;

-- name: save_services
-- A row that would not change is left alone, so that the count tells what is new or differs now.
WITH saved AS (
    INSERT INTO graph.services AS known
        (service_id, metadata, team, criticality, service_type, discovered)
    SELECT service_id, metadata, team, criticality, service_type, discovered
    FROM json_to_recordset(CAST(:rows AS json)) AS told (
        service_id text, metadata jsonb, team text, criticality text, service_type text, discovered boolean
    )
    ON CONFLICT (service_id) DO UPDATE SET
        metadata = excluded.metadata, team = excluded.team, criticality = excluded.criticality,
        service_type = excluded.service_type, discovered = excluded.discovered, updated_at = now()
    WHERE (known.metadata, known.team, known.criticality, known.service_type, known.discovered)
        IS DISTINCT FROM
        (excluded.metadata, excluded.team, excluded.criticality, excluded.service_type, excluded.discovered)
    RETURNING 1
)
SELECT count(*) FROM saved;

-- name: delete_service
WITH doomed AS (
    SELECT id FROM graph.services WHERE service_id = :service_id
), counted AS (
    SELECT count(*) AS dependencies
    FROM graph.service_dependencies
    WHERE source_id IN (SELECT id FROM doomed) OR target_id IN (SELECT id FROM doomed)
), deleted AS (
    DELETE FROM graph.services WHERE id IN (SELECT id FROM doomed) RETURNING 1
)
SELECT dependencies FROM counted, deleted;

-- name: idle_placeholders
-- A range for each beginning, as the index on the ids has them in the order of bytes.
SELECT known.service_id
FROM unnest(CAST(:beginnings AS text[])) AS told (beginning)
JOIN graph.services AS known
    ON known.service_id >= told.beginning AND known.service_id < told.beginning || U&'\+10FFFF'
WHERE known.discovered
    AND NOT EXISTS (SELECT FROM graph.service_dependencies AS d WHERE d.source_id = known.id)
    AND NOT EXISTS (SELECT FROM graph.service_dependencies AS d WHERE d.target_id = known.id)
ORDER BY 1;

-- name: withdraw_services
WITH withdrawn AS (
    DELETE FROM graph.services AS known
    WHERE known.service_id = ANY (CAST(:service_ids AS text[])) AND known.discovered
        AND NOT EXISTS (SELECT FROM graph.service_dependencies AS d WHERE d.source_id = known.id)
        AND NOT EXISTS (SELECT FROM graph.service_dependencies AS d WHERE d.target_id = known.id)
    RETURNING known.service_id
)
SELECT service_id FROM withdrawn ORDER BY service_id;

-- name: find_dependencies
SELECT
    pair.source, pair.target, known.discovery_source, known.communication_mode, known.criticality,
    known.protocol, known.timeout_ms, known.retry_config, known.observations,
    known.first_observed_at, known.last_observed_at, known.is_stale, known.request_rate, known.error_rate,
    known.p95_ms
FROM unnest(CAST(:sources AS text[]), CAST(:targets AS text[])) AS pair (source, target)
JOIN graph.services AS source ON source.service_id = pair.source
JOIN graph.services AS target ON target.service_id = pair.target
JOIN graph.service_dependencies AS known ON known.source_id = source.id AND known.target_id = target.id;

-- name: callers_among
SELECT service.service_id FROM graph.services AS service
WHERE service.service_id = ANY(CAST(:service_ids AS text[]))
    AND EXISTS (SELECT FROM graph.service_dependencies AS known WHERE known.source_id = service.id);

-- name: save_dependencies
-- Both ends are there already. As for services, an unchanged row is left alone.
WITH saved AS (
    INSERT INTO graph.service_dependencies AS known (
        source_id, target_id, discovery_source, communication_mode, criticality, protocol, timeout_ms,
        retry_config, observations, confidence_score, first_observed_at, last_observed_at, is_stale,
        request_rate, error_rate, p95_ms
    )
    SELECT
        source.id, target.id, discovery_source, communication_mode, told.criticality, protocol, timeout_ms,
        CAST(retry_config AS jsonb), observations, confidence_score, first_observed_at, last_observed_at, is_stale,
        request_rate, error_rate, p95_ms
    FROM unnest(
        CAST(:source AS text[]), CAST(:target AS text[]),
        CAST(:discovery_source AS graph.discovery_source[]), CAST(:communication_mode AS text[]),
        CAST(:criticality AS text[]), CAST(:protocol AS text[]), CAST(:timeout_ms AS integer[]),
        CAST(:retry_config AS text[]), CAST(:observations AS integer[]),
        CAST(:confidence_score AS double precision[]), CAST(:first_observed_at AS timestamptz[]),
        CAST(:last_observed_at AS timestamptz[]), CAST(:is_stale AS boolean[]),
        CAST(:request_rate AS double precision[]), CAST(:error_rate AS double precision[]),
        CAST(:p95_ms AS double precision[])
    ) AS told (
        source, target, discovery_source, communication_mode, criticality, protocol, timeout_ms, retry_config,
        observations, confidence_score, first_observed_at, last_observed_at, is_stale, request_rate, error_rate,
        p95_ms
    )
    JOIN graph.services AS source ON source.service_id = told.source
    JOIN graph.services AS target ON target.service_id = told.target
    ON CONFLICT (source_id, target_id, discovery_source) DO UPDATE SET
        communication_mode = excluded.communication_mode, criticality = excluded.criticality,
        protocol = excluded.protocol, timeout_ms = excluded.timeout_ms, retry_config = excluded.retry_config,
        observations = excluded.observations, confidence_score = excluded.confidence_score,
        first_observed_at = excluded.first_observed_at, last_observed_at = excluded.last_observed_at,
        is_stale = excluded.is_stale, request_rate = excluded.request_rate, error_rate = excluded.error_rate,
        p95_ms = excluded.p95_ms, updated_at = now()
    WHERE (
        known.communication_mode, known.criticality, known.protocol, known.timeout_ms, known.retry_config,
        known.observations, known.first_observed_at, known.last_observed_at, known.is_stale,
        known.request_rate, known.error_rate, known.p95_ms
    ) IS DISTINCT FROM (
        excluded.communication_mode, excluded.criticality, excluded.protocol, excluded.timeout_ms,
        excluded.retry_config, excluded.observations, excluded.first_observed_at, excluded.last_observed_at,
        excluded.is_stale, excluded.request_rate, excluded.error_rate, excluded.p95_ms
    )
    RETURNING 1
)
SELECT count(*) FROM saved;

-- name: withdraw_dependencies
WITH withdrawn AS (
    DELETE FROM graph.service_dependencies AS known
    USING unnest(CAST(:sources AS text[]), CAST(:targets AS text[])) AS pair (source, target)
    JOIN graph.services AS source ON source.service_id = pair.source
    JOIN graph.services AS target ON target.service_id = pair.target
    WHERE known.source_id = source.id AND known.target_id = target.id
        AND known.discovery_source = CAST(:discovery_source AS graph.discovery_source)
    RETURNING 1
)
SELECT count(*) FROM withdrawn;

-- name: reachable_pairs
-- Every cycle through a dependency lies within what can be reached from its target, and what leads to its source.
-- OFFSET keeps the planner to one step at a time: it expects to reach everything, and would scan whole tables,
-- on fresh ones once for each service. So the walk also ends as soon as there are more pairs than are wanted.
WITH RECURSIVE reached (id) AS (
    SELECT id FROM graph.services WHERE service_id = ANY (CAST(:service_ids AS text[]))
    UNION
    SELECT d.target_id
    FROM reached
    CROSS JOIN LATERAL (
        SELECT target_id FROM graph.service_dependencies WHERE source_id = reached.id AND NOT is_stale OFFSET 0
    ) AS d
)
SELECT near.service_id, far.service_id
FROM reached
CROSS JOIN LATERAL (SELECT service_id FROM graph.services WHERE id = reached.id OFFSET 0) AS near
CROSS JOIN LATERAL (
    SELECT target_id FROM graph.service_dependencies WHERE source_id = reached.id AND NOT is_stale OFFSET 0
) AS d
CROSS JOIN LATERAL (SELECT service_id FROM graph.services WHERE id = d.target_id OFFSET 0) AS far
LIMIT :most + 1;

-- name: leading_pairs
-- The same against the arrows.
WITH RECURSIVE reached (id) AS (
    SELECT id FROM graph.services WHERE service_id = ANY (CAST(:service_ids AS text[]))
    UNION
    SELECT d.source_id
    FROM reached
    CROSS JOIN LATERAL (
        SELECT source_id FROM graph.service_dependencies WHERE target_id = reached.id AND NOT is_stale OFFSET 0
    ) AS d
)
SELECT far.service_id, near.service_id
FROM reached
CROSS JOIN LATERAL (SELECT service_id FROM graph.services WHERE id = reached.id OFFSET 0) AS near
CROSS JOIN LATERAL (
    SELECT source_id FROM graph.service_dependencies WHERE target_id = reached.id AND NOT is_stale OFFSET 0
) AS d
CROSS JOIN LATERAL (SELECT service_id FROM graph.services WHERE id = d.source_id OFFSET 0) AS far
LIMIT :most + 1;

-- name: fresh_pairs
SELECT source.service_id, target.service_id
FROM graph.service_dependencies AS d
JOIN graph.services AS source ON source.id = d.source_id
JOIN graph.services AS target ON target.id = d.target_id
WHERE NOT d.is_stale;

-- name: alerts_through
SELECT id, cycle_path, status, detected_at, acknowledged_by, resolution_notes, resolved_at
FROM graph.circular_dependency_alerts
WHERE cycle_path ?| CAST(:service_ids AS text[]);

-- name: save_alerts
INSERT INTO graph.circular_dependency_alerts AS known
    (id, cycle_path, status, detected_at, acknowledged_by, resolution_notes, resolved_at)
SELECT id, cycle_path, status, detected_at, acknowledged_by, resolution_notes, resolved_at
FROM json_to_recordset(CAST(:rows AS json)) AS told (
    id uuid, cycle_path jsonb, status text, detected_at timestamptz, acknowledged_by text,
    resolution_notes text, resolved_at timestamptz
)
ON CONFLICT (id) DO UPDATE SET
    status = excluded.status, detected_at = excluded.detected_at,
    acknowledged_by = excluded.acknowledged_by, resolution_notes = excluded.resolution_notes,
    resolved_at = excluded.resolved_at;
