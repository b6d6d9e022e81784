# SPDX-License-Identifier: Apache-2.0
"""What the programs of scenarios print, as figures: name -> (value, unit).

The first figure is the one that a scenario is about. Figures in units of time are better when
they are lower, all others when they are higher; those in "cores" are not judged.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from typing import Any

from rktio.common.errors import RktioError

Figures = dict[str, tuple[float, str]]

DURATIONS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}
WRK_PERCENTILE = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)\s*$", re.MULTILINE)
WRK_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)
WRK_ERRORS = re.compile(r"^\s+(Socket errors: .*|Non-2xx or 3xx responses: .*)$", re.MULTILINE)
SPEEDTEST_TOTAL = re.compile(r"^\s*TOTAL[ .]*\s([\d.]+)s", re.MULTILINE)
SYSBENCH_RATE = re.compile(r"transactions:\s+\d+\s+\(([\d.]+) per sec\.\)")
SYSBENCH_P99 = re.compile(r"99th percentile:\s+([\d.]+)")


def lines(output: str) -> Figures:
    """Read lines of NAME VALUE UNIT, as our own programs print them."""
    found: Figures = {}
    for line in output.splitlines():
        words = line.split()
        if len(words) != 3:
            raise RktioError(f"{line!r} is no figure")
        found[words[0]] = (_number(words[1]), words[2])
    return found


def fio(output: str) -> Figures:
    """Read fio's JSON: reads and writes of all jobs together."""
    job = _json(output)["jobs"][0]
    rate = job["read"]["iops"] + job["write"]["iops"]
    found: Figures = {"throughput": (rate, "op/s")}
    for name, key in (("p50", "50.000000"), ("p99", "99.000000"), ("p999", "99.900000")):
        percentile = job["read"]["clat_ns"].get("percentile", {}).get(key)
        if percentile is not None:
            found[name] = (percentile / 1000, "us")
    return found


def iperf3(output: str) -> Figures:
    """Read iperf3's JSON: what the receiver got."""
    document = _json(output)
    if "error" in document:
        raise RktioError(f"iperf3: {document['error']}")
    end = document["end"]
    return {"throughput": (end["sum_received"]["bits_per_second"] / 1e9, "Gbit/s")}


def wrk(output: str) -> Figures:
    """Read wrk --latency; answers other than 2xx and 3xx are a failure."""
    if errors := WRK_ERRORS.search(output):
        raise RktioError(f"wrk: {errors[1]}")
    rate = WRK_RATE.search(output)
    if rate is None:
        raise RktioError(f"wrk gave no figure: {output[-200:]!r}")
    found: Figures = {"throughput": (float(rate[1]), "op/s")}
    for share, value, unit in WRK_PERCENTILE.findall(output):
        found[f"p{share}"] = (float(value) * DURATIONS[unit], "us")
    return found


def redis_benchmark(output: str) -> Figures:
    """Read redis-benchmark --csv of version 7, for a single test."""
    rows = list(csv.DictReader(output.splitlines()))
    if len(rows) != 1 or not rows[0].get("rps"):
        raise RktioError(f"redis-benchmark gave no figure: {output[-200:]!r}")
    return {
        "throughput": (_number(rows[0]["rps"]), "op/s"),
        "p50": (_number(rows[0]["p50_latency_ms"]) * 1000, "us"),
        "p99": (_number(rows[0]["p99_latency_ms"]) * 1000, "us"),
    }


def speedtest1(output: str) -> Figures:
    """Read SQLite's speedtest1: the sum of all its tests."""
    total = SPEEDTEST_TOTAL.search(output)
    if total is None:
        raise RktioError(f"speedtest1 gave no total: {output[-200:]!r}")
    return {"duration": (float(total[1]), "s")}


def sysbench(output: str) -> Figures:
    """Read sysbench's OLTP workloads, run with --percentile=99."""
    rate, p99 = SYSBENCH_RATE.search(output), SYSBENCH_P99.search(output)
    if rate is None or p99 is None:
        raise RktioError(f"sysbench gave no figure: {output[-200:]!r}")
    return {"throughput": (float(rate[1]), "op/s"), "p99": (float(p99[1]) * 1000, "us")}


PARSERS: dict[str, Callable[[str], Figures]] = {
    "lines": lines,
    "fio": fio,
    "iperf3": iperf3,
    "wrk": wrk,
    "redis-benchmark": redis_benchmark,
    "speedtest1": speedtest1,
    "sysbench": sysbench,
}


def parse(parser: str, output: str) -> Figures:
    """Return the figures of `output`. Raises RktioError where there are none."""
    try:
        found = PARSERS[parser](output)
    except (KeyError, IndexError, TypeError) as error:
        raise RktioError(f"{parser}: its output lacks {error}") from error
    if not found or next(iter(found.values()))[0] <= 0:
        raise RktioError(f"{parser}: no positive figure in {output[-200:]!r}")
    return found


def _json(output: str) -> Any:
    """Read a document; fio writes notes before it."""
    try:
        return json.loads(output[output.index("{") :])
    except ValueError as error:
        raise RktioError(f"no JSON in {output[-200:]!r}") from error


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise RktioError(f"{text!r} is not a number") from error
