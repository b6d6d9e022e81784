# SPDX-License-Identifier: Apache-2.0
"""The Redis comparison, with fake servers and a fake client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rktio.bench import redis
from rktio.common.errors import RktioError

VERSION_7 = """\
"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms"
"SET","66666.67","0.412","0.104","0.399","0.623"
"""
VERSION_6 = '"GET","71428.57"\n'


@pytest.mark.parametrize(
    ("output", "test", "figure"), [(VERSION_7, "set", 66666.67), (VERSION_6, "get", 71428.57)]
)
def test_requests_per_second_are_read(output: str, test: str, figure: float) -> None:
    assert redis.parse_csv(output, test) == figure


@pytest.mark.parametrize("output", ["", '"SET","many"\n', "Could not connect to Redis\n"])
def test_output_without_a_figure_is_refused(output: str) -> None:
    with pytest.raises(RktioError, match="no figure for set"):
        redis.parse_csv(output, "set")


def test_client_is_told_host_operation_and_pipeline() -> None:
    load = next(load for load in redis.LOADS if load.metric.name == "redis_get_p16")

    words = [str(word) for word in load.command(Path("redis-benchmark"), "10.0.1.1")]

    assert words[words.index("-h") + 1] == "10.0.1.1"
    assert words[words.index("-t") + 1] == "get"
    assert words[words.index("-P") + 1] == "16"


def test_servers_alternate_and_each_ends_before_the_next_starts() -> None:
    events: list[str] = []

    @contextmanager
    def server(host: str) -> Iterator[str]:
        events.append(f"+{host}")
        yield host
        events.append(f"-{host}")

    def put(load: redis.Load, host: str) -> float:
        return 200.0 if host == "direct" else 100.0

    results = redis.alternate(
        redis.LOADS[:2], lambda: server("direct"), lambda: server("native"), 2, put
    )

    assert events == ["+direct", "-direct", "+native", "-native"] * 2
    assert [(result.ratio, result.runs) for result in results] == [(2.0, 2), (2.0, 2)]


def test_only_root_may_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    with pytest.raises(RktioError, match="need root"):
        redis.measure(1, 1)
