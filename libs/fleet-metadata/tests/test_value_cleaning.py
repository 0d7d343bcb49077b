"""What is taken out of a value before anybody sees it; the secrets are made up."""

import json
import os
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_collectors import MadeCollector, body_of, key_of, state_of, told_by, value_of

from fleet_metadata import CollectionFailed, Key, NotApplicable, ValueType
from fleet_metadata.collection.board import Board
from fleet_metadata.collection.cleaning import Cleaning, TooLarge

TOKEN = "ghp_" + "Canary7Bird" * 4
OBJECT = key_of("made_object", ValueType.OBJECT)


def cleaned(text: str) -> str:
    return Cleaning().text(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("first\nsecond\r\nthird\tx", "first\nsecond\nthird\tx"),
        ("a\x00b\x07c\x1b[31mred\x7f\x85\x9b", "abc[31mred"),
        ("\u202eevil\u202c \u2066x\u2069 \u200e\u200f\u061c", "evil x "),
        ("no\u200bwidth\u2060at\ufeffall", "nowidthatall"),
        ("👩\u200d💻 fa\u200cmily \u2028", "👩\u200d💻 fa\u200cmily \u2028"),
        ("lone \ud800 and \udfff, pair \ud83d\ude00", "lone � and �, pair ��"),
        ("déjà vu 語 😀", "déjà vu 語 😀"),
        ("", ""),
    ],
)
def test_a_text_is_plain_unicode_with_its_line_ends(text: str, told: str) -> None:
    assert cleaned(text) == told


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    assert cleaned(os.fsdecode(b"caf\xe9.txt")) == "caf�.txt"
    assert cleaned(b"\xff\xc3".decode(errors="surrogateescape")) == "��"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://ann:Canary@h/p.git", "https://h/p.git"),
        ("https://Canary@h/p.git", "https://h/p.git"),
        ("https://:Canary@h/p.git", "https://h/p.git"),
        ("HTTPS://ann:Canary@h", "HTTPS://h"),
        ("ftp://ann:Canary@h", "ftp://h"),
        ("git+https://ann:Canary@h/p", "git+https://h/p"),
        ("postgresql://ann:Canary@h/p", "postgresql://h/p"),
        ("https://ann:Can@ary@h/p", "https://h/p"),
        ("https://ann:Can'ary!$%40@h/p", "https://h/p"),
        ("https://x-access-token:Canary@h/p", "https://h/p"),
        ("clone https://a:Canary@h/p and http://Canary@i, then", "clone https://h/p and http://i, then"),
        ('<a href="https://a:Canary@h/p">', '<a href="https://h/p">'),
        ("first\nhttps://a:Canary@h\nlast", "first\nhttps://h\nlast"),
        ("https://ann\x00:Can\u200bary@h", "https://h"),
        ("https:/\x00/ann:Canary@h", "https://h"),
        ("ssh://git@h:22/p.git", "ssh://git@h:22/p.git"),
        ("ssh://git:Canary@h/p.git", "ssh://git@h/p.git"),
        ("git+SSH://git:Can@ary@h/p", "git+SSH://git@h/p"),
        ("git@h:owner/name.git", "git@h:owner/name.git"),
        ("https://h/p?q=ann@example.org", "https://h/p?q=ann@example.org"),
        ("https://h/@scope/name#a@b", "https://h/@scope/name#a@b"),
        ("see https://h and mail ann@example.org", "see https://h and mail ann@example.org"),
        ("?url=https%3A%2F%2Fann%3ACanary%40h%2Fp", "?url=https%3A%2F%2F***%40h%2Fp"),
        ("https://h/p?token=Canary&x=1", "https://h/p?token=***&x=1"),
    ],
)
def test_credentials_in_urls_are_removed_and_all_else_stays(text: str, told: str) -> None:
    assert cleaned(text) == told


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"TOKEN={TOKEN}",
        f"{TOKEN[:20]}\x00{TOKEN[20:]}",
        f"{TOKEN[:20]}\u200b\x1b{TOKEN[20:]}",
        f"gh\ufeffp_{TOKEN[4:]}",
        "-----BEGIN PRIVATE KEY-----\nCanary\nCanary\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE\x00 KEY-----\r\nCanary\r\nCanary",
        "Authorization: Bearer Canary7Bird",
    ],
)
def test_tokens_are_masked_also_where_what_is_not_seen_splits_them(text: str) -> None:
    assert "***" in cleaned(text)
    assert "Canary" not in cleaned(text)
    assert "7Bird" not in cleaned(text)


SECRET = "Can/ary+7 é%"


@pytest.mark.parametrize(
    "text",
    [
        f"the secret {SECRET} itself",
        f"x{SECRET}x",
        f"?key={quote(SECRET, safe='')}",
        f"?key={quote(SECRET)}",
        f"?key={quote(SECRET, safe='').lower().replace('can', 'Can')}",
        f"{SECRET[:4]}\x00{SECRET[4:]}",
    ],
)
def test_what_is_known_to_be_secret_is_masked_as_it_is_and_as_it_stands_in_a_url(text: str) -> None:
    told = Cleaning(["", "short", SECRET, "Can/ary+"]).text(text)
    assert "***" in told
    assert "Can" not in told
    assert "ary" not in told


