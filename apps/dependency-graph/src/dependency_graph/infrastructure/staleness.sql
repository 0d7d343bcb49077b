-- What nobody has seen for long.

-- name: mark_stale
WITH marked AS (
    UPDATE graph.service_dependencies SET is_stale = true, updated_at = now()
    WHERE NOT is_stale AND discovery_source <> 'manual' AND last_observed_at <= :last_observed
    RETURNING 1
)
SELECT count(*) FROM marked;

-- name: unresolved_alerts
SELECT id, cycle_path, status, detected_at, acknowledged_by, resolution_notes, resolved_at
FROM graph.circular_dependency_alerts
WHERE status <> 'resolved';
