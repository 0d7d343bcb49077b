from ci_client.client import CiClient
from ci_client.errors import CiError

WHOLE = 32
"""Hexadecimal digits of an id."""


def find_job(client: CiClient, beginning: str) -> str:
    """The id of the one job whose id begins so. Raises CiError where there is none, or there are several."""
    wanted = beginning.strip().lower().replace("-", "")
    if len(wanted) == WHOLE:
        return wanted
    found = list[str]()
    for job in client.jobs(q=wanted) if wanted else ():
        if job.job_id.startswith(wanted):
            found.append(job.job_id)
        if len(found) > 1:
            raise CiError(f"More than one id begins with {wanted!r}: {', '.join(found)}; type more of it.")
    if not found:
        raise CiError(f"No job of yours has an id that begins with {beginning!r}; `ci list` shows them.")
    return found[0]
