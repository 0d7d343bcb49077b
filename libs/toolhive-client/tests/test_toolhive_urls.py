"""URLs without the secrets in them, and otherwise as they were."""

from time import process_time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_client.reading.url_cleaning import LONGEST_READ, LONGEST_URL, clean_image, clean_url

SECRET = "canary7f3a"


@pytest.mark.parametrize(
    "url",
    [
        "https://mcp.example.com/mcp",
        "HTTPS://MCP.Example.COM:443/mcp/",
        "http://127.0.0.1:8080",
        "https://[::1]:8443/sse?",
        "https://bücher.example/mcp",
        "https://mcp.example.com./%7Euser/a%2Fb//c/../d",
        "https://example.com/@scope/server?a=1&b=&c&d=x;e=y&&f=%26",
        "https://example.com?team=fleet",
        "https://{tenant}.example.com:{port}/{path}/mcp",
        "https://example.com/a;version=1/b",
        "https://example.com/mcp?token=&key=",
        "https://example.com/token/key?q=secret",
    ],
)
def test_a_url_without_secrets_stays_as_it_is(url: str) -> None:
    assert clean_url(url) == url


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        (f"https://{SECRET}@example.com/mcp", "https://example.com/mcp"),
        (f"https://user:{SECRET}@example.com:8443/mcp", "https://example.com:8443/mcp"),
        (f"https://user:p@{SECRET}@example.com", "https://example.com"),
        (f"https://:{SECRET}@[::1]/mcp", "https://[::1]/mcp"),
        (f"https://{{user}}:{SECRET}@example.com", "https://example.com"),
        (f"https://example.com/mcp#{SECRET}", "https://example.com/mcp"),
        (f"https://example.com#?a={SECRET}", "https://example.com"),
        (f"https://example.com?token={SECRET}", "https://example.com?token=***"),
        (f"https://example.com/?a=1&api_key={SECRET}&b=2", "https://example.com/?a=1&api_key=***&b=2"),
        (f"https://example.com?a=1;sig={SECRET}", "https://example.com?a=1;sig=***"),
        (f"https://example.com?sig=a;{SECRET}&b=1", "https://example.com?sig=***&b=1"),
        (f"https://example.com?key=a={SECRET}", "https://example.com?key=***"),
        (f"https://example.com?X-Amz-Signature={SECRET}", "https://example.com?X-Amz-Signature=***"),
        (f"https://example.com?AccessKeyId={SECRET}", "https://example.com?AccessKeyId=***"),
        (f"https://example.com?t%6Fken={SECRET}", "https://example.com?t%6Fken=***"),
        (f"https://example.com?to+%6Ben={SECRET}", "https://example.com?to+%6Ben=" + SECRET),
        (f"https://example.com?to={SECRET}", f"https://example.com?to={SECRET}"),
        (
            f"https://a.example?to=https://b.example?code={SECRET}",
            "https://a.example?to=https://b.example?code=***",
        ),
        (f"https://example.com/a;session={SECRET}/b", "https://example.com/a;session=***/b"),
        (f"https://example.com/a;to%256ben={SECRET};b", "https://example.com/a;to%256ben=***;b"),
        (f"https://example.com/a;token%3D{SECRET}/b", "https://example.com/a;***/b"),
        (" https://example.com\n", "https://example.com"),
    ],
)
def test_secrets_are_taken_out_and_nothing_else(url: str, clean: str) -> None:
    assert clean_url(url) == clean


@pytest.mark.parametrize(
    "url",
    [
        *("", " ", "mcp", "example.com/mcp", "//example.com", "https:/example.com", "mailto:a@b"),
        *("https://", "https:///mcp", "https://?a=1", "https://[::1", "https://a:port/", "https://a:123456/"),
        *(
            "https://a b/",
            "https://example.com/a b",
            "https://example.com/\x00",
            "https://example.com/\u202e",
        ),
        *("https://example.com/\ud800", "https://a%40b/", f"https://example.com;token={SECRET}/"),
        *(f"https://user:{SECRET}{mark}@example.com/" for mark in ("/x", "\\", "?", "#")),
    ],
)
def test_of_what_is_no_url_nothing_is_kept(url: str) -> None:
    assert clean_url(url) is None


def test_a_url_may_have_so_many_characters_once_it_is_clean() -> None:
    url = "https://example.com/".ljust(LONGEST_URL, "a")
    assert clean_url(url) == url
    assert clean_url(f"{url}#{url}") == url
    assert clean_url(f"{url}a") is None


_SAFE = st.text("abcxyz0189-._~", min_size=1, max_size=8)
_PUBLIC = st.sampled_from(["q", "team", "v", "page", "to", "%74o", "country_code", "mon%6Bey"])
_NAMES = st.sampled_from(["token", "Api_Key", "client%5Fsecret", "SIG", "x-%61uth", "code", "to%256ben"])
_PLACES = st.lists(_SAFE, max_size=3).map(lambda parts: "".join(f"/{part}" for part in parts))
_VALUES = st.text(max_size=8).map(lambda text: quote(text, safe=""))
_PUBLIC_PARAMETERS = st.builds("{}={}".format, _PUBLIC, _VALUES)
_SECRETS = st.tuples(_VALUES, _SAFE).map(SECRET.join)


@given(
    st.sampled_from(["http", "https", "WSS"]),
    st.none() | _SECRETS,
    _SAFE,
    st.none() | st.integers(0, 65535),
    _PLACES,
    st.lists(_PUBLIC_PARAMETERS | st.tuples(_NAMES, _SECRETS), max_size=5),
    st.none() | _SECRETS,
)
def test_no_secret_is_left_and_all_else_is(
    scheme: str,
    user: str | None,
    host: str,
    port: int | None,
    path: str,
    parameters: list[str | tuple[str, str]],
    fragment: str | None,
) -> None:
    def url(*, with_secrets: bool) -> str:
        userinfo = f"user:{user}@" if with_secrets and user else ""
        query = [
            each if isinstance(each, str) else f"{each[0]}={each[1] if with_secrets else '***'}"
            for each in parameters
        ]
        end = f"#{fragment}" if with_secrets and fragment else ""
        authority = f"{userinfo}{host}" if port is None else f"{userinfo}{host}:{port}"
        return f"{scheme}://{authority}{path}{'?' if query else ''}{'&'.join(query)}{end}"

    clean = clean_url(url(with_secrets=True))
    assert clean == url(with_secrets=False)
    assert clean
    assert clean_url(clean) == clean


@given(st.text() | st.text("htps:/@?#&;=%{}[]ab1 ").map("https://{}".format))
def test_no_text_is_too_odd_and_what_is_clean_stays_so(text: str) -> None:
    clean = clean_url(text)
    assert clean is None or (clean_url(clean) == clean and clean.isprintable())
    assert clean_image(text) is None or clean_image(text) in {text, clean}


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "@",
        "a@",
        ";token=",
        "?&",
        "?=",
        "//",
        "{a}",
        "{",
        "%",
        "=;",
        "a=",
        "://",
        '"',
        "key",
        " ",
        "+",
        "\\",
        "%25",
    ],
)
def test_no_text_takes_long_to_be_cleaned(piece: str) -> None:
    text = piece * ((LONGEST_READ - 30) // len(piece))
    started = process_time()
    for url in (text, f"https://{text}", f"https://example.com/{text}", f"https://example.com?{text}"):
        clean_url(url)
        clean_image(url)
    # A few milliseconds; one that grows with a power of the text would take far longer.
    assert process_time() - started < 2
