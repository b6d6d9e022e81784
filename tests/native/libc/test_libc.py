# SPDX-License-Identifier: Apache-2.0
"""The substituted libc: whole on the host's kernel, and calling the library kernel's entry."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import BUILD, Libc, Program

CASES = (
    "threads",
    "detached",
    "tls",
    "setuid",
    "timer",
    "cancel_blocked",
    "cancel_loses_nothing",
    "cancel_masked",
    "signals",
    "signal_restart",
    "signal_stack",
    "fork",
    "vfork",
    "spawn",
    "stdio",
    "registers",
    "entry_read_only",
    "dlopen",
)

# The unwinders of this world know a signal frame by the exact bytes of its restorer.
BARE_SYSCALLS = {"__restore_rt"}
# Chooses by itself between the entry and the instruction, so that cancellation is exact.
CANCELLATION_POINT = "__syscall_cp_asm"


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    path = tmp_path / "counter"
    path.write_bytes(bytes(8))
    return path


@pytest.mark.parametrize("case", CASES)
def test_works_on_the_host_s_kernel(suite: Program, case: str) -> None:
    suite.run(suite.native(case))


@pytest.mark.parametrize("case", CASES)
def test_works_through_an_announced_entry(
    suite: Program, fakeexec: Path, counter: Path, case: str
) -> None:
    suite.run(suite.faked(fakeexec, counter, case))
    assert int.from_bytes(counter.read_bytes(), "little") > 0


def test_calls_go_through_the_entry(
    suite: Program, fakeexec: Path, counter: Path, tmp_path: Path
) -> None:
    """strace sees every call; the entry has counted all but the bare ones."""
    if not shutil.which("strace"):
        pytest.skip("no strace: apt-get install strace")
    log = tmp_path / "strace"
    command = suite.faked(fakeexec, counter, *CASES)
    suite.run(["strace", "-qq", "-f", "-o", str(log), *command])
    seen = sum(name not in ("rt_sigreturn", "restart_syscall") for name in calls(log))
    counted = int.from_bytes(counter.read_bytes(), "little")
    assert seen > 50_000
    assert 0.99 * seen <= counted


def calls(log: Path) -> Iterator[str]:
    """Yield the system calls after fakeexec's mark; not those of programs that were executed."""
    started = False
    others: set[str] = set()
    for line in log.read_text().splitlines():
        pid, text = line.split(maxsplit=1)
        name = re.match(r"(\w+)\(", text)
        if "fakeexec-starts" in text:
            started = True
        elif name and started and pid not in others:
            yield name[1]
        if started and re.match(r"(execve\(|<\.\.\. execve).* = 0$", text):
            others.add(pid)
        if text.startswith(("+++ exited", "+++ killed")):
            others.discard(pid)


def test_no_other_syscall_instruction_remains(libc: Libc) -> None:
    bare = [(name, before) for name, before in syscall_sites(libc.loader) if not jumps(before)]
    assert {name for name, _ in bare} == BARE_SYSCALLS | {CANCELLATION_POINT}
    point = [before for name, before in bare if name == CANCELLATION_POINT]
    assert [line.split()[0] for before in point for line in before] == ["je", "jmp"]


def test_static_library_jumps_as_well(libc: Libc, tmp_path: Path) -> None:
    program = tmp_path / "hello.c"
    program.write_text('#include <stdio.h>\nint main(void) { return puts("ok") < 0; }\n')
    binary = libc.compile(tmp_path / "hello", "-static-pie", program)
    bare = {name for name, before in syscall_sites(binary) if not jumps(before)}
    assert bare <= BARE_SYSCALLS | {CANCELLATION_POINT}
    header = subprocess.run(["readelf", "-lW", binary], capture_output=True, text=True, check=True)
    assert "INTERP" not in header.stdout


def jumps(before: list[str]) -> bool:
    """Whether a site loads the address behind it and jumps through the pointer."""
    load, jump = before
    return (
        re.match(r"lea +0x8\(%rip\),%rcx", load) is not None
        and re.match(r"jmp +\*.*<__libos_syscall>", jump) is not None
    )


def syscall_sites(binary: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield (function, the two instructions before) for each `syscall` instruction."""
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", binary], capture_output=True, text=True, check=True
    )
    function, before = "", ["", ""]
    for line in listing.stdout.splitlines():
        if label := re.match(r"[0-9a-f]+ <(.+)>:", line):
            # Two names of one address.
            function = label[1].replace("__cp_begin", CANCELLATION_POINT)
        elif line.startswith(" "):
            instruction = line.split("\t", 1)[1].strip()
            if instruction == "syscall":
                yield function, before
            before = [before[1], instruction]


def test_entry_pointer_is_hidden(libc: Libc) -> None:
    """Nothing outside can bind to it, and nothing can stand in front of it."""
    symbols = subprocess.run(["nm", "-D", libc.loader], capture_output=True, text=True, check=True)
    assert "libos" not in symbols.stdout


@pytest.mark.slow
def test_same_inputs_same_bytes(libc: Libc, tmp_path: Path) -> None:
    again = tmp_path / "again"
    cache = Path(os.environ.get("RKT_IO_CACHE") or Path.home() / ".cache/rkt-io")
    shutil.copytree(cache / "downloads", tmp_path / "cache/downloads")
    env = os.environ | {"RKT_IO_CACHE": str(tmp_path / "cache")}
    subprocess.run([sys.executable, BUILD, "--output", again], env=env, check=True)
    assert digests(again) == digests(libc.path)


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_wrong_tarball_is_refused(tmp_path: Path) -> None:
    tarball = tmp_path / "musl.tar.gz"
    tarball.write_bytes(b"not musl")
    command = [sys.executable, str(BUILD), "--tarball", str(tarball)]
    command += ["--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert str(tarball) in done.stderr
    assert "checksum" in done.stderr
    assert not (tmp_path / "out").exists()
