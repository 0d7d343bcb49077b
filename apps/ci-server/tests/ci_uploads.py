"""Bodies that clients upload, and what comes of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from starlette.requests import Request

from ci_server.intake.upload import receive

LARGEST = 1_000_000
BOUNDARY = b"a-boundary"
TYPE = "multipart/form-data; boundary=a-boundary"
END = b"--a-boundary--\r\n"


def part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return b"--" + BOUNDARY + b"\r\n" + head.encode() + value + b"\r\n"


def file_part(content: bytes = b"a zip") -> bytes:
    return part("file", content, '; filename="project.zip"\r\nContent-Type: application/zip')


def body_of(*parts: bytes) -> bytes:
    return b"".join(parts) + END


def request_of(
    chunks: Iterable[bytes], *, content_type: str = TYPE, length: int | None = None, ends: bool = True
) -> Request:
    messages: list[dict[str, object]] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    messages.append({"type": "http.request", "body": b""} if ends else {"type": "http.disconnect"})
    coming = iter(messages)

    async def come() -> dict[str, object]:
        return next(coming)

    headers = [(b"content-type", content_type.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, come)  # type: ignore[arg-type]


async def received_of(uploads: Path, request: Request) -> tuple[bytes, dict[str, object]]:
    async with receive(request, uploads, LARGEST) as upload:
        content = content_of(upload.path)
        assert upload.size == len(content)
        return content, {"spec": upload.submission.spec, "secrets": dict(upload.submission.secrets)}


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def open_below(folder: Path) -> Sequence[str]:
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [target for link in links if (target := str(link.readlink())).startswith(str(folder))]


def left(uploads: Path) -> Sequence[Path]:
    return list(uploads.iterdir()) if uploads.exists() else []
