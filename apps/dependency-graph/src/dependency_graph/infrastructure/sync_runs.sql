-- Runs of the sources. Who holds the advisory lock (1937337955, hash of the source's name) has its turn.

-- name: take_turn
SELECT pg_try_advisory_lock(1937337955, hashtext(:source));

-- name: turns_taken
SELECT source
FROM unnest(CAST(:sources AS text[])) AS source
WHERE EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 2
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid = 1937337955 AND objid = CAST(hashtext(source) AS oid)
);

-- name: begin_run
-- Nobody else has the turn, so that what is still running was interrupted. Only the last runs are kept.
WITH interrupted AS (
    UPDATE graph.sync_runs SET status = 'failed', error = :interrupted
    WHERE source = :source AND status = 'running'
), pruned AS (
    DELETE FROM graph.sync_runs
    WHERE id IN (
        SELECT id FROM graph.sync_runs
        WHERE source = :source AND status <> 'running'
        ORDER BY started_at DESC
        OFFSET :kept
    )
)
INSERT INTO graph.sync_runs (id, source, status, started_at)
VALUES (:id, :source, 'running', clock_timestamp())
RETURNING id AS run_id, source, status, started_at, finished_at, changes, error;

-- name: finish_run
UPDATE graph.sync_runs
SET status = :status, finished_at = clock_timestamp(), changes = CAST(:changes AS jsonb), error = :error
WHERE id = :id
RETURNING id AS run_id, source, status, started_at, finished_at, changes, error;

-- name: last_runs
SELECT id AS run_id, source, status, started_at, finished_at, changes, error
FROM graph.sync_runs
WHERE source = ANY (CAST(:sources AS text[]))
ORDER BY started_at DESC;
