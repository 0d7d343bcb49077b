from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute


class StrictRoute(APIRoute):
    """A route whose query has the parameters that it documents, each at most once, and no others."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        known = {parameter.alias for parameter in self.dependant.query_params}
        known |= {p.alias for part in self.dependant.dependencies for p in part.query_params}

        async def strict(request: Request) -> Response:
            if request.url.query and (faults := list(_faults_of_query(request, known))):
                raise RequestValidationError(faults)
            return await handler(request)

        return strict


def _faults_of_query(request: Request, known: set[str]) -> Iterable[dict[str, Any]]:
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        place = {"loc": ("query", name), "input": request.query_params[name]}
        if name not in known:
            among = f"the parameters are {', '.join(sorted(known))}" if known else "there are no parameters"
            yield place | {"type": "unknown_parameter", "msg": f"There is no such parameter; {among}"}
        elif times > 1:
            yield place | {"type": "repeated_parameter", "msg": "The parameter stands here more than once"}
