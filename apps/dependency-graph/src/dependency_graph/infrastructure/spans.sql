-- Spans that wait for their other half. Rows travel as one JSON text, ids in it as hex.

-- name: take_turns_with_spans
-- Two halves that come at the same moment would not see each other. It is a statement of its own, as the
-- next ones must see what was committed while this one waited.
SELECT pg_advisory_xact_lock(hashtextextended('graph.open_spans', 0));

-- name: forget_open_spans
DELETE FROM graph.open_spans WHERE received_at < now() - interval '60 seconds';

-- name: save_open_spans
-- A half that comes again, as a retry or with a new callee, waits from now on.
INSERT INTO graph.open_spans (trace_id, span_id, communication_mode, is_caller, service_id)
SELECT decode(trace_id, 'hex'), decode(span_id, 'hex'), communication_mode, is_caller, service_id
FROM json_to_recordset(CAST(:rows AS json)) AS told (
    trace_id text, span_id text, communication_mode text, is_caller boolean, service_id text
)
ON CONFLICT (trace_id, span_id, communication_mode, is_caller, service_id)
    DO UPDATE SET received_at = excluded.received_at;

-- name: pair_open_spans
-- Callees are done when they are paired; callers stay, as others may answer the same call.
WITH told AS (
    SELECT DISTINCT decode(trace_id, 'hex') AS trace_id, decode(span_id, 'hex') AS span_id
    FROM json_to_recordset(CAST(:rows AS json)) AS told (trace_id text, span_id text)
), paired AS (
    DELETE FROM graph.open_spans AS callee
    USING told, graph.open_spans AS caller
    WHERE callee.trace_id = told.trace_id AND callee.span_id = told.span_id AND NOT callee.is_caller
        AND caller.trace_id = told.trace_id AND caller.span_id = told.span_id AND caller.is_caller
        AND caller.communication_mode = callee.communication_mode
    RETURNING caller.service_id AS source, callee.service_id AS target, callee.communication_mode
)
SELECT DISTINCT source, target, communication_mode FROM paired;
