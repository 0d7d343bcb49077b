from hashlib import blake2b

_DIGEST_BYTES = 10


def node_name(service_id: str) -> str:
    """A name of letters and digits for a service, always the same one; for formats that take no others.

    A digest, as numbers would have to be remembered while a million edges are written.
    """
    return f"n{blake2b(service_id.encode(), digest_size=_DIGEST_BYTES).hexdigest()}"
