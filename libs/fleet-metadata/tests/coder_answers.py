"""What Coder's API answers, in full shape: codersdk.Task, codersdk.Chat and the server that tells of them."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from small_server import Asked, Told

WORKSPACE = "0967198e-ec7b-4c6b-b4d3-f71244cadbe9"
OTHER_WORKSPACE = "9d2a7c51-3a8e-4f0b-b1f6-5a1e8f0c6d11"
CHAT = "a1b2c3d4-8d1b-4c57-9c8e-0f3a6b7c8d9e"
ROOT_CHAT = "b7e6c1f0-2f4d-4a0e-8d6b-6c5f4e3d2c1b"
TOKEN = "planted-session-token-7c1e"
EARLIER, NOON, LATER = "2026-11-21T11:00:00Z", "2026-11-21T12:00:00.123456789Z", "2026-11-21T13:00:00Z"

_USER = "4f3c2b1a-0d9e-4c8b-a7f6-e5d4c3b2a190"
_ORGANIZATION = "7c60d51f-b44e-4682-87d6-449835ea4de6"
_TEMPLATE = "c6d67e98-83ea-49f0-8812-e4abae2b68bc"


def state(word: str, message: str = "Running the tests", at: str = NOON) -> dict[str, Any]:
    """What the application in the workspace last reported."""
    return {"timestamp": at, "state": word, "message": message, "uri": "https://example.com/pull/7"}


def task(**changes: Any) -> dict[str, Any]:
    """A task of the workspace, which is at work."""
    return {
        "id": "497f6eca-6276-4993-bfeb-53cbbbba6f08",
        "organization_id": _ORGANIZATION,
        "owner_id": _USER,
        "owner_name": "ada",
        "owner_avatar_url": "https://example.com/ada.png",
        "name": "fix-the-login-1f2e",
        "display_name": "Fix the login",
        "template_id": _TEMPLATE,
        "template_version_id": "0ba39c92-1f1b-4c32-aa3e-9925d7713eb1",
        "template_name": "python",
        "template_display_name": "Python",
        "template_icon": "/icon/python.svg",
        "workspace_id": WORKSPACE,
        "workspace_name": "fix-the-login-1f2e",
        "workspace_status": "running",
        "workspace_build_number": 1,
        "workspace_agent_id": "2b1e3b65-2c04-4fa2-a2d7-467901e98978",
        "workspace_agent_lifecycle": "ready",
        "workspace_agent_health": {"healthy": True},
        "workspace_app_id": "affd1d10-9538-4fc8-9e0b-4594a28c1335",
        "initial_prompt": "Fix the login. The password of the test user is planted-password-91.",
        "status": "active",
        "current_state": state("working"),
        "created_at": "2026-11-21T10:00:00Z",
        "updated_at": "2026-11-21T10:00:05Z",
    } | changes


def chat(**changes: Any) -> dict[str, Any]:
    """A chat of the workspace, which is at work."""
    return {
        "id": CHAT,
        "organization_id": _ORGANIZATION,
        "owner_id": _USER,
        "owner_username": "ada",
        "owner_name": "Ada",
        "workspace_id": WORKSPACE,
        "build_id": "bfb1f3fa-bf7b-43a5-9e0b-26cc050e44cb",
        "agent_id": "2b1e3b65-2c04-4fa2-a2d7-467901e98978",
        "last_model_config_id": "30ebb95f-c255-4759-9429-89aa4ec1554c",
        "title": "Speed up the import",
        "status": "running",
        "last_turn_summary": None,
        "summary": None,
        "diff_status": {"chat_id": CHAT, "url": "https://example.com/pull/8", "pr_number": 8},
        "created_at": "2026-11-21T10:00:00Z",
        "updated_at": NOON,
        "archived": False,
        "shared": False,
        "pin_order": 0,
        "mcp_server_ids": [],
        "labels": {},
        "has_unread": True,
        "client_type": "ui",
        "children": [],
    } | changes


def told(answer: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Told:
    return Told(json.dumps(answer).encode(), status, {"Content-Type": "application/json", **(headers or {})})


def fault(
    status: int, message: str = "Something is wrong.", headers: Mapping[str, str] | None = None
) -> Told:
    """codersdk.Response; it repeats the token, as an answer to who shows it might."""
    return told({"message": message, "detail": f"You sent {TOKEN}."}, status, headers)


class Coder:
    """A Coder server with these tasks and chats; `routes` are the paths under which this release has them.

    Anything else is answered by `instead` where that gives an answer, and else with 404.
    """

    def __init__(
        self,
        tasks: Sequence[Any] = (),
        chats: Sequence[dict[str, Any]] = (),
        routes: Sequence[str] = ("/api/v2/tasks", "/api/v2/chats", "/api/v2/chats/by-workspace"),
    ) -> None:
        self.tasks = tasks
        self.chats = chats
        self.routes = routes
        self.instead: Callable[[Asked], Told | None] = lambda _: None

    def __call__(self, asked: Asked) -> Told:
        if instead := self.instead(asked):
            return instead
        if asked.headers.get("Coder-Session-Token") != TOKEN:
            return fault(401)
        url = urlsplit(asked.path)
        route, _, chat_id = url.path.rpartition("/")
        if url.path in self.routes:
            return self._found(url.path, parse_qs(url.query))
        if route.endswith("/chats") and route in self.routes:
            found = [chat for chat in self.chats if chat["id"] == chat_id]
            # What is no id is a bad request, as of a release that does not know by-workspace.
            return told(found[0]) if found else fault(400 if chat_id == "by-workspace" else 404)
        return fault(404, "Route not found.")

    def _found(self, path: str, query: Mapping[str, Sequence[str]]) -> Told:
        if path.endswith("/tasks"):
            return told({"tasks": self.tasks, "count": len(self.tasks)})
        if path.endswith("/chats"):
            return told([chat for chat in self.chats if "root_chat_id" not in chat])
        [wanted] = query["workspace_ids"]
        found = [chat for chat in self.chats if chat["workspace_id"] == wanted and not chat["archived"]]
        return told({wanted: max(found, key=lambda chat: chat["updated_at"])["id"]} if found else {})
