import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

MASK = "***"

# Names under which a forge is reached where a firewall or a habit is in the way of its own.
_ALSO_KNOWN_AS = {
    "altssh.gitlab.com": "gitlab.com",
    "ssh.github.com": "github.com",
    "www.github.com": "github.com",
    "www.gitlab.com": "gitlab.com",
}
_URL = re.compile(
    r"(?:(?:git\+)?https?|git|ssh|git\+ssh|ssh\+git)://(?P<authority>[^/?#]*)/(?P<path>[^?#]*).*",
    re.IGNORECASE | re.DOTALL,
)
# As git reads it: no slash before the colon; two colons name a helper program, and two slashes make a URL.
_SCP_LIKE = re.compile(
    r"(?P<authority>(?:[^/:\[\]]*@)?(?:[^/:@\[\]]+|\[[^/\[\]]+\])):(?!//)(?P<path>[^:].*)", re.DOTALL
)
_PATH_ON_WINDOWS = re.compile(r"[a-z]:[/\\]", re.IGNORECASE)
_AUTHORITY = re.compile(
    r"(?:.*@)?(?:\[(?:[^\[\]@]*@)?(?P<inner>[^\[\]@\s]+)\]|(?P<name>[^\[\]:@\s]+))(?::\d*)?"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

# Looked for from the beginning of a word alone: from each letter of it takes the square of its length.
_URL_IN_TEXT = re.compile(r"(?<![a-z0-9+.-])([0-9+.-]*+)([a-z][a-z0-9+.-]*+://[^\s'\"]+)", re.IGNORECASE)
_SCHEME = re.compile(r"(?:[a-z][a-z0-9+.-]*::)?(?P<scheme>[a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_PASSWORD = re.compile(r"(?::|%3a).*", re.IGNORECASE | re.DOTALL)
_PARAMETER = re.compile(r"([?#&;])([^?#&;=]*)=([^?#&;]*)")
_SECRET_NAME = re.compile(r"token|key|secret|sig|passw|pwd|auth|credential", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """Where a repository is: `host` in lower case and without a port, `path` as in `owner/name`."""

    host: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The place that a remote's URL names; None for one on this machine, and for what names none.

        Takes what git takes: https, http, git and ssh URLs with or without user and port, and
        `git@host:owner/name`. A forge's further hosts, such as ssh.github.com, count as the forge's own.
        """
        text = text.strip()
        if match := _URL.fullmatch(text):
            host, path = _host(match["authority"]), _path(unquote(match["path"]))
        elif (match := _SCP_LIKE.fullmatch(text)) and not _PATH_ON_WINDOWS.match(text):
            host, path = _host(match["authority"]), _path(match["path"])
        else:
            return None
        return cls(host, path) if host and path else None


def without_credentials(url: str) -> str:
    """`url` as anybody may see it: no user but that of ssh, no password, no token in a query.

    What is no URL, such as a path or `git@host:owner/name`, stays as it is.
    """
    match = _SCHEME.match(url)
    if not match:
        return url
    userinfo, rest = _after_scheme(url[match.end() :])
    user = _PASSWORD.sub("", userinfo) if "ssh" in match["scheme"].lower() else ""
    shown = f"{user}@{rest}" if user else rest
    return match[0] + _PARAMETER.sub(_masked, shown)


def text_without_credentials(text: str) -> str:
    """`text` with every URL in it as `without_credentials` has it."""
    return _URL_IN_TEXT.sub(lambda match: match[1] + without_credentials(match[2]), text)


def _host(authority: str) -> str | None:
    match = _AUTHORITY.fullmatch(authority)
    if not match:
        return None
    # In brackets is an IPv6 address, or with ssh a host and its port.
    name, _, port = (match["inner"] or match["name"]).partition(":")
    host = (name if port.isdecimal() else match["inner"] or name).lower().rstrip(".")
    return _ALSO_KNOWN_AS.get(host, host)


def _path(text: str) -> str | None:
    if _CONTROL.search(text):
        return None
    path = "/".join(part for part in text.split("/") if part)
    return path.removesuffix(".git").rstrip("/") or None


def _after_scheme(text: str) -> tuple[str, str]:
    """The userinfo, empty where there is none, and what follows it."""
    authority = re.split(r"[/?#]", text, maxsplit=1)[0]
    if "@" in authority:
        userinfo, _, host = authority.rpartition("@")
        return userinfo, host + text[len(authority) :]
    if not authority or (_AUTHORITY.fullmatch(authority) and not authority.endswith(":")):
        return "", text
    # Not a host and a port: a password may have a slash in it that should have been %2F.
    userinfo, _, rest = text.rpartition("@")
    return userinfo, rest


def _masked(parameter: re.Match[str]) -> str:
    mark, name, value = parameter.groups()
    return f"{mark}{name}={MASK if value and _SECRET_NAME.search(unquote(name)) else value}"
