"""A ToolHive with workloads of which every other one is remote, and whose details take their time.

python slow_toolhive.py PORT WORKLOADS MILLISECONDS
"""

import asyncio
import sys
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

PATH = "/api/v1beta"


def app(workloads: int, milliseconds: int) -> Starlette:
    items = [_item(number) for number in range(workloads)]
    images = {item["name"]: {"image": item["package"], "transport": "stdio"} for item in items[::2]}
    urls = {item["name"]: {"url": url_of(item["name"]), "transport": "sse"} for item in items[1::2]}

    async def everything(_request: Request) -> JSONResponse:
        return JSONResponse({"workloads": items})

    async def registry(_request: Request) -> JSONResponse:
        return JSONResponse({"name": "default", "registry": {"servers": images, "remote_servers": urls}})

    async def details(request: Request) -> JSONResponse:
        await asyncio.sleep(milliseconds / 1000)
        name = request.path_params["name"]
        return JSONResponse({"name": name, "url": url_of(name), "transport": "sse", "env_vars": {"A": "b"}})

    return Starlette(
        routes=[
            Route(f"{PATH}/workloads", everything),
            Route(f"{PATH}/workloads/{{name}}", details),
            Route(f"{PATH}/registry/default", registry),
        ]
    )


def name_of(number: int) -> str:
    return f"server-{number:05}"


def url_of(name: str) -> str:
    return f"https://{name}.example.com/mcp"


def _item(number: int) -> dict[str, Any]:
    return {
        "name": name_of(number),
        "package": f"ghcr.io/example/server-{number}:1.0.0",
        "url": f"http://127.0.0.1:{20_000 + number}/mcp",
        "transport_type": "streamable-http",
        "proxy_mode": "streamable-http",
        "status": "running",
        "remote": number % 2 == 1,
        "group": "default",
    }


if __name__ == "__main__":
    uvicorn.run(
        app(int(sys.argv[2]), int(sys.argv[3])), port=int(sys.argv[1]), log_config=None, access_log=False
    )
