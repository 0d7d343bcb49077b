"""How contenders are measured in turn, and what becomes of the figures."""

import gc
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

Contender = Callable[[int], Awaitable[float]]
"""Measures itself once; gets the number of the turn, to ask for something new each time."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. Every round is one ratio, of the medians of its `queries`."""

    rounds: int
    queries: int
    load_seconds: int
    services: int
    edges: int
    large_services: int
    large_edges: int
    dense_services: int
    body_services: int
    body_edges: int


FULL = Scale(7, 60, 3, 5_000, 25_000, 100_000, 1_000_000, 30, 1_000, 5_000)
SMOKE = Scale(1, 5, 1, 300, 1_500, 600, 6_000, 10, 50, 250)


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table.

    `measured` is a median, the lowest and the highest of the rounds; `figures` are what a ratio is of.
    """

    what: str
    target: str
    measured: str
    figures: str
    reached: bool | None


async def in_turn(turns: int, *contenders: Contender) -> list[list[float]]:
    """The figures of each contender, which come one after the other in every turn."""
    # Else the collector looks through what the benchmark itself holds, in the middle of a measurement.
    gc.collect()
    gc.freeze()
    figures: list[list[float]] = [[] for _ in contenders]
    for turn in range(turns):
        # Forth and back, as whoever comes second finds the pages of the database warm.
        for index in range(len(contenders))[:: -1 if turn % 2 else 1]:
            figures[index].append(await contenders[index](turn))
    return figures


async def milliseconds(work: Awaitable[object]) -> float:
    """How long `work` takes."""
    started = perf_counter()
    await work
    return (perf_counter() - started) * 1000


def round_medians(figures: Sequence[float], rounds: int) -> list[float]:
    length = len(figures) // rounds
    return [median(figures[start : start + length]) for start in range(0, len(figures), length)]


def at_least(
    factor: float, what: str, rates: Sequence[float], others: str, bare: Sequence[float], unit: str
) -> Result:
    """Whether the median ratio of the rates, of which there is one for each round, is `factor` or more."""
    ratios = _ratios(rates, bare)
    target = f"at least {factor:.2g}x {others}"
    figures = f"{median(rates):,.0f} and {median(bare):,.0f} {unit}"
    return Result(what, target, f"{_spread(ratios)}x", figures, median(ratios) >= factor)


def at_most(factor: float, what: str, times: Sequence[float], others: str, bare: Sequence[float]) -> Result:
    """Whether the median ratio of the times in ms, of which there is one for each round, is `factor` or less."""
    ratios = _ratios(times, bare)
    target = f"at most {factor:g}x {others}"
    figures = f"{median(times):.2f} and {median(bare):.2f} ms"
    return Result(what, target, f"{_spread(ratios)}x", figures, median(ratios) <= factor)


def within(limit: float, what: str, times: Sequence[float]) -> Result:
    """Whether the median of the times is below `limit`, all in ms."""
    return Result(what, f"under {limit:,g} ms", f"{_spread(times)} ms", "", median(times) < limit)


def _ratios(ours: Sequence[float], bare: Sequence[float]) -> list[float]:
    return [our / their for our, their in zip(ours, bare, strict=True)]


def _spread(figures: Sequence[float]) -> str:
    return f"{median(figures):.3g} ({min(figures):.3g} to {max(figures):.3g})"
