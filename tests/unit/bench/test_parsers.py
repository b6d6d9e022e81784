# SPDX-License-Identifier: Apache-2.0
"""What workloads print becomes figures, or one clear failure."""

from __future__ import annotations

import json

import pytest

from rktio.bench.parsers import parse
from rktio.common.errors import RktioError

WRK = """\
Running 2s test @ http://10.0.0.1:9000/1k
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.00ms    1.00ms  10.00ms   90.00%
  Latency Distribution
     50%    1.50ms
     75%    2.00ms
     90%    3.00ms
     99%  812.00us
  100 requests in 2.00s, 1.00MB read
Requests/sec:  51234.50
Transfer/sec:     60.00MB
"""
REDIS = """\
"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"SET","500000.00","1.1","0.4","1.0","1.9","2.5","4.0"
"""
SPEEDTEST = """\
 990 - ANALYZE.....................................................    0.030s
       TOTAL.......................................................    7.123s
"""
SYSBENCH = """\
    transactions:                        1234   (411.30 per sec.)
Latency (ms):
         99th percentile:                       12.50
"""


def fio(rate: float) -> str:
    percentiles = {"50.000000": 4000, "99.000000": 9000, "99.900000": 20000}
    job = {"read": {"iops": rate, "clat_ns": {"percentile": percentiles}}, "write": {"iops": 1.0}}
    return "fio: a note\n" + json.dumps({"jobs": [job]})


@pytest.mark.parametrize(
    ("parser", "output", "figures"),
    [
        ("lines", "throughput 5.5 op/s\np99 7 us\n", {"throughput": 5.5, "p99": 7.0}),
        ("fio", fio(99.0), {"throughput": 100.0, "p50": 4.0, "p99": 9.0, "p999": 20.0}),
        (
            "iperf3",
            json.dumps({"end": {"sum_received": {"bits_per_second": 2e9}}}),
            {"throughput": 2.0},
        ),
        ("wrk", WRK, {"throughput": 51234.5, "p50": 1500.0, "p99": 812.0}),
        ("redis-benchmark", REDIS, {"throughput": 5e5, "p50": 1000.0, "p99": 2500.0}),
        ("speedtest1", SPEEDTEST, {"duration": 7.123}),
        ("sysbench", SYSBENCH, {"throughput": 411.3, "p99": 12500.0}),
    ],
)
def test_figures_are_read(parser: str, output: str, figures: dict[str, float]) -> None:
    found = parse(parser, output)

    assert {name: value for name, (value, _) in found.items()} == pytest.approx(figures)


@pytest.mark.parametrize(
    ("parser", "output"),
    [
        ("lines", "throughput fast op/s"),
        ("lines", ""),
        ("fio", "fio: no such file"),
        ("fio", '{"jobs": []}'),
        ("iperf3", '{"error": "unable to connect"}'),
        ("wrk", WRK.replace("Requests/sec", "Non-2xx or 3xx responses")),
        ("wrk", WRK + "  Socket errors: connect 0, read 5, write 0, timeout 0\n"),
        ("redis-benchmark", "Could not connect"),
        ("speedtest1", "Error: disk full"),
        ("sysbench", "FATAL: error 2013"),
        ("lines", "throughput 0 op/s"),
    ],
)
def test_output_without_figures_is_refused(parser: str, output: str) -> None:
    with pytest.raises(RktioError):
        parse(parser, output)
