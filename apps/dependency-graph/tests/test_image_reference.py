"""References to images, after github.com/distribution/reference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dependency_graph.domain.image_reference import ImageReference

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("text", "repository", "tag", "digest"),
    [
        ("fetch", "docker.io/library/fetch", "latest", None),
        ("mcp/fetch", "docker.io/mcp/fetch", "latest", None),
        ("docker.io/fetch", "docker.io/library/fetch", "latest", None),
        ("docker.io/library/fetch:1", "docker.io/library/fetch", "1", None),
        ("library/fetch", "docker.io/library/fetch", "latest", None),
        ("index.docker.io/mcp/fetch", "docker.io/mcp/fetch", "latest", None),
        ("GHCR.io/github/github-mcp-server:v1", "ghcr.io/github/github-mcp-server", "v1", None),
        ("localhost/fetch", "localhost/fetch", "latest", None),
        ("localhost:5000/fetch", "localhost:5000/fetch", "latest", None),
        ("registry:5000/fetch:2", "registry:5000/fetch", "2", None),
        ("a/b/c", "docker.io/a/b/c", "latest", None),
        (f"mcp/fetch@{A}", "docker.io/mcp/fetch", None, A),
        (f"mcp/fetch:1@{A.upper()}", "docker.io/mcp/fetch", "1", A),
        ("mcp/fetch:", "docker.io/mcp/fetch", "latest", None),
        ("mcp/fetch@", "docker.io/mcp/fetch", "latest", None),
        ("", "docker.io/library/", "latest", None),
    ],
)
def test_a_reference_is_read_with_dockers_defaults(
    text: str, repository: str, tag: str | None, digest: str | None
) -> None:
    assert ImageReference.parse(text) == (repository, tag, digest)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("x", "x:latest", True),
        ("x", "x:1", False),
        ("x:1", "x:1", True),
        ("x:V1", "x:v1", False),
        (f"x@{A}", f"x@{A.upper()}", True),
        (f"x@{A}", f"x@{B}", False),
        (f"x:1@{A}", f"x:2@{A}", True),
        (f"x:1@{A}", f"x:1@{B}", False),
        (f"x:1@{A}", f"x@{A}", True),
        (f"x:1@{A}", "x:1", True),
        (f"x:1@{A}", "x:2", False),
        (f"x@{A}", "x", False),
        (f"x@{A}", "x:latest", False),
    ],
)
def test_digests_decide_where_both_have_one_and_tags_elsewhere(one: str, other: str, same: bool) -> None:
    left, right = ImageReference.parse(one), ImageReference.parse(other)
    assert (left.same_version(right), right.same_version(left)) == (same, same)


@given(st.text("aA1.:/@-", max_size=20))
def test_any_text_is_read_and_is_the_same_version_as_itself(text: str) -> None:
    assert ImageReference.parse(text).same_version(ImageReference.parse(text))


hosts = st.sampled_from([None, "docker.io", "ghcr.io", "localhost", "registry:5000", "10.0.0.1:5000"])
words = st.text("abc019-_", min_size=1, max_size=5)
paths = st.lists(words, min_size=1, max_size=3)


@given(hosts, paths, st.none() | words, st.sampled_from([None, A, B]))
def test_what_is_written_by_the_grammar_is_read_by_it(
    host: str | None, path: list[str], tag: str | None, digest: str | None
) -> None:
    told = "/".join([host, *path] if host else path)
    text = told + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    on_the_hub = host in {None, "docker.io"}
    full = (
        ["docker.io", *(["library"] if len(path) == 1 else []), *path] if on_the_hub else [str(host), *path]
    )
    assert ImageReference.parse(text) == ("/".join(full), tag or (None if digest else "latest"), digest)


@pytest.mark.parametrize(
    ("text", "repository", "tag"),
    [
        ("npx://@scope/name@1.0", "npx://@scope/name", "1.0"),
        ("npx://@scope/name", "npx://@scope/name", "latest"),
        ("uvx://name@1.0.0", "uvx://name", "1.0.0"),
        ("uvx://name@", "uvx://name", "latest"),
        ("go://example.com/a/b", "go://example.com/a/b", "latest"),
    ],
)
def test_a_package_has_a_version_in_place_of_a_tag(text: str, repository: str, tag: str) -> None:
    assert ImageReference.parse(text) == (repository, tag, None)
