"""The SQL of the role that ColdQuery is meant to work as: it may read, and write only where it is told to."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import asyncpg

from coldquery.statements.identifiers import quoted

_ITERATIONS = 4096
_WORD = re.compile(r"(?<!:):(name|role|schema)\b")
# Whoever may create in a schema of the path could else have functions of theirs called by whoever runs this.
_TRUSTED_ONLY = "SET LOCAL search_path = pg_catalog, pg_temp;"
# Two who run it at once would fail on the same rows of the catalogue.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(6304265);"


@dataclass(frozen=True, slots=True)
class Grants:
    """What the role may read, and where it may write too; names as they are stored. Raises Refused for a bad one."""

    role: str
    read: Sequence[str]
    write: Sequence[str] = ()

    def sql(self, password: str | None = None) -> str:
        """The statements, in one transaction, which may be run again; with `password`, that is set as well."""
        role, name = quoted(self.role), _literal(self.role)
        readable = dict.fromkeys([*self.read, *self.write])
        parts = [_part("role", role=role, name=name)]
        parts += [_part("read", role=role, schema=quoted(schema)) for schema in readable]
        parts += [_part("write", role=role, schema=quoted(schema)) for schema in dict.fromkeys(self.write)]
        if password is not None:
            parts.append(f"ALTER ROLE {role} PASSWORD {_literal(scram_verifier(password))};\n")
        return "\n".join(["BEGIN;", _TRUSTED_ONLY, _ONE_AT_A_TIME, "", *parts, "COMMIT;", ""])

    async def apply(self, connect: Mapping[str, Any], password: str | None = None) -> None:
        """Run it. `connect` are arguments of `asyncpg.connect`, of a user who may grant all this."""
        connection = await asyncpg.connect(**connect)
        try:
            await connection.execute(self.sql(password))
        finally:
            await connection.close(timeout=5)


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL keeps of `password` (RFC 5803): so the password itself gets into none of its logs.

    Raises ValueError where it has other characters than printable ASCII, which would have to be prepared first.
    """
    if not password or not (password.isascii() and password.isprintable()):
        raise ValueError("the password must be of printable ASCII characters, and not empty")
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    told = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{told[0]}${told[1]}:{told[2]}"


def _part(what: str, **words: str) -> str:
    """The file `sql/grants_<what>.sql`, with `words` in place of `:role` and the like."""
    text = files("coldquery").joinpath("sql", f"grants_{what}.sql").read_text()
    # In one go, as a name may itself look like a word.
    return _WORD.sub(lambda found: words[found[1]], text)


def _literal(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'" if "\\" not in text else " E'" + escaped.replace("\\", "\\\\") + "'"
