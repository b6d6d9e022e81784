# SPDX-License-Identifier: Apache-2.0
"""Intervals cover, are the same each time, and tell a difference from noise."""

from __future__ import annotations

import random

import pytest

from rktio.bench.statistics import median_interval, permutation_p, ratio_interval


def test_interval_of_equal_samples_is_their_value() -> None:
    found = median_interval([3.0] * 5)

    assert (found.value, found.low, found.high) == (3.0, 3.0, 3.0)


def test_interval_is_the_same_each_time_and_holds_the_median() -> None:
    samples = [9.0, 11.0, 10.0, 14.0, 8.0]

    first, second = median_interval(samples), median_interval(samples)

    assert first == second
    assert 8.0 <= first.low <= first.value == 10.0 <= first.high <= 14.0


def test_interval_covers_the_true_median_about_as_often_as_it_says() -> None:
    generator = random.Random(7)
    covered = 0
    for _ in range(60):
        found = median_interval([generator.gauss(100, 5) for _ in range(9)])
        covered += found.low <= 100 <= found.high

    assert covered >= 51  # 85 %: small samples fall short of 95


def test_ratio_is_of_the_medians() -> None:
    found = ratio_interval([20.0, 22.0, 21.0], [10.0, 10.0, 10.5])

    assert found.value == 2.1
    assert found.low <= 2.1 <= found.high


def test_separate_samples_have_the_least_p() -> None:
    assert permutation_p([1, 2, 3, 4, 5], [11, 12, 13, 14, 15]) == pytest.approx(2 / 252)


def test_like_samples_are_not_told_apart() -> None:
    assert permutation_p([10, 11, 12, 13, 14], [11, 10, 13, 12, 14]) > 0.5


def test_many_samples_are_drawn_at_random() -> None:
    low, high = [float(v) for v in range(1, 21)], [float(v) for v in range(101, 121)]

    assert permutation_p(low, high) < 0.001
