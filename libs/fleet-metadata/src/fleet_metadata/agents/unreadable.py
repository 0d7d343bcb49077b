"""Why an agent could not be read, in a word and in a sentence."""

import socket
import ssl
from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum

import httpx


class Kind(StrEnum):
    BAD_ADDRESS = "bad-address"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not-found"
    REDIRECTED = "redirected"
    TOO_LARGE = "too-large"
    NOT_METADATA = "not-metadata"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why there is no metadata of an agent; `why` is a sentence that holds nothing of what was answered."""

    kind: Kind
    why: str


def of_status(status: int, where: str, *, has_token: bool) -> Unreadable:
    """What an answer with `status` means, which is not the 200 it should be."""
    match status:
        case 401 | 403:
            token = "does not accept the token" if has_token else "wants a token, and none is set"
            return Unreadable(Kind.UNAUTHORIZED, f"{where} {token} (status {status}).")
        case 404:
            return Unreadable(Kind.NOT_FOUND, f"{where} has no metadata at this address (status 404).")
        case 301 | 302 | 303 | 307 | 308:
            return Unreadable(
                Kind.REDIRECTED, f"{where} redirects elsewhere, which is not followed (status {status})."
            )
        case _:
            return Unreadable(Kind.ERROR, f"{where} answered with status {status}.")


def of_fault(fault: Exception, where: str) -> Unreadable:
    """What a request that failed with `fault` failed of."""
    for cause in _causes(fault):
        match cause:
            case ConnectionRefusedError():
                return Unreadable(Kind.REFUSED, f"{where} refuses connections: nothing listens there.")
            case socket.gaierror():
                return Unreadable(Kind.ERROR, f"{where} is not known: its name has no address.")
            case ssl.SSLCertVerificationError():
                return Unreadable(Kind.ERROR, f"{where} shows a certificate that is not trusted.")
            case ssl.SSLError():
                return Unreadable(Kind.ERROR, f"{where} does not speak TLS as it should.")
            case _:
                continue
    match fault:
        case httpx.ConnectError():
            return Unreadable(Kind.ERROR, f"{where} cannot be reached.")
        case _:
            return Unreadable(
                Kind.ERROR, f"{where} broke off, or does not speak HTTP ({type(fault).__name__})."
            )


def _causes(fault: BaseException | None) -> Generator[BaseException]:
    """`fault`, and what it came from, to the first cause; of a group all that is in it."""
    while fault is not None:
        if isinstance(fault, BaseExceptionGroup):
            for part in fault.exceptions:
                yield from _causes(part)
        yield fault
        fault = fault.__cause__ or fault.__context__
