"""Equal URLs, after RFC 3986, section 6.2.2 and 6.2.3."""

import re
from dataclasses import dataclass
from urllib.parse import urljoin

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dependency_graph.domain.server_url import DEFAULT_PORTS, ServerUrl, normalised_url

GITHUB = "https://api.githubcopilot.com/mcp"


@pytest.mark.parametrize(
    ("spelling", "normal"),
    [
        ("HTTPS://API.GithubCopilot.COM/mcp", GITHUB),
        ("https://api.githubcopilot.com:443/mcp", GITHUB),
        ("https://api.githubcopilot.com:/mcp", GITHUB),
        ("https://api.githubcopilot.com:00443/mcp", GITHUB),
        ("https://api.githubcopilot.com./mcp", GITHUB),
        ("https://api.githubcopilot.com/mcp/", GITHUB),
        ("https://api.githubcopilot.com/mcp//", GITHUB),
        ("https://api.githubcopilot.com/%6d%63p", GITHUB),
        ("https://api.githubcopilot.com/./a/../mcp", GITHUB),
        ("https://api.githubcopilot.com/%2e/a/%2E%2e/mcp", GITHUB),
        ("https://api.githubcopilot.com/mcp#top", GITHUB),
        ("https://api.githubcopilot.com/mcp?", GITHUB),
        ("https://api.githubcopilot.com/mcp?#", GITHUB),
        ("https://ann@api.githubcopilot.com/mcp", GITHUB),
        ("https://ann:a@b@api.githubcopilot.com/mcp", GITHUB),
        ("https://api%2egithubcopilot.com/mcp", GITHUB),
        ("https://mcp.vercel.com/", "https://mcp.vercel.com"),
        ("http://a:80", "http://a"),
        ("ws://a:80/", "ws://a"),
        ("wss://a:443", "wss://a"),
        ("http://a:443", "http://a:443"),
        ("http://a:0", "http://a:0"),
        ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]"),
        ("https://b\u00fccher.example/", "https://xn--bcher-kva.example"),
        ("https://fa\u00df.de", "https://fa%c3%9f.de"),
        ("https://B\u00dcCHER.example", "https://xn--bcher-kva.example"),
        ("https://a/%c3%bc", "https://a/%C3%BC"),
        ("https://a/\u00fc b", "https://a/%C3%BC%20b"),
        ("https://a/100%", "https://a/100%25"),
        ("https://a//b", "https://a//b"),
        ("https://a/b?x=%7e&y=%2f", "https://a/b?x=~&y=%2F"),
        ("https://a/?x", "https://a?x"),
        ("https://a?x=1/", "https://a?x=1/"),
        ("https://a?b?c", "https://a?b?c"),
        ("https://a\nb", "https://a%0ab"),
        ("https://a\uff0fb", "https://a%2fb"),
    ],
)
def test_a_url_is_written_in_one_way(spelling: str, normal: str) -> None:
    assert normalised_url(spelling) == normal


@pytest.mark.parametrize(
    "other",
    [
        "http://api.githubcopilot.com/mcp",
        "https://githubcopilot.com/mcp",
        "https://api.githubcopilot.com:8443/mcp",
        "https://api.githubcopilot.com/MCP",
        "https://api.githubcopilot.com/mcp/x",
        "https://api.githubcopilot.com/mcp%2F",
        "https://api.githubcopilot.com/mcp?x=1",
        "https://api.githubcopilot.com//mcp",
        "api.githubcopilot.com/mcp",
    ],
)
def test_another_url_stays_another_one(other: str) -> None:
    assert normalised_url(other) != GITHUB


def test_the_order_and_the_case_of_a_query_are_kept() -> None:
    queries = ["a=1&b=2", "b=2&a=1", "A=1&b=2", "a=1&b=2&", "a=1;b=2", "a=%31&b=%32"]
    assert len({normalised_url(f"https://a/?{query}") for query in queries}) == len(queries) - 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "github",
        "ftp://A/",
        "HTTPS:/A/",
        "https://",
        "https:///mcp",
        "https://./mcp",
        "https://:443/",
        "https://A:x/",
        "https://A:\u0664/",
        "https://[::1/",
        "https://[z]/",
        "http\u017f://A",
        " https://A",
        "mcp/fetch:latest",
    ],
)
def test_what_is_no_url_stays_as_it_is(text: str) -> None:
    assert (normalised_url(text), ServerUrl.parse(text)) == (text, None)


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://API.Example.com:443/mcp", "api.example.com"),
        ("http://api.example.com:443", "api.example.com:443"),
        ("https://[::1]:8443/mcp", "[::1]:8443"),
    ],
)
def test_the_location_tells_the_port_where_it_is_not_the_default(url: str, location: str) -> None:
    parsed = ServerUrl.parse(url)
    assert parsed
    assert parsed.location == location


