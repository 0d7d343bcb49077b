from collections.abc import Iterable
from typing import Final

from coldquery.values.raw import Interval

_INFINITY: Final = {
    Interval((2**31 - 1, 2**31 - 1, 2**63 - 1)): "infinity",
    Interval((-(2**31), -(2**31), -(2**63))): "-infinity",
}


def interval_text(value: Interval) -> str:
    """ISO 8601 as PostgreSQL's IntervalStyle iso_8601 writes it: `P1Y2M3DT4H5M6.7S`, each part with its sign."""
    if value in _INFINITY:
        return _INFINITY[value]
    months, days, microseconds = value
    day_part = _parts(zip(_split(months, 12), "YM", strict=True)) + _parts([(days, "D")])
    time_part = _time_part(microseconds)
    return f"P{day_part}{'T' if time_part else ''}{time_part}" if day_part or time_part else "PT0S"


def _time_part(microseconds: int) -> str:
    minutes, rest = _split(microseconds, 60_000_000)
    hours_and_minutes = _parts(zip(_split(minutes, 60), "HM", strict=True))
    return hours_and_minutes + (f"{_seconds(rest)}S" if rest else "")


def _seconds(microseconds: int) -> str:
    seconds, fraction = divmod(abs(microseconds), 1_000_000)
    text = f"{seconds}.{fraction:06d}".rstrip("0") if fraction else str(seconds)
    return f"-{text}" if microseconds < 0 else text


def _split(value: int, size: int) -> tuple[int, int]:
    """Quotient and remainder, both of the sign of `value`."""
    quotient, rest = divmod(abs(value), size)
    return (-quotient, -rest) if value < 0 else (quotient, rest)


def _parts(numbers: Iterable[tuple[int, str]]) -> str:
    return "".join(f"{number}{unit}" for number, unit in numbers if number)
