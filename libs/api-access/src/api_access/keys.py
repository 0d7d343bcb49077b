import re
import secrets
import string
from zlib import crc32

import bcrypt

_BASE62 = string.digits + string.ascii_letters
_ID_ALPHABET = string.digits + string.ascii_lowercase
_TOKEN = re.compile(r"fleet_([0-9a-z]{12})_([0-9A-Za-z]{32})([0-9A-Za-z]{6})")
# A secret has 190 random bits, so no cost could make guessing feasible or infeasible. The cost only has to
# make a leaked table of hashes useless in bulk, and every first use of a key waits for it.
_ROUNDS = 10


class MalformedKey(ValueError):
    """This is not an API key: its shape or its checksum is wrong."""


def new_token() -> tuple[str, str]:
    """A key id and a fresh token for it, `fleet_<key id>_<secret>`."""
    key_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(12))
    stem = f"fleet_{key_id}_" + "".join(secrets.choice(_BASE62) for _ in range(32))
    return key_id, stem + _checksum(stem)


def parse(token: str) -> tuple[str, str]:
    """The key id and the secret of `token`; raises `MalformedKey` before anything is looked up or hashed."""
    match = _TOKEN.fullmatch(token)
    if match is None or _checksum(token[:-6]) != match[3]:
        # The text must not hold the token: a mistyped key is still a secret.
        raise MalformedKey("not an API key of the form fleet_<key id>_<secret>")
    return match[1], match[2] + match[3]


def hash_secret(secret: str) -> str:
    """The bcrypt hash of `secret`. Takes tens of milliseconds without the GIL: call it in a thread."""
    return bcrypt.hashpw(secret.encode(), bcrypt.gensalt(_ROUNDS)).decode()


def secret_matches(secret: str, secret_hash: str) -> bool:
    """Whether `secret_hash` was made of `secret`. As slow as `hash_secret`."""
    return bcrypt.checkpw(secret.encode(), secret_hash.encode())


def _checksum(stem: str) -> str:
    number, digits = crc32(stem.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits
