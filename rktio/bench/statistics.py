# SPDX-License-Identifier: Apache-2.0
"""Medians with bootstrap intervals, and whether two sets of samples differ.

Everything is seeded: the same samples give the same intervals.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, log
from statistics import fmean, median

RESAMPLES = 2000
CONFIDENCE = 0.95
EXACT_LIMIT = 20_000  # permutations that are tried all; above, as many at random
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Interval:
    """A value and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def median_interval(samples: Sequence[float]) -> Interval:
    """Return the median with its percentile bootstrap interval (Efron, 1979)."""
    return _bootstrap(lambda draw: median(draw(samples)), median(samples))


def ratio_interval(above: Sequence[float], below: Sequence[float]) -> Interval:
    """Return the ratio of two medians; both sides are drawn anew for each resample."""
    return _bootstrap(
        lambda draw: median(draw(above)) / median(draw(below)), median(above) / median(below)
    )


def difference_interval(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Return the first median less the second; both sides are drawn anew for each resample."""
    return _bootstrap(
        lambda draw: median(draw(first)) - median(draw(second)), median(first) - median(second)
    )


def permutation_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Return how likely so great a difference of mean logarithms is by chance (two-sided).

    Exact where there are few permutations. With 5 samples a side the least value is 2/252.
    """
    pool = [log(value) for value in (*first, *second)]
    total, size = sum(pool), len(first)
    rest = len(pool) - size

    def difference(chosen: float) -> float:
        return abs(chosen / size - (total - chosen) / rest)

    seen = difference(sum(pool[:size])) - 1e-12
    if comb(len(pool), size) <= EXACT_LIMIT:
        sums = [sum(chosen) for chosen in combinations(pool, size)]
    else:
        generator = random.Random(0)  # noqa: S311 - statistics
        sums = [sum(generator.sample(pool, size)) for _ in range(EXACT_LIMIT)]
    return fmean(difference(chosen) >= seen for chosen in sums)


Draw = Callable[[Sequence[float]], list[float]]


def _bootstrap(figure: Callable[[Draw], float], value: float) -> Interval:
    generator = random.Random(0)  # noqa: S311 - statistics

    def draw(samples: Sequence[float]) -> list[float]:
        return generator.choices(samples, k=len(samples))

    found = sorted(figure(draw) for _ in range(RESAMPLES))
    cut = (1 - CONFIDENCE) / 2
    return Interval(value, found[int(cut * RESAMPLES)], found[int((1 - cut) * RESAMPLES) - 1])
