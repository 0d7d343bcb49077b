"""References of images and packages without the secrets in them, and otherwise as they were."""

import pytest

from toolhive_client.reading.url_cleaning import LONGEST_IMAGE, clean_image

SECRET = "canary7f3a"


@pytest.mark.parametrize(
    "reference",
    [
        *("fetch", "mcp/fetch:1.0", "ghcr.io/StacklokLabs/gofetch/server:1.0.3", "localhost:5000/a/b"),
        *(f"docker.io/mcp/fetch@sha256:{'0a' * 32}", f"mcp/fetch:1@sha512:{'0a' * 64}"),
    ],
)
def test_the_reference_of_an_image_stays_as_it_is(reference: str) -> None:
    assert clean_image(reference) == reference


@pytest.mark.parametrize(
    ("reference", "clean"),
    [
        (f"user:{SECRET}@ghcr.io/a/b:1", None),
        (f"https://user:{SECRET}@ghcr.io/a/b", "https://ghcr.io/a/b"),
        (f"ghcr.io/a/b?token={SECRET}", None),
        (f"uvx://user:{SECRET}@1.0.0", None),
        (f"npx://{SECRET}@example.com/pkg", None),
        (f"npx://@scope/pkg@1.0.0?token={SECRET}", None),
        *((package, None) for package in ("uvx://", "npx://@scope", "npx://a@", "npx://a@1@2", "go://a//b")),
        (f"oci://user:{SECRET}@ghcr.io/a/b", "oci://ghcr.io/a/b"),
        (f"docker://ghcr.io/a?token={SECRET}", "docker://ghcr.io/a?token=***"),
        ("ftp://", None),
        ("a b", None),
        ("", None),
        ("a\n", None),
        ("a" * LONGEST_IMAGE, "a" * LONGEST_IMAGE),
        ("npx://".ljust(LONGEST_IMAGE + 1, "a"), None),
        ("a" * (LONGEST_IMAGE + 1), None),
    ],
)
def test_what_is_no_reference_of_an_image_is_not_kept(reference: str, clean: str | None) -> None:
    assert clean_image(reference) == clean
