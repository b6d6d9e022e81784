# SPDX-License-Identifier: Apache-2.0
"""Choice of benchmarks and alternation, with fake runners."""

from __future__ import annotations

import pytest

from rktio.bench import micro
from rktio.bench.comparison import Metric
from rktio.common.errors import RktioError

PAIR = (Metric("pipe", "ns", 5.0), Metric("tcp_64k", "GB/s", 2.5, more_is_better=True))

PROMISED = [
    ("getppid", 10.0),
    ("pipe", 5.0),
    ("futex", 5.0),
    ("tmpfs_pread", 2.5),
    ("tcp_64k", 2.5),
    ("tcp_rr", 4.0),
    ("ext4_pread", 1.0),
    ("ext4_write", 0.9),
    ("first_touch", 0.7),
    ("fork_exec", 0.7),
]


class FakeRunner:
    """Gives the same figures each time and keeps the order of all calls."""

    def __init__(self, side: str, calls: list[str], figures: dict[str, float]) -> None:
        self.side = side
        self.calls = calls
        self.figures = figures

    def __call__(self, units: micro.Units) -> dict[str, float]:
        self.calls.append(self.side)
        return {name: self.figures[name] for name in units}


def test_names_and_goals_are_the_promised_ones() -> None:
    assert [(metric.name, metric.goal) for metric in micro.METRICS] == PROMISED


def test_only_throughputs_count_upwards() -> None:
    upwards = {metric.name for metric in micro.METRICS if metric.more_is_better}

    assert upwards == {"tcp_64k", "ext4_write"}


def test_sides_alternate_and_give_a_sample_each_run() -> None:
    calls: list[str] = []
    direct = FakeRunner("direct", calls, {"pipe": 1000.0, "tcp_64k": 9.0})
    native = FakeRunner("native", calls, {"pipe": 6000.0, "tcp_64k": 3.0})

    pipe, tcp = micro.alternate(PAIR, direct, native, 3, lambda: calls.append("-"))

    assert calls == ["direct", "-", "native", "-"] * 3
    assert (pipe.ratio, pipe.runs) == (6.0, 3)
    assert (tcp.ratio, tcp.runs) == (3.0, 3)


def test_all_benchmarks_are_the_default() -> None:
    assert micro.chosen(None) == micro.METRICS


def test_chosen_benchmarks_keep_their_order_and_come_once() -> None:
    assert [metric.name for metric in micro.chosen("futex,pipe, futex")] == ["futex", "pipe"]


@pytest.mark.parametrize("names", ["pipe,pipes", "nonsense"])
def test_unknown_benchmark_is_refused_with_the_known_ones(names: str) -> None:
    with pytest.raises(RktioError, match="no benchmark named") as caught:
        micro.chosen(names)

    assert "getppid" in (caught.value.hint or "")


def test_choice_of_nothing_is_refused() -> None:
    with pytest.raises(RktioError, match="names no benchmark"):
        micro.chosen(",")
