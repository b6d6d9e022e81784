# SPDX-License-Identifier: Apache-2.0
"""What of `--remote` needs no other machine."""

from __future__ import annotations

import subprocess

import pytest

from rktio.bench import cli, remote, scenario
from rktio.common.errors import RktioError


def test_shell_tells_the_time_of_the_client_and_its_status() -> None:
    busy = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; exit 3"

    done = subprocess.run(
        ["sh", "-c", remote.TIMED, "sh", "sh", "-c", busy], capture_output=True, text=True
    )

    assert done.returncode == 3
    assert 0 <= remote.cpu_seconds(f"a warning\n{done.stderr}") < 10


def test_times_are_those_of_the_children() -> None:
    assert remote.cpu_seconds("x\n0m9.0s 0m9.0s\n1m2.5s 0m0.25s\n") == 62.75


def test_shell_without_times_is_told() -> None:
    with pytest.raises(RktioError, match="told no times"):
        remote.cpu_seconds("Connection closed")


def test_scenarios_with_a_client_run_against_another_machine() -> None:
    for name in ("nginx", "nginx@pair"):
        found = scenario.with_remote_client(scenario.load(name, quick=True))
        assert found is not None and found.name == "nginx@remote"

    for name in ("sqlite", "sendto", "idle", "iperf3-tls@pair"):
        assert scenario.with_remote_client(scenario.load(name, quick=True)) is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--remote", "there"], "is not USER@HOST"),
        (["--remote", "root@there", "--topology", "pair"], "network cards of their own"),
        (["--ssh-config", "x"], "--ssh-config belongs to"),
    ],
)
def test_what_cannot_be_is_refused(words: list[str], told: str) -> None:
    with pytest.raises(RktioError, match=told):
        cli.main(["run", "sqlite", "--out", "x", *words])
