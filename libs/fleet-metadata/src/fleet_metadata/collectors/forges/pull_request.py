from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter


class Account(BaseModel):
    login: str


class PlaceOfBranch(BaseModel):
    """A repository that a pull request names; all but its name is left alone."""

    full_name: str


class Head(BaseModel):
    """The branch that is to be merged. Its repository is not told where that was a fork that is gone."""

    ref: str
    sha: str
    label: str | None = None
    user: Account | None = None
    repo: PlaceOfBranch | None = None

    @property
    def owner(self) -> str:
        if self.user:
            return self.user.login
        return (self.label or "").partition(":")[0]


class Base(BaseModel):
    repo: PlaceOfBranch | None = None


class PullRequest(BaseModel):
    """A pull request as GitHub lists it; what else it tells is left alone."""

    number: int
    state: Literal["open", "closed"]
    head: Head
    base: Base = Base()
    title: str | None = None
    html_url: str | None = None
    draft: bool | None = None
    merged_at: datetime | None = None
    requested_reviewers: list[Any] | None = None
    requested_teams: list[Any] | None = None

    @property
    def status(self) -> Literal["open", "closed", "merged"]:
        return "merged" if self.merged_at else self.state

    def is_from(self, owner: str, branch: str) -> bool:
        return self.head.ref == branch and self.head.owner.casefold() == owner.casefold()

    def is_within_one_repository(self) -> bool | None:
        """Whether it merges a branch of its own repository; None where that is not told."""
        if self.head.repo is None or self.base.repo is None:
            return None
        return self.head.repo.full_name.casefold() == self.base.repo.full_name.casefold()


PULL_REQUESTS = TypeAdapter(list[PullRequest])


def most_telling(pulls: Iterable[PullRequest]) -> PullRequest | None:
    """The newest of those that are open, else the newest."""
    return max(pulls, key=lambda pull: (pull.status == "open", pull.number), default=None)
