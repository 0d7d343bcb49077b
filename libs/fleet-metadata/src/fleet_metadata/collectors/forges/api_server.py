from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from fleet_metadata.collector import CollectionFailed

_WHY = {403: "no permission", 404: "nothing there, or no access"}


class Refused(CollectionFailed):
    """The server would not tell this one thing, and would not if it were asked again; it may tell others."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why, retry_in=60)
        self.status = status


@dataclass(frozen=True, slots=True)
class ApiServer:
    """A server, how it lets us in, and what to say of it when it fails: never what it said itself.

    `setting` and `token_setting` are the names of the settings that hold its address and the token; `headers`
    are those that are for this server alone, the token among them.
    """

    name: str
    url: str
    setting: str
    token_setting: str
    headers: Mapping[str, str] = field(repr=False)
    has_token: bool

    @classmethod
    def at(
        cls,
        url: str,
        name: str,
        settings: tuple[str, str],
        headers: Mapping[str, str],
        token: Mapping[str, str],
    ) -> Self:
        """The server at `url`. `settings` are the names of its two, `token` is the header with the token.

        A user and a password in `url` become a header, and are no part of it any more.
        """
        parts = urlsplit(url)
        user, at, place = parts.netloc.rpartition("@")
        basic = {"Authorization": _basic(user)} if at else {}
        bare = parts._replace(netloc=place).geturl()
        return cls(name, bare, *settings, {**headers, **basic, **token}, bool(token))

    @property
    def host(self) -> str:
        """In lower case, without a port."""
        return urlsplit(self.url).hostname or ""

    def __str__(self) -> str:
        return f"{self.name} ({self.host})"

    def not_a_url(self) -> CollectionFailed:
        return CollectionFailed(f"{self.setting} is not the URL of a server; correct it")

    def too_slow(self, seconds: float) -> CollectionFailed:
        return CollectionFailed(
            f"{self} did not answer within {seconds:g} s; check the network, and {self.setting}"
        )

    def unreachable(self, kind: str) -> CollectionFailed:
        return CollectionFailed(
            f"{self} cannot be reached or broke off ({kind}); check the network, its proxy, and {self.setting}"
        )

    def strange(self, path: str) -> CollectionFailed:
        return CollectionFailed(
            f"what {self} answered to {path} is no answer of {self.name}'s API; check {self.setting}, and what "
            "stands between"
        )

    def too_large(self, path: str, limit: int) -> CollectionFailed:
        return Refused(f"what {self} answered to {path} has more than {limit:,} bytes", 200)

    def refusal(self, status: int, path: str) -> CollectionFailed:
        """What an answer with this status means, where it is none that was asked for."""
        if status == 401:  # noqa: PLR2004  # unauthorized
            return CollectionFailed(f"{self} answered 401: {self._unknown()}", retry_in=60)
        if 400 <= status < 500:  # noqa: PLR2004  # what we ask for, not the server, is at fault
            why = _WHY.get(status, "it will not tell")
            return Refused(f"{self} answered {status} to {path}: {why}; {self.advice()}", status)
        return CollectionFailed(
            f"{self} answered {status}; that may pass, and if it does not check {self.setting}, and what stands "
            "between"
        )

    def advice(self) -> str:
        """What to do where something is not to be seen."""
        if self.has_token:
            return f"see what the token of {self.token_setting} may read"
        return f"set {self.token_setting}"

    def _unknown(self) -> str:
        if self.has_token:
            return f"the token is not accepted; set {self.token_setting} to one that is valid"
        return f"it tells nothing without a token; set {self.token_setting}"


def token_text(token: SecretStr | None) -> str | None:
    """The token, or None where there is none."""
    return (token.get_secret_value() or None) if token else None


def _basic(user: str) -> str:
    return "Basic " + b64encode(unquote(user).encode()).decode()
