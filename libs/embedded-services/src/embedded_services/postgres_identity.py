import os
import pwd
import subprocess
from pathlib import Path

from embedded_services.data_folder import DataFolder
from embedded_services.errors import UnsupportedHost
from embedded_services.parent_death import NOBODY, OWN_USER, USER_NAMESPACE, dies_with_parent


def postgres_identity(folder: DataFolder, postgres: Path) -> str:
    """Who PostgreSQL runs as, for `dies_with_parent`: it refuses root, and initdb a user without a name.

    For root that is the owner of the data folder. Where root is the owner, it is root itself in a user
    namespace in which it is called nobody, and which reaches all that root owns. Where the machine allows no
    such namespace, the folder is given to nobody. Raises UnsupportedHost if nothing works.
    """
    user = os.geteuid()
    if user != 0:
        return OWN_USER if _has_name(user) else USER_NAMESPACE
    owner = folder.path.stat().st_uid
    candidates = [str(owner)] if owner and _has_name(owner) else [USER_NAMESPACE, str(NOBODY)]
    complaints: list[str] = []
    for identity in candidates:
        complaint = _complaint(identity, folder.path.parent, postgres)
        if not complaint:
            new_owner = 0 if identity == USER_NAMESPACE else int(identity)
            if new_owner != owner:
                folder.give_to(new_owner)
            return identity
        complaints.append(complaint)
    raise UnsupportedHost(
        f"PostgreSQL refuses to run as root, and no other way works here ({'; '.join(complaints)}). "
        "Run as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own."
    )


def _has_name(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


def _complaint(identity: str, folder: Path, postgres: Path) -> str:
    """What hinders `identity` from entering `folder` and running `postgres`; empty if nothing does."""
    command = ("/bin/sh", "-c", 'cd "$0" && exec "$1" --version', folder, postgres)
    result = subprocess.run(  # noqa: S603  # a fixed script, its arguments not read as one
        dies_with_parent(command, identity=identity), capture_output=True, text=True, check=False
    )
    return result.stderr.strip() or "it did not run" if result.returncode else ""
