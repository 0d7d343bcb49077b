import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic_core import from_json

from dependency_graph.api.media_type import JSON, media_type, require_no_coding, unsupported_media_type


class StrictRoute(APIRoute):
    """A route that takes what it documents and nothing else.

    Bodies are JSON as the standard has it, in UTF-8, without NaN, infinities and lone surrogates. Parameters
    of the query are known to the route and stand there once.
    """

    other_media_types: tuple[str, ...] = ()
    """What routes at the same path read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        known = {parameter.alias for parameter in self.dependant.query_params}
        known |= {p.alias for part in self.dependant.dependencies for p in part.query_params}

        async def strict(request: Request) -> Response:
            if self.body_field:
                self._require_readable(request)
            if faults := list(_faults_of_query(request, known)):
                raise RequestValidationError(faults)
            return await handler(_StrictRequest(request.scope, request.receive))

        return strict

    def _require_readable(self, request: Request) -> None:
        require_no_coding(request.scope)
        if media_type(request.scope) != JSON:
            raise unsupported_media_type(JSON, *self.other_media_types)


class _StrictRequest(Request):
    async def json(self) -> Any:
        try:
            return from_json(await self.body(), allow_inf_nan=False)
        except ValueError as error:
            raise json.JSONDecodeError(str(error), "", 0) from error


def _faults_of_query(request: Request, known: set[str]) -> Iterable[dict[str, Any]]:
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        place = {"loc": ("query", name), "input": request.query_params[name]}
        if name not in known:
            among = f"the parameters are {', '.join(sorted(known))}" if known else "there are no parameters"
            yield place | {"type": "unknown_parameter", "msg": f"There is no such parameter; {among}"}
        elif times > 1:
            yield place | {"type": "repeated_parameter", "msg": "The parameter stands here more than once"}
