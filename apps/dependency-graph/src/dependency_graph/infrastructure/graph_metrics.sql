-- What the metrics tell of the graph.

-- name: graph_size
-- Dependencies are counted as rows, one for each source that reports them: that takes an index only.
SELECT services.*, dependencies.*, cycles.*
FROM
    (SELECT
        count(*) FILTER (WHERE discovered) AS discovered_services,
        count(*) FILTER (WHERE NOT discovered) AS registered_services
    FROM graph.services) AS services,
    (SELECT
        count(*) FILTER (WHERE is_stale) AS stale_dependencies,
        count(*) FILTER (WHERE NOT is_stale) AS fresh_dependencies
    FROM graph.service_dependencies) AS dependencies,
    (SELECT count(*) AS open_cycles FROM graph.circular_dependency_alerts WHERE status = 'open') AS cycles;

-- name: last_successes
SELECT source, CAST(extract(epoch FROM max(finished_at)) AS double precision) AS finished_at
FROM graph.sync_runs
WHERE status = 'succeeded'
GROUP BY source;
