from collections.abc import Callable
from dataclasses import dataclass

from fleet_metadata.collector import NotApplicable
from fleet_metadata.workspace import Workspace


@dataclass(frozen=True, slots=True)
class PushedBranch:
    """The branch that is checked out, None where there is none, as a forge knows it.

    `origin` is the repository that it is pushed to, `repository` the one that is told of. They differ where
    a setting names the repository that `origin` is a fork of.
    """

    repository: str
    branch: str | None
    origin: str

    @property
    def is_of_fork(self) -> bool:
        return self.origin.casefold() != self.repository.casefold()


async def pushed_branch(
    workspace: Workspace, named: str | None, at_forge: Callable[[str], str | None], not_here: str
) -> PushedBranch:
    """The branch, in the repository that is `named` by a setting or else by the remote.

    `at_forge` gives the repository at the forge that a remote's URL names. Raises NotApplicable, with
    `not_here` where there is none at the forge, and CollectionFailed.
    """
    try:
        checkout = await workspace.repository.checkout()
    except NotApplicable:
        if named is None:
            raise
        return PushedBranch(named, None, named)
    origin = at_forge(checkout.origin) if checkout.origin else None
    repository = named or origin
    if repository is None:
        raise NotApplicable(not_here)
    return PushedBranch(repository, checkout.branch, origin or repository)
