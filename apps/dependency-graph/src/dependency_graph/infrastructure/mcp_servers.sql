-- The registry and the workloads of ToolHive. Rows travel as one JSON text, and what would not change is left alone.

-- name: all_registry_entries
SELECT name, images, urls, title, description, transport, status, tier, repository_url, tags, tools
FROM graph.mcp_registry_servers
ORDER BY name;

-- name: save_registry_entries
WITH saved AS (
    INSERT INTO graph.mcp_registry_servers AS known
        (name, images, urls, title, description, transport, status, tier, repository_url, tags, tools)
    SELECT name, images, urls, title, description, transport, status, tier, repository_url, tags, tools
    FROM json_to_recordset(CAST(:rows AS json)) AS told (
        name text, images text[], urls text[], title text, description text, transport text, status text,
        tier text, repository_url text, tags text[], tools text[]
    )
    ON CONFLICT (name) DO UPDATE SET
        images = excluded.images, urls = excluded.urls, title = excluded.title,
        description = excluded.description, transport = excluded.transport, status = excluded.status,
        tier = excluded.tier, repository_url = excluded.repository_url, tags = excluded.tags,
        tools = excluded.tools, updated_at = now()
    WHERE (
        known.images, known.urls, known.title, known.description, known.transport, known.status, known.tier,
        known.repository_url, known.tags, known.tools
    ) IS DISTINCT FROM (
        excluded.images, excluded.urls, excluded.title, excluded.description, excluded.transport,
        excluded.status, excluded.tier, excluded.repository_url, excluded.tags, excluded.tools
    )
    RETURNING 1
)
SELECT count(*) FROM saved;

-- name: delete_registry_entries
-- The foreign key alone would leave how the workloads matched.
WITH unlinked AS (
    UPDATE graph.mcp_workloads AS workload
    SET registry_server_id = NULL, version_differs = false, ambiguous = false, updated_at = now()
    FROM graph.mcp_registry_servers AS entry
    WHERE entry.id = workload.registry_server_id AND entry.name = ANY (CAST(:names AS text[]))
), deleted AS (
    DELETE FROM graph.mcp_registry_servers WHERE name = ANY (CAST(:names AS text[])) RETURNING 1
)
SELECT count(*) FROM deleted;

-- name: all_workloads
SELECT
    workload.runtime, workload.namespace, workload.name, package, remote, workload.status,
    workload.transport, proxy_mode, url, workload_group AS "group", workload.tools, entry.name AS entry,
    version_differs, ambiguous, missed
FROM graph.mcp_workloads AS workload
LEFT JOIN graph.mcp_registry_servers AS entry ON entry.id = workload.registry_server_id
ORDER BY full_name, runtime;

-- name: save_workloads
WITH saved AS (
    INSERT INTO graph.mcp_workloads AS known (
        runtime, namespace, name, package, remote, status, transport, proxy_mode, url, workload_group, tools,
        registry_server_id, version_differs, ambiguous, missed
    )
    SELECT
        runtime, namespace, told.name, package, remote, told.status, told.transport, proxy_mode, url, "group",
        told.tools, entry.id, version_differs, ambiguous, missed
    FROM json_to_recordset(CAST(:rows AS json)) AS told (
        runtime text, namespace text, name text, package text, remote boolean, status text, transport text,
        proxy_mode text, url text, "group" text, tools text[], entry text, version_differs boolean,
        ambiguous boolean, missed boolean
    )
    LEFT JOIN graph.mcp_registry_servers AS entry ON entry.name = told.entry
    ON CONFLICT (runtime, namespace, name) DO UPDATE SET
        package = excluded.package, remote = excluded.remote, status = excluded.status,
        transport = excluded.transport, proxy_mode = excluded.proxy_mode, url = excluded.url,
        workload_group = excluded.workload_group, tools = excluded.tools,
        registry_server_id = excluded.registry_server_id, version_differs = excluded.version_differs,
        ambiguous = excluded.ambiguous, missed = excluded.missed, updated_at = now()
    WHERE (
        known.package, known.remote, known.status, known.transport, known.proxy_mode, known.url,
        known.workload_group, known.tools, known.registry_server_id, known.version_differs, known.ambiguous,
        known.missed
    ) IS DISTINCT FROM (
        excluded.package, excluded.remote, excluded.status, excluded.transport, excluded.proxy_mode,
        excluded.url, excluded.workload_group, excluded.tools, excluded.registry_server_id,
        excluded.version_differs, excluded.ambiguous, excluded.missed
    )
    RETURNING 1
)
SELECT count(*) FROM saved;

-- name: delete_workloads
WITH deleted AS (
    DELETE FROM graph.mcp_workloads AS known
    USING json_to_recordset(CAST(:keys AS json)) AS told (runtime text, namespace text, name text)
    WHERE (known.runtime, known.namespace, known.name) = (told.runtime, told.namespace, told.name)
    RETURNING 1
)
SELECT count(*) FROM deleted;

-- name: server_columns
workload.full_name AS name, workload.runtime, nullif(workload.namespace, '') AS namespace, workload.status,
workload.transport, workload.proxy_mode, workload.url, workload.package, workload.remote,
workload.workload_group AS "group", workload.tools, entry.id IS NOT NULL AS from_registry,
entry.name AS registry_entry_name, workload.version_differs, workload.ambiguous,
'mcp:' || workload.full_name AS service_id, workload.created_at, workload.updated_at

-- name: entry_columns
entry.name, entry.title, entry.description, entry.images, entry.urls, entry.transport, entry.status,
entry.tier, entry.repository_url, entry.tags, entry.tools,
ARRAY(
    SELECT own.full_name FROM graph.mcp_workloads AS own
    WHERE own.registry_server_id = entry.id
    ORDER BY own.full_name
) AS workloads,
entry.created_at, entry.updated_at

-- name: list_mcp_servers
SELECT {server_columns}
FROM graph.mcp_workloads AS workload
LEFT JOIN graph.mcp_registry_servers AS entry ON entry.id = workload.registry_server_id
WHERE workload.full_name > :after
    AND (CAST(:from_registry AS boolean) IS NULL OR (entry.id IS NOT NULL) = :from_registry)
    AND (CAST(:group AS text) IS NULL OR workload.workload_group = :group)
    AND (CAST(:status AS text) IS NULL OR workload.status = :status)
    AND (CAST(:remote AS boolean) IS NULL OR workload.remote = :remote)
ORDER BY workload.full_name, workload.runtime
LIMIT :most;

-- name: find_mcp_server
SELECT
    {server_columns},
    (SELECT row_to_json(described) FROM (SELECT {entry_columns}) AS described WHERE entry.id IS NOT NULL)
        AS registry_entry
FROM graph.mcp_workloads AS workload
LEFT JOIN graph.mcp_registry_servers AS entry ON entry.id = workload.registry_server_id
WHERE workload.full_name = :name
ORDER BY workload.runtime
LIMIT 1;

-- name: list_registry_entries
-- The column's own order is that of bytes, which knows the case of ASCII letters only.
SELECT {entry_columns}
FROM graph.mcp_registry_servers AS entry
WHERE entry.name > :after
    AND (
        CAST(:text AS text) IS NULL
        OR strpos(lower(entry.name COLLATE "default"), lower(CAST(:text AS text))) > 0
    )
    AND (CAST(:remote AS boolean) IS NULL OR (cardinality(entry.urls) > 0) = :remote)
ORDER BY entry.name
LIMIT :most;
