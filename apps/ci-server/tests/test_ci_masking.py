"""No secret is in what comes out, however what goes in is cut."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ci_server.running.masking import Masker

few_letters = st.text("ab\n", min_size=1, max_size=6)
secret_lists = st.lists(few_letters | st.text(min_size=1, max_size=4), max_size=4)


def _masked(secrets: list[str], *parts: bytes) -> bytes:
    masker = Masker(secrets)
    return b"".join(map(masker.feed, parts)) + masker.finish()


def _slowly(secrets: list[str], data: bytes) -> bytes:
    """As it should be, place by place: what any secret covers, and one mask where some overlap."""
    texts = [secret.encode() for secret in secrets]
    spots = [(i, i + len(t)) for t in texts for i in range(len(data)) if data.startswith(t, i)]
    merged = list[tuple[int, int]]()
    for start, end in sorted(spots):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    out, position = b"", 0
    for start, end in merged:
        out, position = out + data[position:start] + b"***", end
    return out + data[position:]


@pytest.mark.parametrize(
    ("secrets", "printed", "logged"),
    [
        ([], "hunter2", "hunter2"),
        ([""], "hunter2", "hunter2"),
        (["hunter2"], "a hunter2, b", "a ***, b"),
        (["hunter2"], "hunter2hunter2", "******"),
        (["hunter2"], "hunter", "hunter"),
        (["hunter2"], "hunterhunter2", "hunter***"),
        (["x"], "axbxx", "a***b******"),
        (["pass", "password"], "pass password passw", "*** *** ***w"),
        (["abcdef", "cd"], "abcdXabcdef", "ab***X***"),
        (["abc", "cde"], "abcde abcd", "*** ***d"),
        (["aba"], "ababab", "***b"),
        (["schlüssel"], "der schlüssel", "der ***"),
        ([" spaced "], "[ spaced ][spaced]", "[***][***]"),
        (["first\nsecond"], "first\nsecond|second|first\r\nsecond", "***|***|***\r\n***"),
        (["first\r\nsecond\r\n"], "first\nsecond", "***\n***"),
        (["four\nabc"], "four abc four\nabc", "*** abc ***"),
        (["{\n    key\n}"], "    {}\n    key", "    {}\n    key"),
        (["{\n    long key\n}"], "    {}\nlong key", "    {}\n***"),
    ],
)
def test_secrets_are_masked(secrets: list[str], printed: str, logged: str) -> None:
    assert _masked(secrets, printed.encode()).decode() == logged


@given(secret_lists, st.binary() | st.text("ab\n", max_size=40).map(str.encode), st.data())
def test_how_it_is_cut_changes_nothing(secrets: list[str], data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=10)))
    parts = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert _masked(secrets, *parts) == _masked(secrets, data)
    assert _masked(secrets, *(bytes([byte]) for byte in data)) == _masked(secrets, data)


@given(st.lists(st.text("abc", min_size=1, max_size=8), max_size=5), st.text("abcd", max_size=60))
@example(["aa"], "a" * 30)
@example(["abcabcabd", "cab"], "abcabcabcabd")
@example(["abcab", "b"], "abcaabcab")
def test_exactly_the_secrets_are_masked(secrets: list[str], text: str) -> None:
    data = text.encode()
    masked = _masked(secrets, *(bytes([byte]) for byte in data))
    assert masked == _slowly(secrets, data)
    assert not any(secret.encode() in masked for secret in secrets)


def test_what_cannot_become_a_secret_comes_at_once() -> None:
    masker = Masker(["hunter2", "hunger"])
    assert masker.feed(b"a line\nhun") == b"a line\n"
    assert masker.feed(b"t") == b""
    assert masker.feed(b"s\nhunter") == b"hunts\n"
    assert masker.feed(b"2") == b"***"
    assert masker.feed(b"hunge") == b""
    assert masker.finish() == b"hunge"


def test_after_its_end_a_masker_is_as_new() -> None:
    masker = Masker(["hunter2"])
    assert masker.feed(b"hunter") + masker.finish() == b"hunter"
    assert masker.feed(b"2") + masker.finish() == b"2"


def test_a_secret_without_end_is_not_kept_in_memory() -> None:
    masker = Masker(["aa"])
    assert masker.feed(b"a" * 1000) == b"***"
    assert len(masker._held) <= 1
    assert masker.feed(b"ab") + masker.finish() == b"b"


def test_looking_costs_the_same_per_byte_whatever_the_secrets_are(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0

    class Counted(list[int]):
        def __getitem__(self, node: int) -> int:  # type: ignore[override]
            nonlocal steps
            steps += 1
            return super().__getitem__(node)

    # Where a text does not go on the automaton goes back, and never further than it has come.
    masker = Masker(["a" * length + "c" for length in range(1, 200)])
    assert masker._automaton
    masker._automaton._shorter = Counted(masker._automaton._shorter)
    masker.feed(b"a" * 10_000 + b"b" + b"a" * 10_000)
    assert 0 < steps <= 20_001
