"""What is masked by its shape, and what is left alone; the secrets are all made up."""

import string
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.redaction import redact_text
from observability.secret_shapes import SECRETS, SUSPICIOUS

CANARY = "Canary7Bird"
BODY = "Canary7BirdCanary7BirdCanary7BirdCanary7BirdCanary7Bird"
PRIVATE_KEY = f"""-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,Canary

{BODY}
{BODY}
-----END RSA PRIVATE KEY-----"""

TOKENS = [
    f"fleet_abc123def456_{BODY[:38]}",
    f"ghp_{BODY[:36]}",
    f"gho_{BODY[:36]}",
    f"ghu_{BODY[:36]}",
    f"ghs_{BODY[:36]}",
    f"ghr_{BODY[:36]}{BODY[:40]}",
    f"ghs_123456_eyJ{BODY}.eyJ{BODY}.{BODY}",
    f"github_pat_{BODY[:22]}_{BODY}{BODY[:4]}",
    f"glpat-{BODY[:18]}_-",
    f"glpat-{BODY}.01.{CANARY[:9]}",
    f"glptt-{BODY[:40]}",
    f"gldt-{BODY[:20]}",
    f"glrt-t1_{BODY[:20]}",
    f"glcbt-64_{BODY[:20]}",
    f"glsoat-{BODY[:20]}",
    "AKIACANARY7BIRDCANAR",
    "ASIACANARY7BIRDCANAR",
    f"xoxb-123456789012-1234567890123-{BODY[:24]}",
    f"xoxp-{BODY}",
    f"xoxe-1-{BODY}",
    f"eyJ{BODY}.eyJ{BODY}.{BODY}-_",
    f"eyJ{BODY}.eyJ{BODY}",
    f"eyJ{BODY * 40}.eyJ{BODY}.{BODY}",
    f"sk-{BODY[:48]}",
    f"sk-proj-{BODY[:30]}_-{BODY}",
    f"sk-svcacct-{BODY}",
    f"sk-ant-api03-{BODY}_{BODY[:30]}-AA",
    f"sk-or-v1-{'canary7bird0' * 5}",
    f"npm_{BODY[:36]}",
    f"pypi-AgEIcHlwaS5vcmc{BODY}",
    f"AIza{BODY[:33]}-_",
    f"sk_live_{BODY[:24]}",
    f"rk_live_{BODY[:24]}",
    f"sk_test_{BODY[:24]}",
    f"hf_{BODY[:34]}",
    PRIVATE_KEY,
    PRIVATE_KEY.replace("RSA ", "OPENSSH "),
    PRIVATE_KEY.replace("RSA ", ""),
    PRIVATE_KEY.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK"),
    PRIVATE_KEY.replace("\n", "\\n"),
]
AROUND = [
    "{}",
    "the token {} was used",
    "https://h/?key={}&b=2",
    "https://h/cb%3Fkey%3D{}",
    '{{"key": "{}"}}',
    "first line\\n{}\\nlast line",
    "KEY:{},",
    "<{}>",
    "_{}",
]


def _has_canary(text: str) -> bool:
    return "canary" in text.lower()


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("token", TOKENS)
def test_a_token_is_masked_wherever_it_stands(token: str, around: str) -> None:
    told = redact_text(around.format(token))
    assert not _has_canary(told)
    assert "***" in told


