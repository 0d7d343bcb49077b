"""RFC 9457 problem details: one exception, one response, one table of errors per app."""

from problem_details.handlers import ProblemKind, install_problem_handlers
from problem_details.problem import PROBLEM_RESPONSES, Fault, Problem

__all__ = ["PROBLEM_RESPONSES", "Fault", "Problem", "ProblemKind", "install_problem_handlers"]