def test_what_is_too_short_would_be_found_in_words() -> None:
    assert Cleaning(["git", "1234567"]).text("git 1234567 12345678") == "git 1234567 12345678"
    assert Cleaning(["12345678"]).text("git 1234567 12345678") == "git 1234567 ***"


def test_the_longest_of_known_secrets_is_found_first() -> None:
    assert Cleaning(["Canary7B", "Canary7Bird"]).text("Canary7Bird Canary7B") == "*** ***"


async def test_members_and_items_are_cleaned_at_any_depth_and_their_names_too() -> None:
    value = {"a": [{"b\x00": ("x\x1b", TOKEN)}], TOKEN: 1, "https://a:Canary@h": None}
    answer = await told_by({"made_object": value}, OBJECT)
    assert value_of(answer, "made_object") == {
        "a": [{"b": ["x", "ghp_***"]}],
        "ghp_***": 1,
        "https://h": None,
    }
    assert "Canary" not in answer.body.decode()


@pytest.mark.parametrize(
    "name", ["token", "GITHUB_TOKEN", "password", "api-key", "Authorization", "client_secret"]
)
async def test_a_member_whose_name_says_secret_is_masked_whatever_it_looks_like(name: str) -> None:
    for secret in ("Canary", ["Canary"], {"value": "Canary"}):
        answer = await told_by({"made_object": {"env": {name: secret, "other": "x"}}}, OBJECT)
        assert value_of(answer, "made_object") == {"env": {name: "***", "other": "x"}}


async def test_a_number_of_tokens_is_no_token() -> None:
    value = {"token_count": 5, "tokens": 1.5, "has_token": True, "token": None}
    assert value_of(await told_by({"made_object": value}, OBJECT), "made_object") == value


@pytest.mark.parametrize("raised", [CollectionFailed, NotApplicable])
async def test_an_error_is_cleaned_as_well(raised: type[Exception]) -> None:
    error = raised(f"https://a:Canary@h refused {TOKEN}\x00: Canary-of-the-settings")
    board = Board([MadeCollector(error)], cleaning=Cleaning(["Canary-of-the-settings"]))
    answer = await board.read()
    assert state_of(answer)["error"] == "https://h refused ghp_***: ***"
    assert answer.states[0]["error"] == "https://h refused ghp_***: ***"


async def test_so_are_warnings_and_faults_and_the_names_of_what_is_no_key() -> None:
    made = MadeCollector({"made_a": 7, f"made_{TOKEN}": 1}, key_of("made_a"))
    made.warnings = [f"asked with {TOKEN}"]
    error = state_of(await Board([made]).read())["error"]
    assert "Canary" not in error
    assert error.startswith("asked with ghp_***; made_a: this int is no string; made_ghp_***: no key")


async def test_an_error_has_at_most_500_characters() -> None:
    for length in (500, 501):
        board = Board([MadeCollector(CollectionFailed("é" * length))])
        assert state_of(await board.read())["error"] == "é" * 500


async def test_so_is_a_description() -> None:
    key = Key("made_a", ValueType.STRING, f"as \x1b{TOKEN}")
    assert (
        body_of(await told_by({"made_a": "x"}, key))["data"]["made_a"]["schema"]["description"]
        == "as ghp_***"
    )


async def test_an_enum_is_compared_as_it_is_told() -> None:
    key = Key("made_a", ValueType.ENUM, "A", values=("open",))
    assert value_of(await told_by({"made_a": "op\x00en"}, key), "made_a") == "open"


@pytest.mark.parametrize("size", [65_535, 65_537])
def test_there_is_a_bound_to_what_is_looked_at(size: int) -> None:
    assert len(cleaned("x" * size)) == min(size, 65_536)
    if size > 65_536:
        with pytest.raises(TooLarge):
            Cleaning().value(["x" * size])
    else:
        assert Cleaning().value(["x" * (size - 1)]) == ["x" * (size - 1)]


PLANTED = ["https://a:Canary@h", "ssh://git:Canary@h", "HTTPS%3A%2F%2Fa%3ACanary%40h", TOKEN, SECRET]
AROUND = ["://", "ssh", "a:b", "@", "%3A%2F%2F", "%40", "token=", "'", '"', "/", "?", "#", "<", "\x00", " "]


@given(st.lists(st.sampled_from(PLANTED + AROUND) | st.text(max_size=5), max_size=10))
def test_no_secret_is_left_whatever_stands_around_it(pieces: list[str]) -> None:
    told = Cleaning([SECRET]).text("".join(pieces))
    assert "Canary" not in told
    assert SECRET not in told


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=50))
def test_a_text_without_anything_of_that_stays_as_it_is(text: str) -> None:
    if not any(sign in text for sign in ("://", "=", "%", "-", "_")):
        assert cleaned(text) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_what_is_cleaned_is_json_that_reads_back_the_same(value: Any) -> None:
    told = Cleaning().value(value)
    assert json.loads(json.dumps(told)) == told
