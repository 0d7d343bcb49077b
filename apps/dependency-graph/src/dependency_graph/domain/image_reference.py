"""References to container images, as Docker reads them."""

from typing import NamedTuple, Self

_DOCKER_HUB = "docker.io"
_OTHER_NAMES = {"index.docker.io": _DOCKER_HUB}


class ImageReference(NamedTuple):
    """`[host[:port]/]path[:tag][@digest]`, with the defaults of Docker.

    `repository` begins with a host, which is docker.io where none is told. `tag` is latest where neither a tag
    nor a digest is told.
    """

    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads any text; what is no reference equals only the like.

        A package that an image is made of, such as `npx://@scope/name@1.0`, has its version in place of a tag.
        """
        if "://" in text:
            package, at, version = text.rpartition("@")
            is_version = at and not package.endswith("/")
            return cls(package, version or "latest", None) if is_version else cls(text, "latest", None)
        name, _, digest = text.partition("@")
        path, colon, tag = name.rpartition(":")
        if not colon or "/" in tag:
            path, tag = name, ""
        return cls(_repository(path), tag or (None if digest else "latest"), digest.lower() or None)

    def same_version(self, other: Self) -> bool:
        """Of one repository: equal digests where both have one, whatever the tags; else equal tags."""
        if self.digest and other.digest:
            return self.digest == other.digest
        return self.tag == other.tag


def _repository(path: str) -> str:
    host, slash, rest = path.partition("/")
    host = host.lower()
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, rest = _DOCKER_HUB, path
    host = _OTHER_NAMES.get(host, host)
    if host == _DOCKER_HUB and "/" not in rest:
        rest = f"library/{rest}"
    return f"{host}/{rest}"
