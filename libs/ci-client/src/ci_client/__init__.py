"""Submits the tests of a project to a CI server, and follows them."""

from ci_client.async_client import AsyncCiClient
from ci_client.client import CiClient
from ci_client.errors import (
    CiError,
    NotAllowed,
    NotFound,
    NothingToSubmit,
    Refused,
    ServerUnavailable,
    SettingsMissing,
    StrangeAnswer,
    StreamLost,
    SubmissionUncertain,
    TooManyRequests,
    UnreadableProject,
)
from ci_client.event_stream import Event, EventStream
from ci_client.models import Artifact, Job, Results
from ci_client.streaming import submit_tests_streaming
from ci_client.submission import Submission

__all__ = [
    "Artifact",
    "AsyncCiClient",
    "CiClient",
    "CiError",
    "Event",
    "EventStream",
    "Job",
    "NotAllowed",
    "NotFound",
    "NothingToSubmit",
    "Refused",
    "Results",
    "ServerUnavailable",
    "SettingsMissing",
    "StrangeAnswer",
    "StreamLost",
    "Submission",
    "SubmissionUncertain",
    "TooManyRequests",
    "UnreadableProject",
    "submit_tests_streaming",
]
