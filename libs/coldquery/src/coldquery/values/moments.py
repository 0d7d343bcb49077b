"""Dates and times as PostgreSQL writes them, of any year that it has."""

from datetime import date
from functools import lru_cache
from typing import Final

from coldquery.values.raw import Date, Time, TimestampTz, TimeTz

_EPOCH: Final = date(2000, 1, 1).toordinal()
_DAY: Final = 86_400_000_000
_CYCLE_DAYS: Final = 146_097  # of 400 years, after which the calendar repeats
_CYCLE_YEARS: Final = 400
_DATE_INFINITY: Final = {2**31 - 1: "infinity", -(2**31): "-infinity"}
_INFINITY: Final = {2**63 - 1: "infinity", -(2**63): "-infinity"}
_MINUTES: Final = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(24 * 60 + 1)]


def date_text(value: Date) -> str:
    """`2026-11-22`, `0044-03-15 BC`, `10000-01-01` or `infinity`."""
    (days,) = value
    return _DATE_INFINITY[days] if days in _DATE_INFINITY else "".join(_day(days))


def timestamp_text(value: tuple[int], between: str = "T", zone: str = "") -> str:
    """`2026-11-22T10:00:00.12`, with `zone` at its end; far ones as `date_text` has them."""
    (microseconds,) = value
    if microseconds in _INFINITY:
        return _INFINITY[microseconds]
    days, clock = divmod(microseconds, _DAY)
    day, era = _day(days)
    return day + between + _clock(clock) + zone + era


def timestamptz_text(value: TimestampTz) -> str:
    """As `timestamp_text`, in UTC, which it says: `2026-11-22T10:00:00+00:00`."""
    return timestamp_text(value, "T", "+00:00")


def time_text(value: Time) -> str:
    """`10:00:00.12`; the end of a day is `24:00:00`."""
    return _clock(value[0])


def timetz_text(value: TimeTz) -> str:
    """`10:00:00+01`; minutes and seconds of the zone only where it has them."""
    microseconds, west = value
    hours, rest = divmod(abs(west), 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [hours, minutes, seconds] if seconds else [hours, minutes] if minutes else [hours]
    return _clock(microseconds) + ("-" if west > 0 else "+") + ":".join(f"{part:02d}" for part in parts)


def _clock(microseconds: int) -> str:
    seconds, fraction = divmod(microseconds, 1_000_000)
    minutes, second = divmod(seconds, 60)
    text = f"{_MINUTES[minutes]}:{second:02d}"
    return f"{text}.{fraction:06d}".rstrip("0") if fraction else text


@lru_cache(maxsize=4096)  # a result has many moments of few days
def _day(days: int) -> tuple[str, str]:
    """The date, and the era that comes after the time of day."""
    cycles, day = divmod(days, _CYCLE_DAYS)
    near = date.fromordinal(_EPOCH + day)
    year = near.year + cycles * _CYCLE_YEARS
    # There is no year 0: before 1 comes 1 BC.
    shown, era = (year, "") if year > 0 else (1 - year, " BC")
    return f"{shown:04d}-{near:%m-%d}", era