@pytest.mark.parametrize("token", TOKENS)
def test_what_stands_around_a_token_stays(token: str) -> None:
    told = redact_text(f"before {token} between {token} after")
    assert told.startswith("before ")
    assert " between " in told
    assert told.endswith("*** after")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://ann:Canary@h/p", "https://***@h/p"),
        ("https://Canary@h/p and http://b:Canary@i", "https://***@h/p and http://***@i"),
        ("https://ann:Can@ary@h/p", "https://***@h/p"),
        ("https://ann:Can'ary@h/p", "https://***@h/p"),
        ("redis://:Canary@h:6379/0", "redis://***@h:6379/0"),
        ("ssh://git:Canary@h/p", "ssh://***@h/p"),
        ("/login?next=https%3A%2F%2Fann%3ACanary%40h%2Fp", "/login?next=https%3A%2F%2F***%40h%2Fp"),
        ("/login?next=https%3a%2f%2fann:Canary%40h", "/login?next=https%3a%2f%2f***%40h"),
        ("Authorization: Bearer canarycanary", "Authorization: Bearer ***"),
        ("{'authorization': 'Basic Q2FuYXJ5Q2FuYXJ5'}", "{'authorization': 'Basic ***'}"),
        ("got BEARER Canary7Bird", "got BEARER ***"),
        ("basic Q2FuYXJ5OkNhbmFyeQ==", "basic ***"),
        ("?access_token=Canary&b=2", "?access_token=***&b=2"),
        ("?private_token=Canary", "?private_token=***"),
        ("host=h password='Can ary' user=u", "host=h password=*** user=u"),
        ('CLIENT_SECRET="Canary', "CLIENT_SECRET=***"),
        ("AWS_SECRET_ACCESS_KEY=Cana/ry+Canary", "AWS_SECRET_ACCESS_KEY=***"),
        ("api-key=Canary apikey=Canary", "api-key=*** apikey=***"),
        ("Coder-Session-Token: Ab3dEf6hIj-Canary7BirdCanary7Bird", "Coder-Session-Token: Ab3dEf6hIj-***"),
        ('"session_token": "Ab3dEf6hIj-Canary7BirdCanary7Bird"', '"session_token": "Ab3dEf6hIj-***"'),
        (f"-----BEGIN PRIVATE KEY-----\n{BODY}\n{BODY} (cut)", "***"),
    ],
)
def test_what_is_told_to_be_secret_is_masked(text: str, told: str) -> None:
    assert redact_text(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "6f1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
        "2026-11-21T15:50:17.123456Z",
        "sk-123",
        "sk-123-Fix-The-Login-Of-All-Users",
        "sk-fix-the-login-of-users-who-are-away",
        "sk-refactoreverythingthatthereis",
        "sk-ant-farm-of-42-colonies-and-more-of-them",
        "task-0a1b2c3d4e5f60718293a4b5c6d7e8f9",
        "risk-assessment2026ofeverything",
        "disk_test_0123456789abcdef0123",
        "highp_precision_of_shaders_in_general",
        "npm_config_registry",
        "npm_package_dependencies_typescript_eslint_parser",
        "hf_hub_download_of_large_language_models",
        "pypi-publish-workflow-for-all-releases-of-2026",
        "global-configuration-of-the-services-2026",
        "fleet_metadata",
        "fleet_metadata_token is read once",
        "fleet_dependencies_of_services",
        "github_pat_ and ghp_ are prefixes",
        "AKIA and ASIA, AKIAlowercase, ASIAPACIFIC",
        "XAKIACANARY7BIRDCANAR",
        "AKIACANARY7BIRDCANARY7BIRD",
        "keyJson.eyJ.x",
        "checkout-7d4b9c6f5d-x2x7z",
        "deployment-createuseraccountv2tes",
        "tokenizer: deployment-createuseraccountv",
        "Add basic authentication.",
        "Basic Authentication/authorization for bearer tokens",
        "basic end-to-end tests, bearer authentication",
        "git@github.com:fleet/fleet.git",
        "ssh://git@github.com/fleet/fleet.git",
        "git+ssh://git@github.com:22/fleet/fleet.git",
        "https://github.com/fleet/fleet/pull/810",
        "https://h/search?q=@ann and ann@example.org",
        "see https%3A%2F%2Fh%2Fp%40x",
        "prefix=git_&keys=a,b max_tokens=5 tokens=7",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
    ],
)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert redact_text(text) == text


TEXTS = st.lists(
    st.one_of(
        st.sampled_from(
            [*TOKENS, "://", "@", "%3A%2F%2F", "%40", "=", " ", "\n", "'", '"', "/", "token", "-"]
        ),
        st.text(string.printable, max_size=20),
        st.text(max_size=5),
    ),
    max_size=8,
).map("".join)


@given(TEXTS)
def test_what_was_masked_once_is_not_masked_further(text: str) -> None:
    assert redact_text(redact_text(text)) == redact_text(text)


@given(TEXTS)
def test_the_quick_look_passes_nothing_by(text: str) -> None:
    found = any(pattern.search(text) for pattern, _ in SECRETS)
    assert SUSPICIOUS.search(text) or not found


@pytest.mark.parametrize(
    "piece",
    [*("a.", "://", "://a", "=", "token=", "-----BEGIN PRIVATE KEY-----", "eyJaaaaa.", "bearer ", "basic\t"),
     *("authorization ", "%3A%2F%2F", "%3A%2F%2Fa%", "glpat-", "sk-", "sk-proj-a", "ghp_1_", "token-", "xoxb-", " "),
     *("eyJ", "eyJaaaaa.eyJ", "sk-proj-", "sk-svcacct-", "sk-admin-", "sk-or-v1-", "sk-ant-", "sk_live_", "hf_"),
     *("ghp_", "github_pat_", "npm_", "pypi-Ag", "AKIA", "AIza", "-----BEGIN", "ssh://", "%3A%2F%2Fa%40"),
     *('token="', "token='", 'token="\n', "authorization: basic ", "bearer a-", "basic/", "a", "-")],
)  # fmt: skip
@pytest.mark.parametrize(("length", "seconds"), [(65_536, 2), (200_000, 5)])
def test_no_text_takes_long(piece: str, length: int, seconds: float) -> None:
    text = piece * (length // len(piece)) + " eyJ"  # It is looked at in full, for this at least.
    started = process_time()
    redact_text(text)
    # Tens of milliseconds; one that grows with the square of the text takes minutes.
    assert process_time() - started < seconds
