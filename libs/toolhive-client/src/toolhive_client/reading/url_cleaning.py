"""URLs and images as anybody may see them; shared by all that reads them from others."""

import re
from urllib.parse import unquote_plus

MASK = "***"
LONGEST_URL = 2048
LONGEST_IMAGE = 512

# A host or a port may be a variable in braces, as in the templates of registries.
_HOST = r"(?:\[[0-9a-z:.%]+\]|(?:[^\s\[\]/?#@:\\<>\"'`|^%{}!$&()*+,;=]|\{\w+\})+)"
_URL = re.compile(
    rf"(?P<scheme>[a-z][a-z0-9+.-]*://)(?:[^/?#\\]*@)?(?P<host>{_HOST})(?P<port>:(?:\d{{0,5}}|\{{\w+\}}))?"
    r"(?P<path>(?:/[^?#]*)?)(?P<query>(?:\?[^#]*)?)(?:#.*)?",
    re.IGNORECASE,
)
_PARAMETER_OF_PATH = re.compile(r"(?<=;)([^;=/]*)=[^;/]+")
_NAME = re.compile(r"(?:^|[?;])([^?;=]*)=(?=.)")
_SECRET_NAME = re.compile(
    r"token|key|secret|sig|pass|pwd|auth|cred|code|access|session|cookie|jwt|bearer", re.IGNORECASE
)
_IMAGE = re.compile(r"[a-z0-9][\w./:-]*(?:@sha\d+:[0-9a-f]+)?", re.IGNORECASE | re.ASCII)


def clean_url(url: str) -> str | None:
    """`url` without user, password and fragment, and with *** for values under names of secrets.

    All else stays as it is, byte for byte. None where it is no URL, as then nothing can be said of the secrets in
    it, and for one of more than `LONGEST_URL` characters.
    """
    match = _URL.fullmatch(url.strip())
    if not match or not match[0].isprintable() or " " in match[0]:
        return None
    query = "&".join(_clean_parameter(parameter) for parameter in match["query"].split("&"))
    path = _PARAMETER_OF_PATH.sub(_masked, match["path"])
    clean = match["scheme"] + match["host"] + (match["port"] or "") + path + query
    return clean if len(clean) <= LONGEST_URL else None


def clean_image(reference: str) -> str | None:
    """The reference of an image; None for what is none, such as one that holds credentials."""
    if "://" in reference:
        return clean_url(reference)
    return reference if len(reference) <= LONGEST_IMAGE and _IMAGE.fullmatch(reference) else None


def _masked(parameter: re.Match[str]) -> str:
    return f"{parameter[1]}={MASK}" if _is_secret(parameter[1]) else parameter[0]


def _clean_parameter(parameter: str) -> str:
    # A semicolon may separate parameters, or be part of a secret; a question mark begins those of a URL inside.
    for name in _NAME.finditer(parameter):
        if _is_secret(name[1]):
            return parameter[: name.end()] + MASK
    return parameter


def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(unquote_plus(name)) is not None
