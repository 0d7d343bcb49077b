"""Names that Backstage takes (backstage.io/docs/features/software-catalog/descriptor-format)."""

import re
from base64 import b32encode
from hashlib import blake2b

LONGEST = 63

_VALID = re.compile(r"[A-Za-z0-9]+([-_.][A-Za-z0-9]+)*")
_NOT_ALNUM = re.compile(r"[^A-Za-z0-9]+")
_DIGEST_BYTES = 10
_DIGEST_LENGTH = 16
_LIKE_OURS = re.compile(rf"(.*-)?[a-z2-7]{{{_DIGEST_LENGTH}}}")


def is_valid(text: str) -> bool:
    """Whether `text` can be a name: letters and digits, separated by one of `-_.`, at most 63."""
    return len(text) <= LONGEST and _VALID.fullmatch(text) is not None


def entity_name(service_id: str) -> str:
    """The name of a service: its id where that can be one, else what is left of it and a digest.

    Names are compared without regard to case, so an id with upper case gets a digest too, as does one that
    looks as if it had one: two services never have the same name.
    """
    if is_valid(service_id) and service_id == service_id.lower() and not _LIKE_OURS.fullmatch(service_id):
        return service_id
    digest = _digest(service_id)
    left = _NOT_ALNUM.sub("-", service_id)[: LONGEST - 1 - _DIGEST_LENGTH].strip("-")
    return f"{left}-{digest}" if left else digest


def owner_ref(team: str | None) -> str:
    """The group that owns what belongs to `team`."""
    if team is None:
        return "unknown"
    return f"group:default/{team if is_valid(team) else entity_name(team)}"


def _digest(text: str) -> str:
    return b32encode(blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest()).decode().lower()
