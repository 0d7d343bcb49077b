def total(prices: dict[str, float], cart: dict[str, int]) -> float:
    """What the things in a cart cost. Raises KeyError for what has no price."""
    return sum(prices[thing] * count for thing, count in cart.items())
