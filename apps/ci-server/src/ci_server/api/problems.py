"""The one table from what can be wrong to how it is answered."""

from ci_server.domain import errors
from ci_server.intake.scan import ScanUnavailable
from ci_server.intake.upload import UploadUnwritable
from problem_details import ProblemKind

_SOON = {"Retry-After": "1"}
_LATER = {"Retry-After": "30"}

PROBLEMS: dict[type[Exception], ProblemKind] = {
    errors.JobNotFound: ProblemKind(404, "job-not-found", "Job not found"),
    errors.AttemptNotFound: ProblemKind(404, "attempt-not-found", "Attempt not found"),
    errors.JobHasEnded: ProblemKind(409, "job-has-ended", "Job has ended"),
    errors.JobHasNotEnded: ProblemKind(409, "job-has-not-ended", "Job has not ended"),
    errors.UploadTooLarge: ProblemKind(413, "upload-too-large", "Upload too large"),
    errors.UploadRefused: ProblemKind(422, "upload-refused", "Upload refused"),
    UploadUnwritable: ProblemKind(503, "upload-unwritable", "Upload cannot be stored", headers=_LATER),
    ScanUnavailable: ProblemKind(503, "scan-unavailable", "Scan unavailable", headers=_LATER),
    errors.StorageUnavailable: ProblemKind(
        503, "database-unavailable", "Database unavailable", headers=_SOON
    ),
}
