from collections.abc import Mapping
from dataclasses import dataclass, field

from problem_details.problem import Problem


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """How an exception of an app is answered; its text becomes the detail unless `detail` is given."""

    status: int
    slug: str
    title: str
    detail: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def problem(self, error: Exception) -> Problem:
        return Problem(
            self.status, self.title, self.detail or str(error), slug=self.slug, headers=self.headers
        )
