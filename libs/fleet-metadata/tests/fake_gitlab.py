"""A GitLab that knows what a test tells it of projects, merge requests and pipelines."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import httpx
from gitlab_answers import Json, detail
from small_server import Asked, Told


def told(body: Any, status: int = 200, **headers: str) -> Told:
    return Told(json.dumps(body).encode(), status, {"Content-Type": "application/json", **headers})


@dataclass
class FakeGitLab:
    """Answers below `prefix`. `instead` are answers to paths, as they were sent, in the place of its own."""

    projects: list[Json] = field(default_factory=list[Json])
    requests: list[Json] = field(default_factory=list[Json])
    of_request: Json | None = None
    of_branch: dict[str, list[Json]] = field(default_factory=dict[str, list[Json]])
    instead: dict[str, Told] = field(default_factory=dict[str, Told])
    prefix: str = "/api/v4"
    asked: list[str] = field(default_factory=list[str])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def __call__(self, asked: Asked) -> Told:
        parts = urlsplit(asked.path)
        assert parts.path.startswith(f"{self.prefix}/")
        path, params = parts.path.removeprefix(self.prefix), dict(parse_qsl(parts.query))
        self.asked.append(path)
        self.headers.append({name.lower(): value for name, value in asked.headers.items()})
        missing = told({"message": "404 Project Not Found"}, 404)
        return self.instead.get(path) or self._answer(path, params) or missing

    def on_the_wire(self, request: httpx.Request) -> httpx.Response:
        """The same, for respx."""
        answer = self(Asked(request.method, request.url.raw_path.decode(), dict(request.headers), {}))
        return httpx.Response(answer.status, content=answer.body, headers=dict(answer.headers))

    def _answer(self, path: str, params: dict[str, str]) -> Told | None:
        match = re.fullmatch(r"/projects/([^/]+)(/.*)?", path)
        project = match and self._project(unquote(match[1]))
        if not match or not project:
            return None
        if not match[2]:
            return told(project)
        of_project = [each for each in self.requests if each["target_project_id"] == project["id"]]
        if match[2] == "/merge_requests":
            assert (params["state"], params["per_page"]) == ("all", "100")
            found = [each for each in of_project if each["source_branch"] == params["source_branch"]]
            return _page(found, f"{self.prefix}{path}", params)
        if match[2] == "/pipelines":
            of_branch = self.of_branch.get(project["path_with_namespace"], [])
            return told(
                [each for each in of_branch if each["ref"] == params["ref"]][: int(params["per_page"])]
            )
        [request] = [each for each in of_project if match[2] == f"/merge_requests/{each['iid']}"]
        return told(detail(request, self.of_request))

    def _project(self, named: str) -> Json | None:
        return next(
            (each for each in self.projects if named in {str(each["id"]), each["path_with_namespace"]}), None
        )


def _page(found: list[Json], path: str, params: dict[str, str]) -> Told:
    page, size = int(params.get("page", "1")), int(params["per_page"])
    following = urlencode(params | {"page": str(page + 1)})
    link = {"Link": f'<{path}?{following}>; rel="next"'} if len(found) > page * size else {}
    return Told(json.dumps(found[(page - 1) * size : page * size]).encode(), 200, link)
