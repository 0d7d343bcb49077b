import ipaddress
from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    """Whether `url` is an http or https URL of this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        usable = parts.port != 0
    except ValueError:
        return False
    if not usable or parts.scheme not in {"http", "https"}:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
