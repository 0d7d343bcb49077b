"""Values as PostgreSQL sends them, nothing lost, tagged with what they are; each goes back in as a parameter."""


class Date(tuple[int]):
    """(days since 2000-01-01,)."""

    __slots__ = ()


class Time(tuple[int]):
    """(microseconds since midnight,)."""

    __slots__ = ()


class TimeTz(tuple[int, int]):
    """(microseconds since midnight, seconds west of UTC)."""

    __slots__ = ()


class Timestamp(tuple[int]):
    """(microseconds since 2000-01-01,)."""

    __slots__ = ()


class TimestampTz(tuple[int]):
    """(microseconds since 2000-01-01 in UTC,)."""

    __slots__ = ()


class Interval(tuple[int, int, int]):
    """(months, days, microseconds)."""

    __slots__ = ()


class Bytea(bytes):
    """A bytea; bytes as such are a "char" or an internal type of the catalogue."""

    __slots__ = ()


class Json(str):
    """The text of a json, as it was written."""

    __slots__ = ()


class Jsonb(str):
    """The text of a jsonb: no key twice in an object, no exponent, no half of a surrogate pair."""

    __slots__ = ()
