# SPDX-License-Identifier: Apache-2.0
"""Alternation, resumption and failures, with a runner that measures nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from rktio.bench import campaign, closure, environment, guest, results
from rktio.bench.guest import Guest
from rktio.bench.parsers import Figures
from rktio.bench.scenario import Scenario
from rktio.bench.systems import Station, System
from rktio.common.errors import RktioError
from tests.unit.bench.result_sets import SESSION, scenario

PAIR = (System.NATIVE, System.DIRECT)


class FakeRunner:
    """Keeps the order of runs; `fails` are the numbers of runs that fail."""

    def __init__(self, fails: tuple[int, ...] = (), interrupted_at: int | None = None) -> None:
        self.calls: list[str] = []
        self.fails = fails
        self.interrupted_at = interrupted_at

    def __call__(self, station: Station, system: System) -> dict[str, Figures]:
        if len(self.calls) == self.interrupted_at:
            raise KeyboardInterrupt
        self.calls.append(str(system))
        if len(self.calls) - 1 in self.fails:
            raise RktioError("it broke")
        figures: Figures = {"client_cpu": (0.5, "cores"), "throughput": (10.0, "op/s")}
        return {case.name: figures for case in station.scenario.cases}


@pytest.fixture(autouse=True)
def no_guest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "tree" / "var" / "lib" / "dpkg").mkdir(parents=True)
    (tmp_path / "tree" / "var/lib/dpkg/status").write_text(
        "Package: nginx-light\nVersion: 1.22\n\nPackage: bash\nVersion: 5\n"
    )

    def made(_: Scenario) -> Guest:
        return Guest(tmp_path / "image", tmp_path / "tree")

    monkeypatch.setattr(guest, "guest_of", made)
    monkeypatch.setattr(closure, "cache_directory", lambda: tmp_path / "cache")
    monkeypatch.setattr(environment, "session", lambda: dict(SESSION))


def plan(runs: int = 3, systems: tuple[System, ...] = PAIR, cpus: int = 1) -> campaign.Plan:
    return campaign.Plan((scenario(),), runs, "quick", systems, cpus)


def test_systems_alternate(tmp_path: Path) -> None:
    runner = FakeRunner()

    assert campaign.carry_out(plan(), tmp_path / "out", runner) == []

    assert runner.calls == ["native", "direct"] * 3
    record = results.load(tmp_path / "out")["scenarios"]["nginx"]
    assert record["primary"] == "throughput"
    assert record["versions"] == {"nginx-light": "1.22"}
    assert len(record["samples"]) == 6


def test_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    first, second = FakeRunner(interrupted_at=3), FakeRunner()

    with pytest.raises(KeyboardInterrupt):
        campaign.carry_out(plan(), tmp_path / "out", first)
    campaign.carry_out(plan(), tmp_path / "out", second)

    assert first.calls + second.calls == ["native", "direct"] * 3
    document = results.load(tmp_path / "out")
    assert [s["session"] for s in document["scenarios"]["nginx"]["samples"]] == [0] * 3 + [1] * 3


def test_complete_set_is_not_run_again(tmp_path: Path) -> None:
    campaign.carry_out(plan(), tmp_path / "out", FakeRunner())
    again = FakeRunner()

    campaign.carry_out(plan(), tmp_path / "out", again)

    assert again.calls == []


def test_other_parameters_start_anew(tmp_path: Path) -> None:
    campaign.carry_out(plan(), tmp_path / "out", FakeRunner())
    again = FakeRunner()

    campaign.carry_out(plan(cpus=2), tmp_path / "out", again)

    assert len(again.calls) == 6


def test_failure_is_kept_told_and_run_again_next_time(tmp_path: Path) -> None:
    failed = campaign.carry_out(plan(), tmp_path / "out", FakeRunner(fails=(1,)))
    again = FakeRunner()

    assert failed == ["nginx, direct, round 1: it broke"]
    assert campaign.carry_out(plan(), tmp_path / "out", again) == []
    assert again.calls == ["direct"]


def test_system_that_keeps_failing_is_left_out(tmp_path: Path) -> None:
    runner = FakeRunner(fails=(1, 3))

    failed = campaign.carry_out(plan(runs=4), tmp_path / "out", runner)

    assert runner.calls.count("direct") == 2
    assert failed[-1] == "nginx, direct, round 4: left out after 2 failures"


def test_second_run_into_the_same_folder_is_refused(tmp_path: Path) -> None:
    def while_running(station: Station, system: System) -> dict[str, Figures]:
        campaign.carry_out(plan(), tmp_path / "out", FakeRunner())
        return {}

    failed = campaign.carry_out(plan(runs=1), tmp_path / "out", while_running)

    assert "another run writes here" in failed[0]
