# SPDX-License-Identifier: Apache-2.0
"""Which cores each side gets, and that what we start ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rktio.bench import placement
from rktio.common.errors import RktioError
from rktio.common.run import run


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3})


@pytest.mark.usefixtures("four_cores")
def test_server_takes_the_last_cores_and_the_client_the_others() -> None:
    assert placement.server_cores(1) == (3,)
    assert placement.client_cores((3,)) == (0, 1, 2)


@pytest.mark.usefixtures("four_cores")
def test_more_cores_than_there_are_is_refused() -> None:
    with pytest.raises(RktioError, match="5 cores"):
        placement.server_cores(5)


@pytest.mark.usefixtures("four_cores")
def test_client_without_a_core_is_refused() -> None:
    with pytest.raises(RktioError, match="a core each"):
        placement.client_cores((0, 1, 2, 3))


def test_placed_command_runs_on_its_cores() -> None:
    core = min(os.sched_getaffinity(0))
    code = "import os; print(sorted(os.sched_getaffinity(0)))"

    output = subprocess.check_output(placement.placed([sys.executable, "-c", code], [core]))

    assert output.decode().strip() == f"[{core}]"


def test_process_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "STOP_SECONDS", 0.2)
    code = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()

    placement.stop(process)

    assert process.returncode == -9
    process.stdout.close()


def test_daemon_that_a_program_left_is_killed(tmp_path: Path) -> None:
    mark = str(tmp_path)
    script = "sleep 60 >/dev/null & echo $!"
    left = int(run(["sh", "-c", script], env={"PATH": "/bin", placement.MARK: mark}).stdout)

    placement.kill_marked(mark)

    deadline = time.monotonic() + 10
    while Path(f"/proc/{left}/stat").exists() and time.monotonic() < deadline:
        if " Z " in Path(f"/proc/{left}/stat").read_text():
            return  # killed; whoever adopted it has not looked yet
        time.sleep(0.01)
    assert not Path(f"/proc/{left}/stat").exists()
