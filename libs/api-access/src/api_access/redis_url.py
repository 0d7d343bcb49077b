from urllib.parse import quote, urlsplit

from pydantic import SecretStr


def redis_url(url: str | None, password: SecretStr | None) -> str | None:
    """`url` with `password` in it, unless it has one of its own; None where there is no `url`."""
    if url is None or password is None:
        return url
    parts = urlsplit(url)
    if parts.password:
        return url
    address = parts.netloc.rpartition("@")[2]
    secret = quote(password.get_secret_value(), safe="")
    return parts._replace(netloc=f"{parts.username or ''}:{secret}@{address}").geturl()
