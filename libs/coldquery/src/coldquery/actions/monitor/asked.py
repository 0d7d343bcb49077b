from coldquery.errors import Refused

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

UNSEEN = (
    "This server's role does not see what other roles' connections do. Whoever runs it can change that: "
    "GRANT pg_read_all_stats TO the role."
)


def entries(limit: int | None) -> int:
    """How many entries were asked for; raises Refused below 1 and above 200."""
    if limit is None:
        return DEFAULT_LIMIT
    if not 1 <= limit <= MAX_LIMIT:
        raise Refused(f"limit is {limit}, and must be from 1 to {MAX_LIMIT}.", hint="Leave it out for 50.")
    return limit


def unseen(*, sees_all: bool) -> str | None:
    """What to tell where the role may not see what others do."""
    return None if sees_all else UNSEEN
