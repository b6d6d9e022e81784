# SPDX-License-Identifier: Apache-2.0
"""What a pair is made of: cores of their own, a guest for the client, one wire."""

from __future__ import annotations

import os

import pytest

from rktio.bench import guest, pair, placement, scenario, systems
from rktio.bench.scenario import Case
from rktio.common.errors import RktioError
from tests.unit.bench.result_sets import scenario as made_up


def test_ends_share_no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})

    server = placement.server_cores(2)

    assert (server, pair.cores_of_client(server)) == ((2, 3), (0, 1))


def test_pair_without_a_core_each_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})

    with pytest.raises(RktioError, match="2 cores a side needs 4"):
        pair.cores_of_client(placement.server_cores(2))


@pytest.mark.parametrize(
    ("name", "packages", "built"),
    [
        ("redis-ycsb@pair", ("libc-bin",), ("await", "ycsb")),
        ("redis-pipelined@pair", ("redis-tools",), ("await",)),
        ("nginx@pair", ("wrk",), ("await",)),
    ],
)
def test_client_has_a_guest_of_its_own(
    name: str, packages: tuple[str, ...], built: tuple[str, ...]
) -> None:
    found = guest.client_scenario(scenario.load(name, quick=True))

    assert (found.packages, found.built) == (packages, built)
    assert not found.filled


def test_cases_with_other_switches_start_the_server_again() -> None:
    words: list[dict[str, str]] = [{}, {}, {"poll": "busy"}, {"poll": "sleep"}]
    cases = [Case(str(number), found) for number, found in enumerate(words)]

    groups = systems.switched_alike(cases)

    assert [[case.name for case in group] for group in groups] == [["0", "1"], ["2"], ["3"]]


def test_native_skips_what_only_the_library_os_can_switch() -> None:
    from dataclasses import replace

    cases = (Case("all", {}), Case("busy", {"poll": "busy"}), Case("two", {"cpus": "2"}))
    found = replace(made_up(), cases=cases)

    names = {s: [c.name for c in systems.cases_on(found, s)] for s in systems.System}

    assert names[systems.System.NATIVE] == ["all", "two"]
    assert names[systems.System.DIRECT] == ["all", "busy", "two"]
