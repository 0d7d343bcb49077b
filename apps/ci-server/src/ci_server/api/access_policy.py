import re

from api_access import Requirement

READ = Requirement("read", "read")
_SUBMIT = Requirement("write", "submit")
_CANCEL = Requirement("write", "read")
_SUBMISSIONS = frozenset({"/submit", "/submit-stream", "/submit-async"})
_RETRY = re.compile(r"/jobs/[^/]+/retry")


def access_policy(method: str, path: str) -> Requirement | None:
    """What a request must bring: everything that is not for operators wants a key, reads and writes apart.

    Only what makes the server run a job counts as a submission.
    """
    if path in _SUBMISSIONS or (method == "POST" and _RETRY.fullmatch(path)):
        return _SUBMIT
    if path != "/jobs" and not path.startswith("/jobs/"):
        return None
    return READ if method in ("GET", "HEAD", "OPTIONS") else _CANCEL
