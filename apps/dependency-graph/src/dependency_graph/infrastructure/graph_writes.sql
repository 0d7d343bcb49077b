-- What the transactions that change the graph need. Rows travel as one JSON text.

-- name: find_services
SELECT service_id, metadata, team, criticality, service_type, discovered
FROM graph.services
WHERE service_id = ANY (CAST(:service_ids AS text[]));

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

-- name: find_dependencies
SELECT
    pair.source, pair.target, known.discovery_source, known.communication_mode, known.criticality,
    known.protocol, known.timeout_ms, known.retry_config, known.observations,
    known.first_observed_at, known.last_observed_at, known.is_stale, known.request_rate, known.error_rate,
    known.p95_ms
FROM json_to_recordset(CAST(:pairs AS json)) AS pair (source text, target text)
JOIN graph.services AS source ON source.service_id = pair.source
JOIN graph.services AS target ON target.service_id = pair.target
JOIN graph.service_dependencies AS known ON known.source_id = source.id AND known.target_id = target.id;

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
        retry_config, observations, confidence_score, first_observed_at, last_observed_at, is_stale,
        request_rate, error_rate, p95_ms
    FROM json_to_recordset(CAST(:rows AS json)) AS told (
        source text, target text, discovery_source graph.discovery_source, communication_mode text,
        criticality text, protocol text, timeout_ms integer, retry_config jsonb, observations integer,
        confidence_score double precision, first_observed_at timestamptz, last_observed_at timestamptz,
        is_stale boolean, request_rate double precision, error_rate double precision, p95_ms double precision
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

-- name: reachable_pairs
-- Every cycle through a dependency lies within what can be reached from its target.
WITH RECURSIVE reached (id) AS (
    SELECT id FROM graph.services WHERE service_id = ANY (CAST(:service_ids AS text[]))
    UNION
    SELECT d.target_id
    FROM reached
    -- OFFSET keeps the planner, which expects to reach everything, from scanning the whole table.
    CROSS JOIN LATERAL (
        SELECT target_id FROM graph.service_dependencies
        WHERE source_id = reached.id AND NOT is_stale
        OFFSET 0
    ) AS d
)
SELECT source.service_id, target.service_id
FROM reached
CROSS JOIN LATERAL (
    SELECT target_id FROM graph.service_dependencies
    WHERE source_id = reached.id AND NOT is_stale
    OFFSET 0
) AS d
JOIN graph.services AS source ON source.id = reached.id
JOIN graph.services AS target ON target.id = d.target_id;

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
