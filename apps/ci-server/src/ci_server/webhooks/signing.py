import fcntl
import hashlib
import hmac
import os
import secrets
from pathlib import Path

SIGNATURE_HEADER = "X-Fleet-Signature-256"
_FILE = "webhook-secret"


def signature(secret: str, body: bytes) -> str:
    """What the header X-Fleet-Signature-256 says of a body: `sha256=` and the HMAC-SHA256 in hexadecimal."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def kept_secret(data_dir: Path) -> str:
    """The secret in the file `webhook-secret` of CI_DATA_DIR, made (mode 0600) where there is none yet. Blocks.

    All processes get the same one, however many begin at once. Raises OSError.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    file, made = data_dir / _FILE, data_dir / f"{_FILE}.new"
    with (data_dir / f"{_FILE}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            made.unlink(missing_ok=True)
            _write(made, secrets.token_hex(32))
            made.replace(file)
    return file.read_text(encoding="ascii").strip()


def _write(file: Path, secret: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(secret + "\n")
        opened.flush()
        os.fsync(opened.fileno())
