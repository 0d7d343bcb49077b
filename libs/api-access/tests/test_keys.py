import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_access.keys import MalformedKey, hash_secret, new_token, parse, secret_matches


def test_a_new_token_has_the_documented_form_and_parses() -> None:
    key_id, token = new_token()
    assert re.fullmatch(r"fleet_[a-z0-9]{12}_[0-9A-Za-z]{38}", token)
    assert parse(token) == (key_id, token[-38:])


def test_no_two_tokens_are_alike() -> None:
    assert len({new_token() for _ in range(1000)}) == 1000


def test_any_one_character_changed_is_noticed_before_any_lookup() -> None:
    _, token = new_token()
    for position in range(len(token)):
        other = "x" if token[position] != "x" else "y"
        with pytest.raises(MalformedKey):
            parse(token[:position] + other + token[position + 1 :])


@given(st.text(max_size=120) | st.from_regex(r"fleet_[a-z0-9]{12}_[0-9A-Za-z]{38}", fullmatch=True))
def test_arbitrary_text_is_malformed_and_never_repeated_in_the_error(text: str) -> None:
    with pytest.raises(MalformedKey) as caught:
        parse(text)
    assert str(caught.value) == "not an API key of the form fleet_<key id>_<secret>"


@pytest.mark.parametrize("form", ["{}\n", "{}\0", " {}", "{}{}", "\0{}", "x{}"])
def test_near_misses_are_malformed(form: str) -> None:
    token = new_token()[1]
    with pytest.raises(MalformedKey):
        parse(form.format(token, token))


def test_only_the_secret_itself_matches_its_hash() -> None:
    secret = parse(new_token()[1])[1]
    hashed = hash_secret(secret)
    assert secret not in hashed
    assert secret_matches(secret, hashed)
    assert not secret_matches(parse(new_token()[1])[1], hashed)