near_urls = st.builds(
    "{}://{}{}".format,
    st.sampled_from(["http", "HTTPS", "ws", "ftp"]),
    st.text("aB%4./:?#@[]\\ \u00fc\uff0f\uff05\u2488\ud800\n", max_size=12),
    st.text("aB%42eE./:?#@[]\\ \u00fc\ud800\n&=", max_size=12),
)


@given(st.one_of(st.text(), near_urls))
@example("http://a\uff05" + "2F/")
@example("http://%%34%31/")
@example("https://a:" + "9" * 5000)
@example("http://" + "\u00fc" * 70)
def test_any_text_is_normalised_and_once_is_enough(text: str) -> None:
    assert normalised_url(normalised_url(text)) == normalised_url(text)


@dataclass(frozen=True)
class Parts:
    """A URL before it is spelled; a path without slashes at its end, and no segment of dots."""

    scheme: str
    host: str
    port: int | None
    segments: tuple[str, ...]
    query: tuple[str, ...]


names = st.text("abcxyz0189-_~", min_size=1, max_size=6)
words = st.text("abXY09-._~ /?%\u00fc&=+", min_size=1, max_size=6).filter(lambda word: set(word) != {"."})
parts = st.builds(
    Parts,
    st.sampled_from(sorted(DEFAULT_PORTS)),
    st.builds(".".join, st.lists(names, min_size=1, max_size=3)),
    st.sampled_from([None, 1, 8080, 65535]),
    st.lists(words, max_size=3).map(tuple),
    st.lists(words, max_size=2).map(tuple),
)


def _cased(draw: st.DrawFn, text: str) -> str:
    upper = draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    return "".join(c.upper() if up else c for c, up in zip(text, upper, strict=True))


def _spelled(draw: st.DrawFn, word: str) -> str:
    """Characters that need no encoding are encoded at times, and digits are in any case."""
    codes = ["".join(f"%{byte:02X}" for byte in character.encode()) for character in word]
    choices = [[code, c] if c in "abXY09-._~ \u00fc" else [code] for c, code in zip(word, codes, strict=True)]
    spelled = [draw(st.sampled_from(choice)) for choice in choices]
    return "".join(_cased(draw, part) if part.startswith("%") else part for part in spelled)


@st.composite
def spellings(draw: st.DrawFn, told: Parts) -> str:
    """Some way to write `told`."""
    default = ["", ":", f":{DEFAULT_PORTS[told.scheme]}"]
    port = f":{told.port}" if told.port else draw(st.sampled_from(default))
    detours = [draw(st.sampled_from(["/", "/./", "/x/../", "/%2E/", "/x/%2e./"])) for _ in told.segments]
    path = "".join(d + _spelled(draw, s) for d, s in zip(detours, told.segments, strict=True))
    query = "&".join(_spelled(draw, word) for word in told.query)
    return "".join(
        [
            _cased(draw, told.scheme) + "://" + _cased(draw, told.host) + draw(st.sampled_from(["", "."])),
            port + path + draw(st.sampled_from(["", "/", "/."])),
            f"?{query}" if query else draw(st.sampled_from(["", "?"])),
            draw(st.sampled_from(["", "#", "#/mcp?"])),
        ]
    )


@given(st.data(), parts)
def test_all_spellings_of_one_url_are_equal(data: st.DataObject, told: Parts) -> None:
    one, other = data.draw(spellings(told)), data.draw(spellings(told))
    assert normalised_url(one) == normalised_url(other)


@given(st.data(), parts, parts)
def test_urls_of_other_parts_differ_in_every_spelling(data: st.DataObject, one: Parts, other: Parts) -> None:
    assume(one != other)
    assert normalised_url(data.draw(spellings(one))) != normalised_url(data.draw(spellings(other)))


@given(st.lists(st.sampled_from(["a", "b", ".", ".."]), max_size=8))
def test_dots_are_removed_as_the_standard_library_resolves_them(segments: list[str]) -> None:
    path = "".join(f"/{segment}" for segment in segments)
    resolved = urljoin("http://host", path) if path else "http://host"
    assert normalised_url(f"http://host{path}") == resolved.rstrip("/")


def test_what_is_normal_has_only_characters_of_a_url() -> None:
    hostile = "".join(map(chr, range(0x21, 0x300))).translate({ord(c): None for c in "/?#@:[]"})
    assert re.fullmatch(r"[!-~]+", normalised_url(f"http://{hostile}/{hostile}?{hostile}"))
