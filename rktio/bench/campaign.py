# SPDX-License-Identifier: Apache-2.0
"""Runs scenarios on all systems in turn, and keeps what was measured after each run.

One round is A B A': native, direct, native again. What a result file has already, is not run
again; a scenario whose parameters changed starts anew.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rktio.bench import baselines, closure, environment, goals, results
from rktio.bench.parsers import Figures
from rktio.bench.remote import Remote
from rktio.bench.scenario import Scenario, Topology
from rktio.bench.systems import SYSCTL, Station, System, run_once
from rktio.bench.veth import QDISC
from rktio.common.errors import RktioError
from rktio.common.progress import Progress
from rktio.common.run import require, run

SYSTEMS = (System.NATIVE, System.DIRECT, System.NATIVE_AA)
FAILURES_TOLERATED = 2  # a system that fails so often in a row is left out of the rest
FIRST_GUESS_SECONDS = 8.0  # of one run, before any was timed


@dataclass(frozen=True)
class Plan:
    """What to run: `runs` rounds of every scenario, each on all systems in turn."""

    scenarios: tuple[Scenario, ...]
    runs: int
    length: str
    systems: tuple[System, ...] | None = None  # None: those that each scenario is about
    cpus: int = 1
    remote: Remote | None = None
    world_switch_cycles: int | None = None  # of the baselines; None: the default
    baselines: bool = False  # also those that the goals hold direct against

    def systems_of(self, scenario: Scenario) -> tuple[System, ...]:
        """Return the systems that a scenario runs on, in their order."""
        own = self.systems or tuple(map(System, scenario.systems)) or SYSTEMS
        more = goals.held_against(scenario.name) if self.baselines else ()
        return tuple(dict.fromkeys((*own, *map(System, more))))


@dataclass(frozen=True)
class Turn:
    """One run of a scenario on one system."""

    scenario: str
    round: int
    system: System


Runner = Callable[[Station, System], dict[str, Figures]]


def carry_out(plan: Plan, folder: Path, runner: Runner = run_once) -> list[str]:
    """Run what is not measured yet; one line for each run that failed. Raises RktioError."""
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        document = _document(folder)
        _announce(plan, document)
        turns = {s.name: list(_open_turns(plan, document, s)) for s in plan.scenarios}
        total = sum(map(len, turns.values()))
        if not total:
            return []
        document["sessions"].append(environment.session())
        clock = Clock(document, turns)
        with Progress("measuring", total, "runs") as progress:
            for scenario in plan.scenarios:
                if turns[scenario.name]:
                    _measure(plan, scenario, turns[scenario.name], document, folder, runner)(
                        progress, clock
                    )
    return failures(document)


class Clock:
    """Estimates the time left from what runs of the same scenario took."""

    def __init__(self, document: dict[str, Any], turns: dict[str, list[Turn]]) -> None:
        self._left = {name: len(found) for name, found in turns.items()}
        self._took = {
            name: [sample["seconds"] for sample in scenario["samples"]]
            for name, scenario in document["scenarios"].items()
        }

    def done(self, scenario: str, seconds: float) -> None:
        """Count one run."""
        self._left[scenario] -= 1
        self._took.setdefault(scenario, []).append(seconds)

    def left(self) -> str:
        """Return the time left, for a reader."""
        timed = [value for took in self._took.values() for value in took]
        guess = sum(timed) / len(timed) if timed else FIRST_GUESS_SECONDS
        seconds = 0.0
        for name, count in self._left.items():
            took = self._took.get(name)
            seconds += count * (sum(took) / len(took) if took else guess)
        return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"


def failures(document: dict[str, Any]) -> list[str]:
    """Return one line for each run that gave no figures."""
    return [
        f"{name}, {sample['system']}, round {sample['round'] + 1}: {sample['error']}"
        for name, scenario in document["scenarios"].items()
        for sample in scenario["samples"]
        if sample["error"] is not None
    ]


def _measure(
    plan: Plan,
    scenario: Scenario,
    turns: Sequence[Turn],
    document: dict[str, Any],
    folder: Path,
    runner: Runner,
) -> Callable[[Progress, Clock], None]:
    def carry(progress: Progress, clock: Clock) -> None:
        from rktio.bench.guest import guest_of

        progress.note(f"{scenario.name}: preparing")
        guest = guest_of(scenario)
        record = document["scenarios"][scenario.name]
        record["versions"] = guest.versions(scenario.packages) | _client_version(scenario)
        if plan.remote:
            record["versions"] |= plan.remote.describe()
        with closure.scratch_directory() as scratch:
            station = Station(
                scenario,
                guest,
                scratch,
                plan.cpus,
                remote=plan.remote,
                world_switch_cycles=plan.world_switch_cycles,
            )
            for turn in turns:
                progress.note(f"{scenario.name}, {turn.system}, {clock.left()}")
                sample = _sample(station, turn, document, runner)
                record["samples"].append(sample)
                results.save(folder, document)
                clock.done(scenario.name, sample["seconds"])
                progress.advance(1)

    return carry


def _client_version(scenario: Scenario) -> dict[str, str]:
    """Return the version of the package that the client is from, if it is from one."""
    packages = scenario.client_packages
    if not packages:
        return {}
    if scenario.topology in (Topology.PAIR, Topology.REMOTE):
        from rktio.bench.guest import client_scenario, guest_of

        found = guest_of(client_scenario(scenario)).versions(packages)
        return {f"client {name}": version for name, version in found.items()}
    package = packages[0]
    words = ["--show", "--showformat=${Version}", package]
    told = run([require("dpkg-query", "dpkg"), *words], check=False).stdout.decode().strip()
    return {f"client {package}": told or "not from a package"}


def _sample(
    station: Station, turn: Turn, document: dict[str, Any], runner: Runner
) -> dict[str, Any]:
    record = document["scenarios"][turn.scenario]
    at, load, started = environment.now(), environment.load(), time.monotonic()
    values: dict[str, dict[str, float]] = {}
    error = _given_up(record, turn.system)
    if error is None:
        try:
            figures = runner(station, turn.system)
            values = {c: {n: v for n, (v, _) in found.items()} for c, found in figures.items()}
            _learn_units(record, figures)
        except RktioError as failure:
            error = failure.message
    return {
        "session": len(document["sessions"]) - 1,
        "round": turn.round,
        "system": str(turn.system),
        "at": at,
        "load": load,
        "seconds": round(time.monotonic() - started, 3),
        "values": values,
        "error": error,
    }


def _learn_units(record: dict[str, Any], figures: dict[str, Figures]) -> None:
    for found in figures.values():
        record["units"].update({name: unit for name, (_, unit) in found.items()})
        record["primary"] = next(name for name, (_, unit) in found.items() if unit != "cores")


def _given_up(record: dict[str, Any], system: System) -> str | None:
    last = [s["error"] for s in record["samples"] if s["system"] == system][-FAILURES_TOLERATED:]
    if len(last) == FAILURES_TOLERATED and None not in last:
        return f"left out after {FAILURES_TOLERATED} failures"
    return None


def _document(folder: Path) -> dict[str, Any]:
    return results.load(folder) if (folder / results.FILE_NAME).exists() else results.empty()


def _announce(plan: Plan, document: dict[str, Any]) -> None:
    """Enter each scenario; one that was measured with other parameters is thrown away."""
    for scenario in plan.scenarios:
        old = document["scenarios"].get(scenario.name)
        price = _price(plan, scenario)
        same = old and (old["digest"], old["cpus"]) == (scenario.digest(), plan.cpus)
        same = same and baselines.same_price(old["world_switch_cycles"], price)
        samples = _kept(old["samples"]) if same else []
        document["scenarios"][scenario.name] = {
            "title": scenario.title,
            "figure": scenario.figure,
            "digest": scenario.digest(),
            "length": plan.length,
            "runs": plan.runs,
            "topology": str(scenario.topology),
            "world_switch_cycles": price or (old["world_switch_cycles"] if same else None),
            "cpus": plan.cpus,
            "systems": [str(system) for system in plan.systems_of(scenario)],
            "versions": old["versions"] if same else {},
            "sysctl": _settings(scenario),
            "parameters": scenario.parameters(),
            "units": old["units"] if same else {},
            "primary": old["primary"] if same else "",
            "samples": samples,
        }


def _settings(scenario: Scenario) -> dict[str, str]:
    """Return what was set alike on all systems."""
    if not scenario.network:
        return {}
    return SYSCTL | ({"qdisc": QDISC} if scenario.topology is Topology.PAIR else {})


def _price(plan: Plan, scenario: Scenario) -> int | None:
    return baselines.cycles_paid(plan.systems_of(scenario), plan.world_switch_cycles)


def _kept(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the samples with figures: what failed is run again."""
    return [sample for sample in samples if sample["error"] is None]


def _open_turns(plan: Plan, document: dict[str, Any], scenario: Scenario) -> Iterator[Turn]:
    samples = document["scenarios"][scenario.name]["samples"]
    measured = {(sample["round"], sample["system"]) for sample in samples}
    for number in range(plan.runs):
        for system in plan.systems_of(scenario):
            if (number, str(system)) not in measured:
                yield Turn(scenario.name, number, system)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RktioError(f"{folder}: another run writes here", hint="--out DIR") from error
        yield
