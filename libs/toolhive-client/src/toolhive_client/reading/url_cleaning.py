"""URLs and images as anybody may see them; shared by all that reads them from others."""

import re
from collections.abc import Iterator
from urllib.parse import unquote_plus

MASK = "***"
LONGEST_URL = 2048
LONGEST_READ = 4 * LONGEST_URL
"""What is masked may have been longer."""
LONGEST_IMAGE = 512
MOST_UNQUOTINGS = 3

# A host or a port may be a variable in braces, as in the templates of registries.
_HOST = r"(?:\[[0-9a-z:.%]+\]|(?:[^\s\[\]/?#@:\\<>\"'`|^%{}!$&()*+,;=]|\{\w+\})+)"
_URL = re.compile(
    rf"(?P<scheme>[a-z][a-z0-9+.-]*://)(?:[^/?#\\]*@)?(?P<host>{_HOST})(?P<port>:(?:\d{{0,5}}|\{{\w+\}}))?"
    r"(?P<path>(?:/[^?#]*)?)(?P<query>(?:\?[^#]*)?)(?:#.*)?",
    re.IGNORECASE,
)
_PARAMETER_OF_PATH = re.compile(r"(?<=;)[^;/]+")
_NAME = re.compile(r"(?:^|[?;])([^?;=]*)=(?=.)")
_USER_INSIDE = re.compile(r"://[^/]*@")
_SEPARATORS = r"\s\"'\\&?;,=:/#{}"
# A name with a value that is neither empty nor masked, as in a query (name=) or in JSON ("name":).
_NAME_INSIDE = re.compile(
    rf"(?<![^{_SEPARATORS}])([^{_SEPARATORS}]++)(?:\\*[\"']?\s*=|\\*[\"']\s*:)(?!(?:\*\*\*)?\Z|&)"
)
_LETTERS = re.compile(r"[a-z]+", re.IGNORECASE | re.ASCII)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_WORD = re.compile(
    r"(?:access|account|admin|api|app|auth|aws|bearer|bot|client|csrf|db|github|gitlab|id|master|oauth|pass|private"
    r"|refresh|sas|secret|security|service|session|shared|signing|ssh|subscription|user|x|xsrf)*"
    r"(?:token|key|secret|password|passwd|passphrase|passcode|pass|pwd|credential|cred|signature|sig)(?:s|id)?"
    r"|o?auth|authori[sz]ation|authentication|jwt|bearer|cookies?|sas|pat|hmac|otp|verifier|sid|(?:php)?sessid"
)
_SECRET_NAME = re.compile(r"code|access|session|sign|j?sessionid|(?:access|auth|device)code")
_PACKAGE = re.compile(
    r"(?:npx|uvx|go)://(@[\w.-]+/)?[\w.-]+(/[\w.-]+)*(@[\w.+^~-]+)?", re.IGNORECASE | re.ASCII
)
_PACKAGE_SCHEMES = ("npx://", "uvx://", "go://")
_IMAGE = re.compile(r"[a-z0-9][\w./:-]*(?:@sha\d+:[0-9a-f]+)?", re.IGNORECASE | re.ASCII)


def clean_url(url: str) -> str | None:
    """`url` without user, password and fragment, and with *** for values under names of secrets.

    All else stays as it is, byte for byte. None where it is no URL, as then nothing can be said of the secrets in
    it, and for one of more than `LONGEST_URL` characters.
    """
    match = _URL.fullmatch(url.strip()) if len(url) <= LONGEST_READ else None
    if not match or not match[0].isprintable() or " " in match[0]:
        return None
    mark, parameters = match["query"][:1], match["query"][1:].split("&")
    query = mark + "&".join(_clean_parameter(parameter) for parameter in parameters)
    path = _PARAMETER_OF_PATH.sub(lambda parameter: _clean_parameter(parameter[0]), match["path"])
    clean = match["scheme"] + match["host"] + (match["port"] or "") + path + query
    return clean if len(clean) <= LONGEST_URL else None


def clean_image(reference: str) -> str | None:
    """The reference of an image, or of a package as in npx://@scope/name@1.0; None for what is none.

    Credentials make it none, but for a URL with another scheme, which is cleaned.
    """
    package = reference.lower().startswith(_PACKAGE_SCHEMES)
    if "://" in reference and not package:
        return clean_url(reference)
    known = (_PACKAGE if package else _IMAGE).fullmatch(reference)
    return reference if known and len(reference) <= LONGEST_IMAGE else None


def _clean_parameter(parameter: str) -> str:
    # A semicolon may separate parameters, or be part of a secret; a question mark begins those of a URL inside.
    secret = next((name for name in _NAME.finditer(parameter) if _is_secret(name[1])), None)
    clean = parameter[: secret.end()] + MASK if secret else parameter
    if not _holds_secret(clean):
        return clean
    name, equals, _ = clean.partition("=")
    return MASK if not equals or _holds_secret(name) else f"{name}={MASK}"


def _holds_secret(text: str) -> bool:
    return any(
        _USER_INSIDE.search(reading) or any(map(_is_secret, set(_NAME_INSIDE.findall(reading))))
        for reading in _readings(text)
    )


def _is_secret(name: str) -> bool:
    *_, plain = _readings(name)
    parts = _LETTERS.findall(plain)
    words = {word.lower() for word in (*parts, *_WORD.findall(plain))}
    return bool(_SECRET_NAME.fullmatch("".join(parts).lower()) or any(map(_SECRET_WORD.fullmatch, words)))


def _readings(text: str) -> Iterator[str]:
    yield text
    for _ in range(MOST_UNQUOTINGS):
        quoted, text = text, unquote_plus(text)
        if text == quoted:
            return
        yield text
