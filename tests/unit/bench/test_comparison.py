# SPDX-License-Identifier: Apache-2.0
"""Medians, the direction of ratios, goals, JSON and the table."""

from __future__ import annotations

import json

import pytest

from rktio.bench.comparison import (
    Metric,
    Result,
    missed,
    significant,
    spread_percent,
    to_json,
    to_table,
)
from rktio.common.errors import RktioError

TIME = Metric("pipe", "ns", 5.0)
THROUGHPUT = Metric("tcp_64k", "GB/s", 2.5, more_is_better=True)


def test_less_time_is_a_ratio_above_one() -> None:
    assert Result(TIME, (100.0,), (700.0,)).ratio == 7.0


def test_more_throughput_is_a_ratio_above_one() -> None:
    assert Result(THROUGHPUT, (9.0,), (3.0,)).ratio == 3.0


def test_slower_is_a_ratio_below_one_in_both_directions() -> None:
    assert Result(TIME, (200.0,), (100.0,)).ratio == 0.5
    assert Result(THROUGHPUT, (1.0,), (2.0,)).ratio == 0.5


def test_one_wild_sample_does_not_move_the_ratio() -> None:
    assert Result(TIME, (10.0, 10.0, 9999.0), (50.0, 1.0, 50.0)).ratio == 5.0


def test_runs_are_the_samples_that_both_sides_have() -> None:
    assert Result(TIME, (1.0, 2.0, 3.0), (1.0, 2.0)).runs == 2


@pytest.mark.parametrize("samples", [(), (0.0,), (1.0, -1.0)])
def test_samples_that_can_not_be_are_refused(samples: tuple[float, ...]) -> None:
    with pytest.raises(RktioError, match="pipe"):
        Result(TIME, samples, (1.0,))


def test_a_goal_that_is_just_met_is_not_missed() -> None:
    met = Result(TIME, (1.0,), (5.0,))
    short = Result(TIME, (1.0,), (4.9,))

    assert missed([met, short]) == [short]


def test_json_has_exactly_the_promised_keys() -> None:
    document = json.loads(to_json([Result(TIME, (100.0, 102.0, 104.0), (510.0, 510.0, 600.0))]))

    assert document == {
        "results": [
            {
                "name": "pipe",
                "unit": "ns",
                "direct": 102.0,
                "native": 510.0,
                "ratio": 5.0,
                "runs": 3,
            }
        ]
    }


def test_table_shows_goal_and_verdict_of_each_benchmark() -> None:
    lines = to_table(
        [Result(TIME, (100.0,), (700.0,)), Result(THROUGHPUT, (2.0,), (2.0,))]
    ).splitlines()

    assert lines[0].split()[:2] == ["benchmark", "library"]
    assert lines[1].split()[:7] == ["pipe", "100", "700", "ns", "7.00x", "5.00x", "ok"]
    assert lines[2].split()[:7] == ["tcp_64k", "2", "2", "GB/s", "1.00x", "2.50x", "MISSED"]


def test_spread_is_relative_to_the_median() -> None:
    assert spread_percent((90.0, 100.0, 120.0)) == 30.0


@pytest.mark.parametrize(("value", "kept"), [(12.34567, 12.35), (123456.0, 123500.0), (0.5, 0.5)])
def test_figures_keep_four_digits(value: float, kept: float) -> None:
    assert significant(value) == kept
