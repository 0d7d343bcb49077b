"""RFC 9457 problem details: one exception, one response, one table of errors per app.

`problem_details.handlers` puts them into a FastAPI app; it is not imported here, as FastAPI takes half a second.
"""

from problem_details.kind import ProblemKind
from problem_details.problem import PROBLEM_RESPONSES, Fault, Problem

__all__ = ["PROBLEM_RESPONSES", "Fault", "Problem", "ProblemKind"]
