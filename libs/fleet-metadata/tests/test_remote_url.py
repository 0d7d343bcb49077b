from time import process_time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_metadata.collectors.git.remote_url import (
    RemoteUrl,
    text_without_credentials,
    without_credentials,
)

SECRET = "canary7f3a"


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/owner/name",
        "https://github.com/owner/name.git",
        "https://github.com/owner/name/",
        "https://github.com//owner//name.git//",
        "HTTPS://GitHub.com/owner/name.git",
        "http://github.com:8080/owner/name.git",
        "https://user@github.com/owner/name.git",
        "https://user:p@ss@github.com/owner/name.git",
        "https://www.github.com/owner/name",
        "https://github.com./owner/name",
        "https://github.com/owner/name?ref=x#readme",
        "https://github.com/%6Fwner/na%6De.git",
        "ssh://git@github.com/owner/name.git",
        "ssh://git@github.com:22/owner/name.git",
        "ssh://github.com/owner/name",
        "ssh://git@ssh.github.com:443/owner/name.git",
        "git+ssh://git@github.com/owner/name.git",
        "ssh+git://git@github.com/owner/name.git",
        "git+https://github.com/owner/name.git",
        "git://github.com/owner/name.git",
        "git@github.com:owner/name.git",
        "git@github.com:/owner/name.git",
        "github.com:owner/name",
        "GIT@GITHUB.COM:owner/name",
        "org-1234@github.com:owner/name.git",
        "git@ssh.github.com:owner/name.git",
        "[git@github.com:443]:owner/name.git",
        "git@[github.com:443]:owner/name.git",
        "  git@github.com:owner/name.git\n",
    ],
)
def test_all_ways_to_name_a_repository_name_the_same(url: str) -> None:
    assert RemoteUrl.parse(url) == RemoteUrl("github.com", "owner/name")


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("git@altssh.gitlab.com:a/b/c.git", "gitlab.com", "a/b/c"),
        ("https://www.gitlab.com/a/b", "gitlab.com", "a/b"),
        ("https://www.example.com/a/b", "www.example.com", "a/b"),
        ("https://git.example.com:8443/gitlab/a/b.git", "git.example.com", "gitlab/a/b"),
        ("ssh://git@[2001:DB8::1]:2222/a/b.git", "2001:db8::1", "a/b"),
        ("https://[::1]/a/b", "::1", "a/b"),
        ("git@[::1]:a/b.git", "::1", "a/b"),
        ("git@host:~user/b.git", "host", "~user/b"),
        ("https://host/caf%C3%A9/na%20me", "host", "café/na me"),
        ("https://host/a%2Fb.git", "host", "a/b"),
        ("https://host/a/b.git.git", "host", "a/b.git"),
        ("git@host:a%20b/c", "host", "a%20b/c"),
        ("git@host:one", "host", "one"),
    ],
)
def test_host_and_path_are_what_the_forge_calls_them(url: str, host: str, path: str) -> None:
    assert RemoteUrl.parse(url) == RemoteUrl(host, path)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            " ",
            "name",
            "/srv/git/name.git",
            "./name",
            "../a:b",
            "~/name",
            "C:\\work\\name",
            "c:/work/name",
        ),
        *("file:///srv/git/name.git", "file://host/srv/name", "ext::ssh -p 22 git@host %S a/b", "foo::a/b"),
        *(
            "https://github.com",
            "https://github.com/",
            "https:///a/b",
            "https://:80/a/b",
            "git@host:",
            "git@host:/",
        ),
        *("https://github.com/.git", "https://[::1/a/b", "https://a b/c/d", "https://host:port/a/b", ":a/b"),
        *("https://host/a%00b", "https://host/a%0Ab", "ftp://host"),
    ],
)
def test_what_names_no_repository_elsewhere_is_none(url: str) -> None:
    assert RemoteUrl.parse(url) is None


_NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="/"), min_size=1
).filter(lambda name: name.strip() and not name.endswith(".git"))
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map("/".join).filter(lambda path: path == path.strip())
_HOSTS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}(\.[a-z]{2,5}){0,2}", fullmatch=True)
_USERS = st.sampled_from(["", "git@", "user:pass@"])
_ENDS = st.sampled_from(["", "/", ".git", ".git/"])


@given(
    st.sampled_from(["https", "http", "ssh", "git+ssh"]),
    _USERS,
    _HOSTS,
    st.none() | st.integers(1, 65535),
    _PATHS,
    _ENDS,
)
def test_a_url_that_is_made_of_a_place_names_that_place(
    scheme: str, user: str, host: str, port: int | None, path: str, end: str
) -> None:
    authority = f"{user}{host}" if port is None else f"{user}{host}:{port}"
    assert RemoteUrl.parse(f"{scheme}://{authority}/{quote(path)}{end}") == RemoteUrl(host, path)


