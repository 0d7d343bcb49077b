"""What single values of a submission may be. Texts of errors never repeat them: they may be secrets."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

_KIB = 1024
_UNITS = {"": 1, "K": _KIB, "M": _KIB**2, "G": _KIB**3, "T": _KIB**4}
_LEAST_MEMORY, _MOST_MEMORY = 16 * _KIB**2, _KIB**4
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_ADDRESS = "not a URL such as https://host/path"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _bytes(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,15})\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE | re.ASCII)
    if not found:
        raise ValueError("a size is a number of bytes, or one with a unit: 512M, 1G, 1GiB")
    size = int(found[1]) * _UNITS[found[2].upper()]
    if not _LEAST_MEMORY <= size <= _MOST_MEMORY:
        raise ValueError("memory is between 16M and 1T")
    return size


def _printable(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("there must be no control characters in it")
    return text


def _web_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        named = parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(_NO_ADDRESS) from None
    if parts.scheme not in {"http", "https"} or not named or re.search(r"\s", url):
        raise ValueError(_NO_ADDRESS)
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL must hold no user and no password: it is stored, and shown to those who ask")
    return url


def _relative_glob(glob: str) -> str:
    if glob.startswith("/") or ".." in glob.split("/"):
        raise ValueError("a glob is relative to the project, and without '..': reports/*.xml")
    return glob


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not _NAME.fullmatch(name):
        raise ValueError("write NAME=value, with a NAME of letters, digits and _ that begins with no digit")
    return name, value


Seconds = Annotated[int, Field(ge=1, le=86_400)]
MemoryBytes = Annotated[int, BeforeValidator(_bytes)]
Cpus = Annotated[float, Field(ge=0.1, le=256, allow_inf_nan=False)]
Priority = Annotated[int, Field(ge=-100, le=100)]
Image = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$", max_length=500),
]
WebAddress = Annotated[
    str, StringConstraints(max_length=2048), AfterValidator(_printable), AfterValidator(_web_address)
]
Glob = Annotated[
    str, StringConstraints(max_length=1024), AfterValidator(_printable), AfterValidator(_relative_glob)
]
Label = Annotated[str, StringConstraints(max_length=255), AfterValidator(_printable)]
Pair = Annotated[tuple[str, str], BeforeValidator(_pair)]
