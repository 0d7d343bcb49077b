"""A GitHub that knows what a test tells it of repositories, pull requests, reviews and checks."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
from github_answers import SHA, Json, check_runs, combined_status, error
from small_server import Asked, Told

# Sent with every answer, whatever it is; there is no want of requests.
LIMITS = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4999", "X-RateLimit-Reset": "1795003600"}


def told(body: Any, status: int = 200, **headers: str) -> Told:
    return Told(json.dumps(body).encode(), status, {"Content-Type": "application/json", **LIMITS, **headers})


@dataclass
class FakeGitHub:
    """Answers below `prefix`. `instead` are answers to paths (without query) that take the place of its own."""

    repositories: dict[str, Json] = field(default_factory=dict[str, Json])
    pulls: list[Json] = field(default_factory=list[Json])
    reviews: Sequence[Json] = ()
    runs: Sequence[Json] = ()
    status: Json = field(default_factory=combined_status)
    instead: dict[str, Told] = field(default_factory=dict[str, Told])
    knows_head: bool = True
    prefix: str = ""
    asked: list[str] = field(default_factory=list[str])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def __call__(self, asked: Asked) -> Told:
        parts = urlsplit(asked.path)
        path = unquote(parts.path).removeprefix(self.prefix)
        params = dict(parse_qsl(parts.query))
        self.asked.append(path)
        self.headers.append({name.lower(): value for name, value in asked.headers.items()})
        return self.instead.get(path) or self._answer(path, params) or told(error("Not Found", 404), 404)

    def on_the_wire(self, request: httpx.Request) -> httpx.Response:
        """The same, for respx."""
        answer = self(Asked(request.method, request.url.raw_path.decode(), dict(request.headers), {}))
        return httpx.Response(answer.status, content=answer.body, headers=dict(answer.headers))

    def _answer(self, path: str, params: dict[str, str]) -> Told | None:
        match re.fullmatch(r"/repos/([^/]+/[^/]+)(/pulls(?:/\d+/reviews)?|/commits/\w+/[a-z-]+)?", path):
            case re.Match() as found if found[1] in self.repositories:
                return self._of_repository(found[1], found[2] or "", params)
            case _:
                return None

    def _of_repository(self, name: str, what: str, params: dict[str, str]) -> Told | None:
        if what == "":
            return told(self.repositories[name])
        if what == "/pulls":
            assert (params["state"], params["per_page"]) == ("all", "100")
            return told([pull for pull in self.pulls if self._is_asked_for(pull, name, params["head"])])
        if what.endswith("/reviews"):
            return told(self.reviews)
        if what == f"/commits/{SHA}/check-runs":
            assert params["filter"] == "latest"
            return told(check_runs(*self.runs))
        return told(self.status) if what == f"/commits/{SHA}/status" else None

    def _is_asked_for(self, pull: Json, name: str, head: str) -> bool:
        into = pull["base"]["repo"]["full_name"]
        return into == name and (not self.knows_head or pull["head"]["label"].lower() == head.lower())
