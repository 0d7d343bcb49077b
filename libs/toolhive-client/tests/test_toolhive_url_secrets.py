"""Which values in a URL are secrets."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolhive_client.reading.url_cleaning import clean_url

SECRET = "canary7f3a"


@pytest.mark.parametrize(
    "name",
    [
        *("token", "tokens", "access_token", "ID-Token", "token2", "auth[token]", "toKen", "accesstoken"),
        *("refreshtoken", "key", "apikey", "APIKey", "api.keys", "x-api-key", "AccessKeyId", "accesskeyid"),
        *("Ocp-Apim-Subscription-Key", "privatekey", "s3key", "secret", "client_secret", "clientsecret"),
        *("sig", "sign", "signature", "hmac", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token"),
        *("pwd", "pass", "password", "userpassword", "passwd", "passphrase", "credentials", "cred", "creds"),
        *("auth", "oauth2", "authorization", "authtoken", "jwt", "bearer", "cookie", "sas", "pat", "sid"),
        *("code", "auth_code", "code_verifier", "access", "session", "session_id", "sessionId", "to%256ben"),
        *("api%20key", "%2574oken", "%25256bey"),
    ],
)
def test_values_under_names_of_secrets_are_masked(name: str) -> None:
    assert clean_url(f"https://example.com/mcp?{name}={SECRET}") == f"https://example.com/mcp?{name}=***"


@pytest.mark.parametrize(
    "name",
    [
        *("country_code", "countryCode", "postcode", "design", "assign", "sign_up", "keyword", "keyboard"),
        *("monkey", "mon%256bey", "author", "authority", "insight", "compass", "passenger", "credits"),
        *("tokenizer", "session_type", "access_level", "accessibility", "sv", "se", "sr", "path", "side"),
        *("%66key", "", "%", "1"),
    ],
)
def test_values_under_names_with_only_a_part_like_a_secret_stay(name: str) -> None:
    url = f"https://example.com/mcp?{name}={SECRET}"
    assert clean_url(url) == url


@pytest.mark.parametrize(
    ("parameter", "clean"),
    [
        (f"u=https://u:{SECRET}@x/", "u=***"),
        (f"u=https://{SECRET}@x", "u=***"),
        (f"u=https://u:{SECRET}%2F@x", "u=***"),
        (f"{quote('https://u:p@x/' + SECRET, safe='')}", "***"),
        (f"to=https%3A%2F%2Fx%2F%3Ftoken%3D{SECRET}", "to=***"),
        (f"to={quote(quote(f'https://x/?a=1&api_key={SECRET}', safe=''), safe='')}", "to=***"),
        (f"to=a%3Btoken%3D{SECRET}", "to=***"),
        (f"to=a%3Ftoken%3D%0A{SECRET}", "to=***"),
        (f'cfg={{"token":"{SECRET}"}}', "cfg=***"),
        ("cfg=" + quote(f'{{"a": 1, "apiKey" : "{SECRET}"}}'), "cfg=***"),
        (rf'cfg="{{\"token\":\"{SECRET}\"}}"', "cfg=***"),
        (f"cfg={{'token':'{SECRET}'}}", "cfg=***"),
        (f"token%3D{SECRET}", "***"),
        (f"token%3D{SECRET}=a", "***"),
        (f"u=https%3A%2F%2Fu%3A{SECRET}%40x;sig={SECRET}", "u=***"),
    ],
)
def test_a_value_that_holds_a_secret_is_masked_as_a_whole(parameter: str, clean: str) -> None:
    assert clean_url(f"https://example.com?{parameter}&a=b") == f"https://example.com?{clean}&a=b"


@pytest.mark.parametrize(
    "parameter",
    [
        *("to=https%3A%2F%2Fx%2F%3Fmonkey%3D1", "to=https://x/@scope/name", "to=https%3A%2F%2Fx%2F%40scope"),
        *('cfg={"keyword":"a","country_code":1}', "q=token", "q=key:value", "mail=a@b.example", "q=a%20key"),
        *("to=https%3A%2F%2Fx%2F%3Ftoken%3D%26a%3D1", "to=https%3A%2F%2Fx%2F%3Ftoken%3D", "token%3D"),
    ],
)
def test_a_value_without_a_secret_inside_stays_as_it_is(parameter: str) -> None:
    assert clean_url(f"https://example.com?{parameter}") == f"https://example.com?{parameter}"


_HOLDERS = st.sampled_from(["https://u:{}@x/", "https://x/?a=1&token={}", '{{"apikey": "{}"}}', "a;sig={}"])


# With a slash in it, it is no user of a URL.
_SECRETS = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"])).map(SECRET.__add__)


@given(_HOLDERS, _SECRETS, st.integers(1, 3))
def test_no_secret_is_left_inside_a_value_that_is_quoted_up_to_three_times(
    holder: str, secret: str, times: int
) -> None:
    value = holder.format(secret)
    for _ in range(times):
        value = quote(value, safe="")
    assert clean_url(f"https://example.com?to={value}&b=1") == "https://example.com?to=***&b=1"
