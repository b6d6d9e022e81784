# SPDX-License-Identifier: Apache-2.0
"""Goals are judged by ratio; what was not measured is not met, and says why."""

from __future__ import annotations

from typing import Any

import pytest

from rktio.bench import goals, results
from rktio.bench.sources import bench_directory
from tests.unit.bench.result_sets import document, steady

ROWS = [
    "sendto 32 B",
    "fio 4 KiB randrw buffered, hot",
    "fio 4 KiB direct qd1 / qd32",
    "iperf3 1 stream out / in",
    "SQLite speedtest1 size 100",
    "nginx 1 KiB keep-alive / 3 MiB",
    "Redis YCSB-A / pipelined, p99 no higher",
    "MariaDB oltp_read_write, 4 threads",
    "everything encrypted, of the plain figure",
    "network and storage against sync, switchless and libos-host",
    "library OS memory beyond the application's, and idle CPU",
]


def row(judged: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(found for found in judged if found["name"].startswith(name))


def test_every_row_is_there_without_results() -> None:
    judged = goals.judge(results.empty())

    assert [found["name"] for found in judged] == ROWS
    assert all(found["value"] is None and not found["met"] for found in judged)
    assert all(found["reason"] for found in judged)


def test_ratio_at_the_goal_is_met() -> None:
    judged = goals.judge(document(steady(100.0, 300.0), name="sendto@pair", case="32B"))

    found = row(judged, "sendto")
    assert (found["goal"], found["value"], found["met"]) == (3.0, 3.0, True)
    assert found["parts"][0]["low"] <= 3.0 <= found["parts"][0]["high"]
    assert found["parts"][0]["noise"] is not None


def test_ratio_below_the_goal_is_missed() -> None:
    found = row(
        goals.judge(document(steady(100.0, 290.0), name="sendto@pair", case="32B")), "sendto"
    )

    assert (found["value"], found["met"]) == (2.9, False)


def test_row_with_a_part_missing_is_not_met() -> None:
    found = row(goals.judge(document(steady(100.0, 900.0), name="nginx@pair")), "nginx")

    assert (found["value"], found["met"]) == (None, False)
    assert [part["met"] for part in found["parts"]] == [True, False]


def test_latency_counts_the_other_way() -> None:
    judged = goals.judge(document(steady(100.0, 400.0), name="redis-ycsb@pair", case="16conn"))

    p99 = row(judged, "Redis")["parts"][1]
    assert (p99["name"], p99["value"], p99["met"]) == ("redis-ycsb@pair 16conn p99", 4.0, True)


@pytest.mark.parametrize(
    ("memory", "idle", "met"), [(60.0, 1.0, True), (70.0, 1.0, False), (60.0, 3.0, False)]
)
def test_bounds_are_met_below(memory: float, idle: float, met: bool) -> None:
    found = document(steady(1.0, 1.0), name="idle", case="redis")
    record = found["scenarios"]["idle"]
    record["units"] = {"memory": "MiB", "idle_cpu": "%"}
    record["primary"] = "memory"
    for sample in record["samples"]:
        direct = sample["system"] == "direct"
        figures = {"memory": 10.0 + (memory if direct else 0.0), "idle_cpu": idle}
        sample["values"]["redis"] = figures

    last = row(goals.judge(found), "library OS memory")
    assert last["met"] is met
    assert last["parts"][0]["value"] == memory
    assert last["parts"][1]["value"] == idle


def test_few_runs_are_remarked() -> None:
    rates = steady(100.0, 300.0, runs=2)

    assert row(goals.judge(document(rates, name="sendto@pair", case="32B")), "sendto")[
        "reason"
    ] == ("only 2 runs")


def test_ratio_within_the_noise_is_remarked() -> None:
    rates = steady(100.0, 101.0)
    rates["native-aa"] = [50.0, 200.0, 60.0, 180.0, 100.0]

    judged = goals.judge(document(rates, name="sendto@pair", case="32B"))

    assert row(judged, "sendto")["reason"] == "within the noise of this run"


def test_busy_client_is_remarked() -> None:
    found = document(steady(100.0, 300.0), name="sendto@pair", case="32B")
    for sample in found["scenarios"]["sendto@pair"]["samples"]:
        sample["values"]["32B"]["client_cpu"] = 0.99

    assert "the client used its whole core" in row(goals.judge(found), "sendto")["reason"]


def test_every_goal_states_its_topology() -> None:
    import tomllib

    table = tomllib.loads(bench_directory("goals.toml").read_text())
    for row in table["row"]:
        for part in row.get("part", ()):
            assert "topology" in part, part


def test_baselines_are_held_against_by_their_own_goals() -> None:
    rates = {"native": 100.0, "direct": 300.0, "sync": 30.0}
    runs = {system: [rate] * 5 for system, rate in rates.items()}
    found = document(runs, name="sendto@pair", case="32B")
    found["scenarios"]["sendto@pair"]["world_switch_cycles"] = 8200

    judged = row(goals.judge(found), "network and storage")
    parts = {part["name"]: part for part in judged["parts"]}
    against_sync = parts["sendto@pair 32B against sync"]
    assert (against_sync["value"], against_sync["goal"], against_sync["met"]) == (10.0, 9.0, True)
    assert "simulated by 8200 cycles" in against_sync["reason"]
    missing = parts["sendto@pair 32B against switchless"]
    assert missing["value"] is None
    assert "--baselines" in missing["reason"]


def test_baselines_are_run_where_goals_name_them_and_only_when_asked_for() -> None:
    assert goals.held_against("sendto@pair") == ("sync", "switchless")
    assert goals.held_against("sendto") == ("libos-host",)
    assert goals.held_against("sqlite") == ()
    assert "sendto" in goals.needed(baselines=True)
    assert "sendto" not in goals.needed()
