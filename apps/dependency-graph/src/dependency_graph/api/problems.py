"""The one table from what can be wrong to how it is answered."""

from dependency_graph.api.body_limit import TOO_LARGE, ContentTooLarge
from dependency_graph.domain import errors
from problem_details import ProblemKind

_SOON = {"Retry-After": "1"}
_LATER = {"Retry-After": "10"}

PROBLEMS: dict[type[Exception], ProblemKind] = {
    errors.ServiceNotFound: ProblemKind(404, "service-not-found", "Service not found"),
    errors.AlertNotFound: ProblemKind(404, "alert-not-found", "Alert not found"),
    errors.McpServerNotFound: ProblemKind(404, "mcp-server-not-found", "MCP server not found"),
    errors.SourceNotFound: ProblemKind(404, "source-not-found", "Source not found"),
    errors.CycleIsGone: ProblemKind(409, "cycle-is-gone", "Cycle is gone"),
    errors.IdempotencyKeyReused: ProblemKind(422, "idempotency-key-reused", "Idempotency-Key reused"),
    errors.IngestInProgress: ProblemKind(409, "ingest-in-progress", "Ingest in progress", headers=_SOON),
    ContentTooLarge: TOO_LARGE,
    errors.GraphUnavailable: ProblemKind(503, "database-unavailable", "Database unavailable", headers=_SOON),
    errors.GraphBusy: ProblemKind(503, "database-busy", "Database busy", headers=_SOON),
    errors.TooManyExports: ProblemKind(503, "too-many-exports", "Too many exports", headers=_LATER),
}
