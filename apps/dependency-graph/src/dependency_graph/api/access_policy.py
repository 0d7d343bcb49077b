import re

from api_access import KEY_ONLY, KeyOnly, Requirement

_READ = Requirement("read", "query")
_WRITE = Requirement("write", "ingestion")
_TRACES = Requirement("write", "traces")
_OPEN = frozenset({"/api/v1/health", "/api/v1/health/ready"})
_RUN_A_SOURCE = re.compile(r"/api/v1/sync/[^/]*")


def access_policy(method: str, path: str) -> Requirement | KeyOnly | None:
    """What a request must bring: everything that is not for operators wants a key, reads and writes apart."""
    if path == "/v1/traces":
        return _TRACES
    if path == "/mcp":
        # Which tool is called, and so what it takes, stands in the body.
        return KEY_ONLY
    if not path.startswith("/api/") or path in _OPEN:
        return None
    if method in ("GET", "HEAD", "OPTIONS"):
        return _READ
    return Requirement("admin", "ingestion") if _RUN_A_SOURCE.fullmatch(path) else _WRITE
