class JobNotFound(LookupError):
    """There is no such job that the asker may see."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"There is no job {job_id!r} of yours; GET /jobs lists them.")


class AttemptNotFound(LookupError):
    """The job has not had so many attempts."""

    def __init__(self, job_id: str, number: int) -> None:
        super().__init__(f"The job {job_id!r} has no attempt {number}; GET /jobs/{job_id} names the latest.")


class JobHasEnded(Exception):
    """What has ended cannot be cancelled."""

    def __init__(self, job_id: str, status: str) -> None:
        super().__init__(f"The job {job_id!r} is {status} and cannot be cancelled.")


class JobHasNotEnded(Exception):
    """What has not ended cannot be retried."""

    def __init__(self, job_id: str, status: str) -> None:
        super().__init__(f"The job {job_id!r} is {status}; cancel it, or wait for its end, before a retry.")


class ClaimLost(Exception):
    """The attempt is not running any more as far as the database knows; the text is its job's id."""


class StorageUnavailable(Exception):
    """The database cannot be reached, or does not answer as it should; nothing was changed."""


class UploadRefused(Exception):
    """A zip that is not acceptable; the text says why and what to do. Nothing of it is kept."""


class UploadTooLarge(UploadRefused):
    """A zip, or what is in it, is larger than the server takes."""
