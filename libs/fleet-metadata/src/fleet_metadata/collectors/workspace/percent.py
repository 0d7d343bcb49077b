def percent(used: float, whole: float) -> int | None:
    """How many hundredths of `whole` are used, 0 to 100; None where that makes no sense."""
    if whole <= 0 or used < 0:
        return None
    return min(100, round(100 * used / whole))
