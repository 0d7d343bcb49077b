from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, TypeAdapter

Status = Literal["open", "closed", "merged"]
_STATUS: dict[str, Status] = {"opened": "open", "locked": "open", "closed": "closed", "merged": "merged"}


class MergeRequest(BaseModel):
    """A merge request as GitLab lists it; what else it tells is left alone.

    The source's project is not told where that is gone. GitLab locks one for the moment of its merge.
    """

    iid: int
    state: Literal["opened", "locked", "closed", "merged"]
    source_branch: str
    source_project_id: int | None
    target_project_id: int
    title: str | None = None
    web_url: str | None = None

    @property
    def status(self) -> Status:
        return _STATUS[self.state]


MERGE_REQUESTS = TypeAdapter(list[MergeRequest])


def most_telling(requests: Iterable[MergeRequest]) -> MergeRequest | None:
    """The newest of those that are open, else the newest."""
    return max(requests, key=lambda request: (request.status == "open", request.iid), default=None)
