# SPDX-License-Identifier: Apache-2.0
"""Scenarios are data: those that ship are sound, and mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from rktio.bench import goals, scenario
from rktio.bench.sources import is_ours
from rktio.common.errors import RktioError

WELL = """
title = "t"
kind = "program"
packages = ["fio"]
command = ["/usr/bin/fio", "--runtime={seconds}", "--iodepth={depth}"]
parser = "fio"

[[case]]
name = "qd1"
depth = 1

[[case]]
name = "qd32"
depth = 32

[full]
seconds = 30
[quick]
seconds = 2
cases = ["qd32"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "made-up.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", scenario.names())
@pytest.mark.parametrize("quick", [True, False])
def test_shipped_scenario_is_sound(name: str, quick: bool) -> None:
    found = scenario.load(name, quick=quick)

    assert found.cases
    assert all(is_ours(program) for program in found.built)


def test_every_goal_names_a_case_of_the_quick_form() -> None:
    for row in goals.rows():
        for part in row.parts:
            found = scenario.load(part.scenario, quick=True)
            assert part.case in [case.name for case in found.cases], part


def test_braces_are_filled_from_case_length_and_addresses(tmp_path: Path) -> None:
    found = scenario.read(written(tmp_path, WELL), quick=True)

    command = found.cases[0].fill((*found.command, "{peer}"), {"peer": "10.0.0.1"})

    assert [case.name for case in found.cases] == ["qd32"]
    assert command == ["/usr/bin/fio", "--runtime=2", "--iodepth=32", "10.0.0.1"]


def test_other_parameters_are_another_digest(tmp_path: Path) -> None:
    path = written(tmp_path, WELL)
    quick, full = (scenario.read(path, quick=quick) for quick in (True, False))

    assert quick.digest() != full.digest()
    assert quick.digest() == scenario.read(path, quick=True).digest()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("title", "titel", "unknown key 'titel'"),
        ('kind = "program"', 'kind = "client"', "kind must be"),
        ('kind = "program"', 'kind = "server"', "a server needs client and port"),
        ('parser = "fio"', 'parser = "eye"', "parser must be one of"),
        ("{depth}", "{deep}", "no value for {deep}"),
        ('cases = ["qd32"]', 'cases = ["qd3"]', "there is no case 'qd3'"),
        ('parser = "fio"\n', "", "parser is missing"),
    ],
)
def test_mistake_is_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = written(tmp_path, WELL.replace(old, new))

    with pytest.raises(RktioError, match=told):
        scenario.read(path, quick=True)


def test_unknown_scenario_is_answered_with_the_nearest() -> None:
    with pytest.raises(RktioError) as caught:
        scenario.load("ngnix", quick=True)

    assert caught.value.hint == "did you mean 'nginx'?"


def test_topologies_have_names_of_their_own() -> None:
    found = scenario.variants(scenario.load_all("nginx", quick=True))

    assert [(v.name, v.topology) for v in found] == [
        ("nginx@pair", "pair"),
        ("nginx", "host-client"),
    ]
    assert scenario.load("nginx@pair", quick=True) == found[0]
    assert scenario.load("sqlite", quick=True).topology == "alone"


def test_topology_that_a_scenario_has_not_is_named() -> None:
    with pytest.raises(RktioError, match="there is no scenario 'sqlite@pair'"):
        scenario.load("sqlite@pair", quick=True)
