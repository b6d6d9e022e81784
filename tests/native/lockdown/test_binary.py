# SPDX-License-Identifier: Apache-2.0
"""In the enclave's executable only hostcall.c, and the host's libraries, can call the host.

The libraries (libc, DPDK) do so at start-up; afterwards the filter of test_filter.py kills.
"""

from __future__ import annotations

import bisect
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
BINARY = CHECKOUT / "build" / "rkt-io-enclave"

pytestmark = pytest.mark.needs("enclave", "objdump")

INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(?:syscall|sysenter|int\s+\$0x80)\s*$", re.MULTILINE)
# A row of the linker's map: section, address, size, object; a long section has its own line.
PLACED = re.compile(r"^ \.\S+\s+0x([0-9a-f]{16})\s+0x([0-9a-f]+) (\S.*)$", re.MULTILINE)
HOSTCALL = "libkernel-side.a.p/enclave_runtime_hostcall.c.o"
LIBRARIES = ("/usr/lib/", "/lib/")


@pytest.fixture(scope="module")
def executable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy with its map: a build meanwhile must not change what is tested."""
    folder = tmp_path_factory.mktemp("binary")
    shutil.copy2(BINARY.with_suffix(".map"), folder)
    return Path(shutil.copy2(BINARY, folder))


def objects(executable: Path) -> list[tuple[int, int, str]]:
    """Return (start, end, object) of everything that was linked, in order of addresses."""
    rows = PLACED.findall(executable.with_suffix(".map").read_text())
    found = [(int(start, 16), int(size, 16), name) for start, size, name in rows]
    return sorted((start, start + size, name) for start, size, name in found if start and size)


def owners(executable: Path) -> set[str]:
    """Return the objects that hold an instruction which enters the host's kernel."""
    done = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", executable],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    placed = objects(executable)
    starts = [start for start, _, _ in placed]
    found = set()
    for address in (int(text, 16) for text in INSTRUCTION.findall(done.stdout)):
        start, end, name = placed[bisect.bisect_right(starts, address) - 1]
        assert start <= address < end, f"{address:#x} is of no object"
        found.add(name)
    return found


def test_only_hostcall_and_the_hosts_libraries_hold_system_calls(executable: Path) -> None:
    found = owners(executable)
    assert HOSTCALL in found
    ours = {name for name in found if not str(Path(name).resolve()).startswith(LIBRARIES)}
    assert ours == {HOSTCALL}
