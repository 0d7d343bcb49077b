"""Which entry of the registry a workload was made from: the table of the contract, row by row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dependency_graph.domain.mcp_match import Catalogue
from dependency_graph.domain.mcp_server import Match, RegistryEntry

URL = "https://api.githubcopilot.com/mcp"
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def _entry(name: str, *packages: str) -> RegistryEntry:
    """An entry with these URLs and images."""
    urls = tuple(package for package in packages if "//" in package)
    return RegistryEntry(name, tuple(p for p in packages if p not in urls), urls)


def _matched(package: str, *entries: RegistryEntry, name: str = "mine") -> Match:
    return Catalogue(entries).match(package, "//" in package, name)


@pytest.mark.parametrize(
    "spelling",
    [
        URL,
        "HTTPS://API.GITHUBCOPILOT.COM/mcp",
        f"{URL}/",
        "https://api.githubcopilot.com:443/mcp",
        "https://api.githubcopilot.com/%6Dcp",
        f"{URL}#fragment",
    ],
)
def test_a_remote_workload_matches_the_entry_of_its_url_whatever_its_name(spelling: str) -> None:
    others = _entry("mine", "https://api.githubcopilot.com/"), _entry("mine-too", f"{URL}?a=1")
    assert _matched(spelling, *others, _entry("github", URL)) == Match("github")
    assert _matched(URL, *others, _entry("github", spelling)) == Match("github")


@pytest.mark.parametrize("spelling", [f"{URL}?toolset=all", f"{URL}/x", "http://api.githubcopilot.com/mcp"])
def test_a_remote_workload_on_another_url_matches_nothing(spelling: str) -> None:
    assert _matched(spelling, _entry("github", URL)) == Match()
    assert _matched(spelling, _entry("mine", URL)) == Match()


def test_an_entry_matches_by_any_of_its_urls_and_images() -> None:
    entry = _entry("both", "https://one.example/mcp", "https://two.example/sse", "mcp/a:1", "mcp/b:1")
    for package in (*entry.urls, *entry.images):
        assert _matched(package, entry) == Match("both")


def test_an_entry_that_has_a_package_twice_is_not_ambiguous() -> None:
    entry = _entry("twice", URL, f"{URL}/", "mcp/a", "docker.io/mcp/a:latest", "mcp/a:1")
    for package in (URL, "mcp/a", "mcp/a:2"):
        assert not _matched(package, entry).ambiguous


@pytest.mark.parametrize("image", ["mcp/fetch:1.0", "docker.io/mcp/fetch:1.0", f"mcp/fetch:1.0@{A}"])
def test_a_container_matches_the_entry_of_its_image(image: str) -> None:
    assert _matched(image, _entry("fetch", "docker.io/mcp/fetch:1.0")) == Match("fetch")


@pytest.mark.parametrize("image", ["mcp/fetch", "mcp/fetch:1.1", f"mcp/fetch@{A}"])
def test_a_container_of_another_tag_or_digest_matches_with_another_version(image: str) -> None:
    entry = _entry("fetch", "docker.io/mcp/fetch:1.0")
    assert _matched(image, entry) == Match("fetch", version_differs=True)


def test_digests_tell_versions_apart() -> None:
    entry = _entry("fetch", f"mcp/fetch:1.0@{A}")
    assert _matched(f"mcp/fetch:1.1@{A}", entry) == Match("fetch")
    assert _matched(f"mcp/fetch:1.0@{B}", entry) == Match("fetch", version_differs=True)


@pytest.mark.parametrize("image", ["fetch:1.0", "ghcr.io/mcp/fetch:1.0", "mcp/fetcher:1.0", "mcp/Fetch:1.0"])
def test_a_container_of_another_repository_matches_nothing(image: str) -> None:
    assert _matched(image, _entry("fetch", "docker.io/mcp/fetch:1.0")) == Match()


def test_of_several_entries_the_one_of_the_workloads_name_matches() -> None:
    entries = [_entry(name, URL, "mcp/a:1") for name in ("a", "mine", "z")]
    assert _matched(URL, *entries) == Match("mine")
    assert _matched("mcp/a:1", *entries) == Match("mine")
    assert _matched("mcp/a:2", *entries) == Match("mine", version_differs=True)


def test_of_several_entries_of_other_names_the_first_matches_ambiguously() -> None:
    entries = [_entry(name, URL, "mcp/a:1") for name in ("z", "a", "B", "io.github.stacklok/mine")]
    assert _matched(URL, *entries) == Match("B", ambiguous=True)
    assert _matched("mcp/a:1", *entries) == Match("B", ambiguous=True)
    assert _matched("mcp/a:2", *entries) == Match("B", version_differs=True, ambiguous=True)


def test_an_equal_image_goes_before_the_name_and_others_of_its_repository_make_nothing_ambiguous() -> None:
    entries = _entry("mine", "mcp/a:1"), _entry("other", "mcp/a:2"), _entry("third", "mcp/a:3")
    assert _matched("mcp/a:2", *entries) == Match("other")
    assert _matched("mcp/a:4", *entries) == Match("mine", version_differs=True)


def test_an_image_is_no_url_and_a_url_no_image() -> None:
    catalogue = Catalogue([_entry("url", URL), _entry("image", "mcp/fetch")])
    assert catalogue.match(URL, remote=False, name="url") == Match()
    assert catalogue.match("mcp/fetch", remote=True, name="image") == Match()


def test_an_empty_registry_matches_nothing() -> None:
    assert _matched(URL) == _matched("mcp/fetch") == Match()


URLS = {"https://one.example/mcp": 1, "HTTPS://ONE.example:443/mcp/": 1, "https://two.example": 2}
IMAGES = {"mcp/a:1": ("a", "1"), "docker.io/mcp/a:1": ("a", "1"), "mcp/a": ("a", "latest"), "b:1": ("b", "1")}
names = st.sampled_from(["A", "a", "b", "mine"])
entries = st.builds(
    RegistryEntry,
    names,
    st.lists(st.sampled_from(sorted(IMAGES)), max_size=2).map(tuple),
    st.lists(st.sampled_from(sorted(URLS)), max_size=2).map(tuple),
)


def _naive(package: str, known: list[RegistryEntry], name: str) -> Match:
    if package in URLS:
        best, differs = {e.name for e in known if URLS[package] in {URLS[u] for u in e.urls}}, False
    else:
        image = IMAGES[package]
        best = {e.name for e in known if image in {IMAGES[i] for i in e.images}}
        alike = {e.name for e in known if image[0] in {IMAGES[i][0] for i in e.images}}
        best, differs = best or alike, not best and bool(alike)
    if name in best:
        return Match(name, differs)
    return Match(min(best, default=None), differs, len(best) > 1)


@given(
    st.sampled_from([*URLS, *IMAGES]),
    st.lists(entries, max_size=5, unique_by=lambda entry: entry.name),
    names,
)
def test_a_match_is_that_of_a_search_through_all_entries(
    package: str, known: list[RegistryEntry], name: str
) -> None:
    assert Catalogue(known).match(package, package in URLS, name) == _naive(package, known, name)
