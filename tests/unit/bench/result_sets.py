# SPDX-License-Identifier: Apache-2.0
"""Result documents made up for tests: one scenario, given samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rktio.bench.scenario import Case, Scenario

SESSION: dict[str, Any] = {
    "started": "2026-11-23T02:00:00Z",
    "machine": {
        "cpu": "A <fast> CPU",
        "cpus": 2,
        "kernel": "6.18",
        "os": "Debian",
        "hypervisor": True,
    },
    "rkt_io": {"version": "0.1.0", "commit": "abc", "enclave": "def"},
    "python": "3.11.2",
}


def scenario(name: str = "nginx", cases: Sequence[str] = ("1KiB", "3MiB")) -> Scenario:
    """Return a scenario that serves."""
    return Scenario(
        name=name,
        title="a title",
        kind="server",
        packages=("nginx-light",),
        command=("/usr/sbin/nginx",),
        parser="wrk",
        cases=tuple(Case(case, {"seconds": "2"}) for case in cases),
        client=("wrk", "{server}"),
        port=9000,
        network=True,
    )


def sample(system: str, number: int, values: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Return one sample of session 0."""
    return {
        "session": 0,
        "round": number,
        "system": system,
        "at": "2026-11-23T02:00:00Z",
        "load": [0.5, 0.4, 0.3],
        "seconds": 2.5,
        "values": {case: dict(found) for case, found in values.items()},
        "error": None,
    }


def document(
    rates: Mapping[str, Sequence[float]], *, name: str = "nginx", case: str = "1KiB"
) -> dict[str, Any]:
    """Return results of one case: throughput and p99 (its inverse) by system."""
    found = scenario(name, (case,))
    samples = [
        sample(system, number, {case: {"throughput": rate, "p99": 1e6 / rate, "cpu": 5.0}})
        for system, values in rates.items()
        for number, rate in enumerate(values)
    ]
    record = {
        "title": found.title,
        "figure": "7b",
        "digest": found.digest(),
        "length": "quick",
        "runs": 5,
        "topology": "host-client",
        "world_switch_cycles": None,
        "cpus": 1,
        "systems": list(rates),
        "versions": {"nginx-light": "1.22"},
        "sysctl": {},
        "parameters": found.parameters(),
        "units": {"throughput": "op/s", "p99": "us", "cpu": "us/op"},
        "primary": "throughput",
        "samples": samples,
    }
    return {"schema": "rkt-io-bench/1", "sessions": [SESSION], "scenarios": {name: record}}


def steady(native: float, direct: float, runs: int = 5) -> dict[str, list[float]]:
    """Return rates of three systems that hardly vary."""
    wobble = [1.0 + 0.01 * (number % 3) for number in range(runs)]
    return {
        "native": [native * w for w in wobble],
        "direct": [direct * w for w in wobble],
        "native-aa": [native * w for w in reversed(wobble)],
    }


ANYWHERE = Path("results.json")
