"""What the reviews of a pull request come to, as GitHub's REST API tells them."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, TypeAdapter

from fleet_metadata.collectors.forges.pull_request import Account
from fleet_metadata.collectors.forges.pull_request_search import Found
from fleet_metadata.collectors.forges.rest_api import RestApi

Decision = Literal["approved", "changes_requested", "review_required"]
DECISIONS: tuple[Decision, ...] = ("approved", "changes_requested", "review_required")

_VERDICTS = {"APPROVED", "CHANGES_REQUESTED", "DISMISSED"}
_MAY_DECIDE = {"OWNER", "MEMBER", "COLLABORATOR"}


class Review(BaseModel):
    state: str
    user: Account | None = None
    author_association: str | None = None


_REVIEWS = TypeAdapter(list[Review])


async def review_decision(api: RestApi, found: Found) -> Decision | None:
    """The decision on a pull request; None where nobody decided, nor is asked to. Raises CollectionFailed."""
    path = f"/repos/{found.repository}/pulls/{found.pull.number}/reviews"
    reviews = [
        review for page in await api.pages(path, {"per_page": 100}) for review in await page.read(_REVIEWS)
    ]
    asked = bool(found.pull.requested_reviewers or found.pull.requested_teams)
    return decision(reviews, asked=asked)


def decision(reviews: Iterable[Review], *, asked: bool) -> Decision | None:
    """What `reviews`, in the order in which they were given, come to; `asked` is whether more are asked for.

    The last verdict of each reviewer counts, comments are none; that of somebody who has nothing to do with
    the repository does not.
    """
    verdicts = {
        review.user.login if review.user else "": review.state
        for review in reviews
        if review.state in _VERDICTS and review.author_association in _MAY_DECIDE
    }
    if "CHANGES_REQUESTED" in verdicts.values():
        return "changes_requested"
    if "APPROVED" in verdicts.values():
        return "approved"
    return "review_required" if asked else None
