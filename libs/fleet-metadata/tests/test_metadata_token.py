from base64 import b64encode

import pytest
from told_collectors import Told, client_of

from fleet_metadata.settings import Settings

TOKEN = "correct-horse-battery-staple"
GUARDED = [
    "/metadata",
    "/metadata/git_branch",
    "/readyz",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/mcp",
    "/none",
]


def basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.mark.parametrize("path", GUARDED)
async def test_every_route_but_two_wants_the_token(path: str) -> None:
    async with client_of(Told(), fleet_metadata_token=TOKEN) as client:
        refused = await client.get(path)
        let_in = await client.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert (refused.status_code, refused.json()["type"]) == (401, "urn:fleet:problem:token-missing-or-wrong")
    # Chrome looks at the first one only, and clients of MCP for a Bearer.
    assert refused.headers["www-authenticate"].split()[0] == "Basic"
    assert "Bearer " in refused.headers["www-authenticate"]
    assert refused.headers["x-request-id"] == refused.json()["correlation_id"]
    assert let_in.status_code != 401


@pytest.mark.parametrize("path", ["/health", "/livez"])
async def test_two_routes_are_open(path: str) -> None:
    async with client_of(Told(), fleet_metadata_token=TOKEN) as client:
        assert (await client.get(path)).status_code == 200
        assert (await client.get(f"{path}/")).status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        TOKEN,
        f"Token {TOKEN}",
        basic("me", "wrong"),
        "Basic !!!",
        "Basic é",
        f"Basic {TOKEN}",
        "Bearer correct-hörse",
    ],
)
async def test_what_is_not_the_token_is_refused(header: str) -> None:
    async with client_of(Told(), fleet_metadata_token=TOKEN) as client:
        answer = await client.get("/metadata", headers=[(b"Authorization", header.encode())])
    assert answer.status_code == 401
    assert TOKEN not in answer.text


@pytest.mark.parametrize(
    "header", [f"Bearer {TOKEN}", f"bearer  {TOKEN} ", basic("", TOKEN), basic("anybody", TOKEN)]
)
async def test_the_token_is_taken_as_bearer_and_as_the_password_a_browser_asks_for(header: str) -> None:
    async with client_of(Told(), fleet_metadata_token=TOKEN) as client:
        assert (await client.get("/metadata", headers={"Authorization": header})).status_code == 200


async def test_the_token_is_taken_as_the_other_services_take_keys() -> None:
    async with client_of(Told(), fleet_metadata_token=TOKEN) as client:
        assert (await client.get("/metadata", headers={"X-API-Key": TOKEN})).status_code == 200
        assert (await client.get("/metadata", headers={"X-API-Key": f"{TOKEN}x"})).status_code == 401


async def test_without_a_token_none_is_needed_and_one_that_is_sent_does_no_harm() -> None:
    async with client_of(Told()) as client:
        assert (await client.get("/metadata", headers={"Authorization": "Bearer any"})).status_code == 200


@pytest.mark.parametrize("token", ["two\nlines", "smörgås"])
def test_a_token_that_no_header_takes_stops_the_start(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_METADATA_TOKEN", token)
    with pytest.raises(ValueError, match="has characters that no HTTP header takes") as raised:
        Settings()
    assert token not in str(raised.value)


@pytest.mark.parametrize("token", [" ", "\n", "\t \n"])
def test_a_blank_token_opens_the_server_to_nobody(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_METADATA_TOKEN", token)
    with pytest.raises(ValueError, match="is blank"):
        Settings()
