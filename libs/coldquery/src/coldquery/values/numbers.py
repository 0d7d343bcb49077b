from decimal import Decimal
from math import isfinite, isinf
from typing import Final

EXACT: Final = 2**53
"""Whole numbers up to this are the same in every reader of JSON, beyond it in some."""
_FIXED: Final = (1e15, 1e16)


def whole(value: int) -> int | str:
    """Beyond 2^53 as text: what reads JSON numbers as floats would change them."""
    return value if -EXACT <= value <= EXACT else str(value)


def floating(value: float) -> float | str:
    """JSON has neither NaN nor infinity; they become text."""
    return value if isfinite(value) else float_text(value)


def float_text(value: float) -> str:
    """The shortest digits that are this number, as PostgreSQL writes them: `1`, `0.1`, `1e+15`, `Infinity`.

    Where the shortest are halfway to the next number, PostgreSQL writes one digit more.
    """
    if not isfinite(value):
        return ("-Infinity" if value < 0 else "Infinity") if isinf(value) else "NaN"
    low, high = _FIXED
    # In these Python writes all digits, where PostgreSQL has an exponent.
    return _scientific(value) if low <= abs(value) < high else repr(value).removesuffix(".0")


def _scientific(value: float) -> str:
    sign, digits, _ = Decimal(repr(value)).normalize().as_tuple()
    first, *rest = map(str, digits)
    fraction = "." + "".join(rest) if rest else ""
    return f"{'-' if sign else ''}{first}{fraction}e+15"


def numeric_text(value: Decimal) -> str:
    """Every digit, zeros at the end too, and no exponent."""
    return format(value, "f")
