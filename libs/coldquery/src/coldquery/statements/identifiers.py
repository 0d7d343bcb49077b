from coldquery.errors import Refused

MAX_BYTES = 63
"""Of a name in PostgreSQL; what is longer would be cut, and so name something else."""


def quoted(*parts: str) -> str:
    """The qualified name of `parts`, quoted so that it can stand in a statement: "schema"."name".

    Raises Refused for a name that PostgreSQL cannot have.
    """
    return ".".join(_quoted(part) for part in parts)


def _quoted(part: str) -> str:
    if not part:
        raise Refused("A name is empty.")
    if "\0" in part:
        raise Refused("A name has a NUL character, which PostgreSQL does not take.")
    if _bytes(part) > MAX_BYTES:
        raise Refused(f"The name {part[:MAX_BYTES]!r}… is longer than the {MAX_BYTES} bytes of PostgreSQL.")
    return '"' + part.replace('"', '""') + '"'


def _bytes(part: str) -> int:
    try:
        return len(part.encode())
    except UnicodeEncodeError:
        raise Refused("A name has half of a surrogate pair, which is no character.") from None
