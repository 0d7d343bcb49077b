from api_access import Requirement

_READ = Requirement("read", "query")
_WRITE = Requirement("write", "ingestion")
_OPEN = frozenset({"/api/v1/health", "/api/v1/health/ready"})


def access_policy(method: str, path: str) -> Requirement | None:
    """What a request must bring: everything below `/api/` wants a key, reads and writes apart."""
    if not path.startswith("/api/") or path in _OPEN:
        return None
    return _READ if method in ("GET", "HEAD", "OPTIONS") else _WRITE
