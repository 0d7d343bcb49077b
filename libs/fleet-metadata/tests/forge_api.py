"""An API of a forge at a URL that a test gives."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from forge_workspace import SECRET
from pydantic import TypeAdapter

from fleet_metadata.collectors.forges.api_server import ApiServer
from fleet_metadata.collectors.forges.rest_api import RestApi

NUMBERS = TypeAdapter(list[int])


def server_at(url: str, token: str | None = SECRET) -> ApiServer:
    sent = {"Authorization": f"Bearer {token}"} if token else {}
    return ApiServer.at(url, "GitHub", ("GITHUB_API_URL", "GITHUB_TOKEN"), {"X-Version": "1"}, sent)


@asynccontextmanager
async def api_at(url: str, *, token: str | None = SECRET, **bounds: Any) -> AsyncGenerator[RestApi]:
    api = RestApi(server_at(url, token), **bounds)
    try:
        yield api
    finally:
        await api.close()
