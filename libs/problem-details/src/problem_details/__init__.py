"""RFC 9457 problem details: one exception, one response, one table of errors per app."""

from problem_details.handlers import ProblemKind, install_problem_handlers
from problem_details.problem import Fault, Problem

__all__ = ["Fault", "Problem", "ProblemKind", "install_problem_handlers"]
