class CiError(Exception):
    """What was asked of a CI server cannot be had; the text says why and what to do, and holds no secret."""


class SettingsMissing(CiError):
    """It is not said which server to ask, or a setting is not acceptable."""


class NothingToSubmit(CiError):
    """The folder is none, or has no file that belongs to the project."""


class UnreadableProject(CiError):
    """A file of the project, or the place for the zip, cannot be used."""


class ServerUnavailable(CiError):
    """The server cannot be reached, broke off, or answered 5xx.

    Where it is `uncertain`, the server may have done what it was asked. `retry_after`: seconds it wants to be left.
    """

    def __init__(self, why: str, *, uncertain: bool = True, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.uncertain = uncertain
        self.retry_after = retry_after


class StrangeAnswer(CiError):
    """What answers is not a CI server, or not as this version knows it."""


class Refused(CiError):
    """The server refuses; `status` is that of HTTP, the text has the server's reasons."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status


class NotAllowed(Refused):
    """The API key is missing, not known (401), or does not reach so far (403)."""


class NotFound(Refused):
    """There is no such job of the key's user, or the job has no such attempt or artifact."""


class TooManyRequests(Refused):
    """More was asked than the API key may; `retry_after` is in seconds."""

    def __init__(self, why: str, retry_after: float) -> None:
        super().__init__(why, 429)
        self.retry_after = retry_after


class SubmissionUncertain(CiError):
    """The connection broke off during a submission: it is not known whether there is a job now."""


class StreamLost(CiError):
    """The events of a job could not be followed to their end. The job goes on all the same."""

    def __init__(self, why: str, job_id: str) -> None:
        super().__init__(why)
        self.job_id = job_id
