"""How a Job and its pod are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Json = Mapping[str, Any]

IMAGE_TROUBLE = {
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "CreateContainerConfigError",
    "CreateContainerError",
}
OVER = {"Succeeded", "Failed"}
NO_POD = "Kubernetes makes no pod for it; see what `kubectl describe job` says"


@dataclass(frozen=True, slots=True)
class JobState:
    """As Kubernetes tells it."""

    ended: bool = False
    """Nothing of it runs, and nothing will."""
    finished: bool = False
    """It was suspended, or came to its end, or is gone: no pod will be made."""
    overtime: bool = False
    out_of_memory: bool = False
    code: int | None = None
    """That of the pod."""
    held_up: Literal["image", "place"] | None = None
    """Why it has not begun: its image, or because there is no place for its pod."""
    words: str = ""
    """Of Kubernetes, on what holds it up, or what has ended it."""

    @classmethod
    def of(cls, job: Json | None, pods: Sequence[Json]) -> "JobState":
        """Of the resources, None for a Job that is not there."""
        conditions = _conditions(job or {})
        finished = job is None or bool({"Complete", "Failed", "Suspended"} & conditions.keys())
        live = [pod for pod in pods if not has_ended(pod)]
        if live or not (pods or finished):
            held_up, words = _held_up(live[0]) if live else ("place", NO_POD)
            return cls(finished=finished, held_up=held_up, words=words)
        reasons = {conditions.get(name, {}).get("reason") for name in ("Failed", "FailureTarget")}
        last = _ending(pods[-1]) if pods else {}
        return cls(
            ended=True,
            finished=finished,
            overtime="DeadlineExceeded" in reasons,
            out_of_memory=any(_ending(pod).get("reason") == "OOMKilled" for pod in pods),
            code=last.get("exitCode"),
            words=_words(pods[-1], last) if pods else "",
        )


def has_ended(pod: Json) -> bool:
    """Whether nothing of it runs any more."""
    return pod.get("status", {}).get("phase") in OVER or bool(_ending(pod))


def _conditions(resource: Json) -> Mapping[str, Json]:
    found = resource.get("status", {}).get("conditions") or ()
    return {one["type"]: one for one in found if one.get("status") == "True"}


def _container(pod: Json) -> Json:
    return next(iter(pod.get("status", {}).get("containerStatuses") or ()), {}).get("state", {})


def _ending(pod: Json) -> Json:
    return _container(pod).get("terminated") or {}


def _held_up(pod: Json) -> tuple[Literal["image", "place"] | None, str]:
    waiting = _container(pod).get("waiting") or {}
    if waiting.get("reason") in IMAGE_TROUBLE:
        return "image", _said(waiting)
    for condition in pod.get("status", {}).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return "place", _said(condition)
    return None, ""


def _words(pod: Json, ending: Json) -> str:
    """Of the pod itself, which may have been evicted; or else of its container."""
    status = pod.get("status", {})
    return _said(status) or _said(ending)


def _said(what: Json) -> str:
    return ": ".join(part for part in (what.get("reason"), (what.get("message") or "").strip()) if part)