@given(st.sampled_from(["", "git@"]), _HOSTS, _PATHS, st.sampled_from(["", ".git"]))
def test_so_does_the_short_form(user: str, host: str, path: str, end: str) -> None:
    if not path.startswith(":"):
        assert RemoteUrl.parse(f"{user}{host}:{path}{end}") == RemoteUrl(host, path)


@given(st.text())
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    parsed = RemoteUrl.parse(text)
    assert parsed is None or (parsed.host and parsed.path)
    assert without_credentials(without_credentials(text)) == without_credentials(text)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/a/b", "https://host/a/b"),
        (f"https://{SECRET}@host/a/b", "https://host/a/b"),
        (f"https://user:{SECRET}@host:8443/a/b?x=1", "https://host:8443/a/b?x=1"),
        (f"HTTP://user:p@{SECRET}@host/a/b", "HTTP://host/a/b"),
        (f"ftp://user:{SECRET}@host/a", "ftp://host/a"),
        (f"git+https://{SECRET}@host/a", "git+https://host/a"),
        (f"https://user:{SECRET}/x@host/a", "https://host/a"),
        (f"https://user:/{SECRET}@host/a", "https://host/a"),
        (f"https://user:{SECRET}#x@host/a", "https://host/a"),
        (f"https://user:{SECRET}?x@host/a", "https://host/a"),
        (f"foo::https://user:{SECRET}@host/a", "foo::https://host/a"),
        (f"ssh://git:{SECRET}@host:22/a/b", "ssh://git@host:22/a/b"),
        (f"ssh://git%3A{SECRET}@host/a/b", "ssh://git@host/a/b"),
        (f"ssh://:{SECRET}@host/a/b", "ssh://host/a/b"),
        (f"git+ssh://git:{SECRET}@host/a/b", "git+ssh://git@host/a/b"),
        ("ssh://git@host/a/b", "ssh://git@host/a/b"),
        ("https://host/@scope/b", "https://host/@scope/b"),
        ("https://[::1]:80/@a", "https://[::1]:80/@a"),
        (f"https://host/a?private_token={SECRET}&ref=main", "https://host/a?private_token=***&ref=main"),
        (
            f"https://host/a?X-Amz-Signature={SECRET};Key={SECRET}",
            "https://host/a?X-Amz-Signature=***;Key=***",
        ),
        (f"https://host/a?t%6Fken={SECRET}", "https://host/a?t%6Fken=***"),
        (f"https://host/a#access_token={SECRET}", "https://host/a#access_token=***"),
        (f"https://host/a?client_secret={SECRET}=", "https://host/a?client_secret=***"),
        ("https://host/a?token=&b=1", "https://host/a?token=&b=1"),
        ("git@host:a/b.git", "git@host:a/b.git"),
        ("/srv/git/a@b", "/srv/git/a@b"),
        ("file:///srv/a@b", "file:///srv/a@b"),
        ("", ""),
    ],
)
def test_credentials_are_taken_out_of_a_url_and_nothing_else(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
    assert SECRET not in shown


_PARTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=10)


@given(st.sampled_from(["https", "http", "ftp", "ssh", "git+ssh"]), _PARTS, _PARTS)
def test_no_password_is_ever_shown(scheme: str, before: str, after: str) -> None:
    url = f"{scheme}://user:{quote(before, safe='')}{SECRET}{after}@host/a/b"
    assert SECRET not in without_credentials(url)
    assert without_credentials(url).endswith("host/a/b")


@pytest.mark.parametrize("before", ["1", "+.-", "x1", "'", "a://b "])
def test_a_url_is_found_whatever_stands_before_it(before: str) -> None:
    assert text_without_credentials(f"{before}https://user:{SECRET}@host/a") == f"{before}https://host/a"


@pytest.mark.parametrize("piece", ["a", "1", "a.", "a:", "a:/", "://", "a://", "a://@", "a://b:@", "a://? "])
def test_no_text_takes_long_to_be_looked_through(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    started = process_time()
    text_without_credentials(text)
    # Tens of milliseconds; one that grows with the square of the text takes many seconds.
    assert process_time() - started < 2


def test_urls_are_found_in_what_git_says() -> None:
    said = f"fatal: unable to access 'https://user:{SECRET}@host/a/': see ssh://git:{SECRET}@host/b"
    assert text_without_credentials(said) == (
        "fatal: unable to access 'https://host/a/': see ssh://git@host/b"
    )
