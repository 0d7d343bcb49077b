from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from asyncpg import InternalClientError, OutdatedSchemaCacheError, UnsupportedClientFeatureError

from coldquery.errors import Refused

ONLY_AS_TEXT: Final = "A record of the result has a field of a type that can be read as text only."
CAST: Final = (
    "Cast what the record is made of to text, as in ROW(a, b::text), or ask for to_jsonb(...) of it."
)


class TypeAltered(Refused):
    """A composite type of the result was altered after this connection had read how it is made.

    PostgreSQL itself had no error. `await connection.reload_schema_state()` has the connection forget it (asyncpg
    does so by itself, but not after a cursor); prepared and run anew, the statement is answered, a read in the
    same transaction.
    """


@contextmanager
def readable() -> Generator[None]:
    """Around preparing a statement and fetching its rows, for what asyncpg cannot read of them.

    Raises TypeAltered, and Refused where nothing but another statement helps; the connection is not lost.
    """
    try:
        yield
    except OutdatedSchemaCacheError as error:
        raise TypeAltered("A type of the result was altered at the same time; repeat the call.") from error
    except UnsupportedClientFeatureError as error:
        raise Refused(f"The result or a parameter cannot be exchanged: {error}.", hint=CAST) from error
    except UnicodeDecodeError as error:
        raise Refused(ONLY_AS_TEXT, hint=CAST) from error
    except InternalClientError as error:
        if not str(error).startswith("no decoder"):
            raise
        raise Refused(ONLY_AS_TEXT, hint=CAST) from error
