# SPDX-License-Identifier: Apache-2.0
"""The lock-down's filter lets the enclave's own calls through and kills for all others."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from rktio.host.surface import host_calls

CHECKOUT = Path(__file__).resolve().parents[3]
RUNTIME = CHECKOUT / "enclave" / "runtime"
PROGRAM = Path(__file__).parent / "programs" / "attempt.c"

pytestmark = pytest.mark.needs("gcc", "x86_64")

NUMBERS = {
    "read": 0,
    "write": 1,
    "mmap": 9,
    "mprotect": 10,
    "munmap": 11,
    "rt_sigreturn": 15,
    "ioctl": 16,
    "readv": 19,
    "writev": 20,
    "sched_yield": 24,
    "madvise": 28,
    "getpid": 39,
    "socket": 41,
    "clone": 56,
    "execve": 59,
    "kill": 62,
    "fdatasync": 75,
    "ptrace": 101,
    "prctl": 157,
    "futex": 202,
    "clock_gettime": 228,
    "exit_group": 231,
    "tgkill": 234,
    "openat": 257,
    "ppoll": 271,
    "process_vm_writev": 311,
    "seccomp": 317,
    "preadv2": 327,
    "pwritev2": 328,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "clone3": 435,
}

IMAGE, RAM = 0x70000000, 0x80000000
RAM_END = RAM + (64 << 20)
SLOT, USER_END = 1 << 39, 0x6000_0000_0000
VMALLOC, VMALLOC_END = 0x6100_0000_0000, 0x6180_0000_0000
EAL, STACK = 0x6400_0000_0000, 0x7FFC_0000_0000
PAGE, READ_WRITE, RWX, FIXED, POPULATE = 4096, 3, 7, 0x11, 0x8000
PRIVATE_ANONYMOUS = 0x32
RAM_FD, FILE, RING, SENT = 20, 21, 30, 40
PEER, PEER_SPAN, PEER_END = 0x6450_0000_0000, 1 << 36, 0x64D0_0000_0000
KICK = signal.SIGURG
TIOCGWINSZ, TCSETS, TIOCSTI = 0x5413, 0x5402, 0x5412


def everywhere(call: str, *more: int) -> list[tuple[str | int, ...]]:
    """Return `call` on ranges that are none of the application's or vmalloc's."""
    ranges = [
        (IMAGE, PAGE),
        (IMAGE - PAGE, 2 * PAGE),
        (RAM, PAGE),
        (RAM_END - PAGE, PAGE),
        (PAGE, USER_END),
        (PAGE, RAM_END),
        (USER_END + (8 << 32), PAGE),
        (SLOT, USER_END),
        (SLOT, (1 << 64) - SLOT),
        (VMALLOC - PAGE, PAGE),
        (VMALLOC, 2 * (VMALLOC_END - VMALLOC)),
        (EAL, PAGE),
        (STACK, PAGE),
        (1 << 63, PAGE),
    ]
    return [(call, *place, *more) for place in ranges]


ALLOWED: list[tuple[str | int, ...]] = [
    ("preadv2", 0, 0, 0, -1, 0, 0),
    ("preadv2", FILE, 0, 0, 0, 0, 0),
    ("pwritev2", 1, 0, 0, -1, 0, 0),
    ("pwritev2", 2, 0, 0, -1, 0, 0),
    ("pwritev2", FILE, 0, 0, 4096, 0, 0),
    ("io_uring_enter", RING, 0, 0, 1, 0, 0),
    ("io_uring_enter", RING + 1, 3, 0, 0, 0, 0),
    ("ppoll", 0, 64, 0, 0, 0),
    ("mmap", SLOT, PAGE, READ_WRITE, FIXED, RAM_FD, 0),
    ("mmap", 0x400000, PAGE, RWX, FIXED | POPULATE, RAM_FD, PAGE),
    ("mmap", RAM_END, PAGE, READ_WRITE, FIXED, RAM_FD, 0),
    ("mmap", VMALLOC, PAGE, READ_WRITE, FIXED, RAM_FD, 0),
    ("mmap", USER_END - PAGE, PAGE, READ_WRITE, FIXED, RAM_FD, 0),
    ("munmap", 0x10000, PAGE),
    ("munmap", RAM_END, USER_END - RAM_END),
    ("munmap", VMALLOC, VMALLOC_END - VMALLOC),
    ("mprotect", SLOT, PAGE, 1),
    ("tgkill", "self", 1 << 22, KICK),
    ("sched_yield",),
    ("ioctl", 0, TIOCGWINSZ, 0),
    ("ioctl", 0, TCSETS, 0),
    ("fdatasync", FILE),
    ("exit_group", 0),
]

FORBIDDEN: list[tuple[str | int, ...]] = [
    *[(name,) for name in sorted(NUMBERS) if name not in {c.name for c in host_calls()}],
    ("preadv2", RAM_FD, 0, 0, -1, 0, 0),
    ("preadv2", 1, 0, 0, -1, 0, 0),
    ("preadv2", FILE, 0, 0, 0, 0, 8),
    ("pwritev2", 0, 0, 0, -1, 0, 0),
    ("pwritev2", RING, 0, 0, -1, 0, 0),
    ("io_uring_enter", RING + 2, 0, 0, 0, 0, 0),
    ("io_uring_enter", FILE, 0, 0, 0, 0, 0),
    ("io_uring_enter", RING, 0, 0, 8, 0, 0),
    ("io_uring_enter", RING, 0, 0, 0, 1 << 32, 0),
    ("ppoll", 0, 65, 0, 0, 0),
    ("ppoll", 0, 0, 0, 4096, 8),
    ("mmap", SLOT, PAGE, READ_WRITE, FIXED, FILE, 0),
    ("mmap", SLOT, PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0),
    ("mmap", SLOT, PAGE, READ_WRITE, 1, RAM_FD, 0),
    ("mmap", SLOT, PAGE, 1 << 24, FIXED, RAM_FD, 0),
    ("mmap", VMALLOC, PAGE, RWX, FIXED, RAM_FD, 0),
    ("mprotect", VMALLOC, PAGE, 5),
    *everywhere("mmap", READ_WRITE, FIXED, RAM_FD, 0),
    *everywhere("munmap"),
    *everywhere("mprotect", 1),
    ("tgkill", 1, 1, KICK),
    ("tgkill", "self", "self", signal.SIGKILL),
    ("ioctl", 0, TIOCSTI, 0),
    ("ioctl", FILE, TIOCGWINSZ, 0),
    ("fdatasync", 1),
]

# Calls that `plain`, with one CPU, no terminal and no disk, has no need of.
NOT_NEEDED = [
    ("io_uring_enter", RING, 0, 0, 1, 0, 0),
    ("tgkill", "self", 1 << 22, KICK),
    ("ioctl", 0, TIOCGWINSZ, 0),
    ("fdatasync", FILE),
]


# A vhost-user peer's memory and eventfds, which `shared` may use.
SHARED_ALLOWED = [
    ("preadv2", SENT, 0, 0, -1, 0, 0),
    ("pwritev2", SENT + 1, 0, 0, -1, 0, 0),
    ("mmap", PEER, PAGE, READ_WRITE, FIXED, SENT, 0),
    ("mmap", PEER_END - PEER_SPAN, PAGE, READ_WRITE, FIXED, SENT, 0),
    ("munmap", PEER, PEER_SPAN),
    ("mmap", SLOT, PAGE, READ_WRITE, FIXED, RAM_FD, 0),
    ("munmap", RAM_END, USER_END - RAM_END),
]
SHARED_FORBIDDEN = [
    ("preadv2", SENT + 2, 0, 0, -1, 0, 0),
    ("mmap", PEER, PAGE, 5, FIXED, SENT, 0),
    ("mmap", PEER, PAGE, READ_WRITE, 1, SENT, 0),
    ("mmap", PEER, PAGE, READ_WRITE, FIXED, RAM_FD, 0),
    ("mmap", PEER, PAGE, READ_WRITE, FIXED, FILE, 0),
    ("mmap", PEER_END, PAGE, READ_WRITE, FIXED, SENT, 0),
    ("mmap", PEER - PAGE, PAGE, READ_WRITE, FIXED, SENT, 0),
    ("mmap", PEER_END - PAGE, PEER_SPAN, READ_WRITE, FIXED, SENT, 0),
    ("mmap", SLOT, PAGE, READ_WRITE, FIXED, SENT, 0),
    ("mmap", RAM, PAGE, READ_WRITE, FIXED, SENT, 0),
    ("munmap", PEER, 2 * (PEER_END - PEER)),
    *everywhere("munmap"),
]


@pytest.fixture(scope="session")
def attempt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("lockdown") / "attempt"
    # Where the enclave lies, out of the way of what may be unmapped.
    place = ("-static", "-no-pie", f"-Wl,-Ttext-segment={IMAGE:#x}")
    flags = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Werror", *place)
    sources = (PROGRAM, RUNTIME / "lockdown_filter.c")
    subprocess.run(["gcc", *flags, *sources, "-o", output], check=True)
    return output


def status(attempt: Path, kind: str, call: tuple[str | int, ...]) -> int:
    name, *arguments = call
    words = [str(NUMBERS[str(name)]), *map(str, arguments)] if name != "int80" else ["int80"]
    command = [str(attempt), kind, *words]
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False, timeout=10).returncode


def text(call: tuple[str | int, ...]) -> str:
    return "-".join(hex(part) if isinstance(part, int) else part for part in call)


@pytest.mark.parametrize("call", ALLOWED, ids=text)
def test_the_enclaves_own_call_passes(attempt: Path, call: tuple[str | int, ...]) -> None:
    assert status(attempt, "full", call) == 0


@pytest.mark.parametrize("call", [*FORBIDDEN, ("int80",)], ids=text)
def test_any_other_call_kills(attempt: Path, call: tuple[str | int, ...]) -> None:
    assert status(attempt, "full", call) == -signal.SIGSYS


@pytest.mark.parametrize("call", NOT_NEEDED, ids=text)
def test_a_call_of_another_mode_kills(attempt: Path, call: tuple[str | int, ...]) -> None:
    assert status(attempt, "plain", call) == -signal.SIGSYS


@pytest.mark.parametrize("call", SHARED_ALLOWED, ids=text)
def test_a_peers_memory_and_events_may_be_used(attempt: Path, call: tuple[str | int, ...]) -> None:
    assert status(attempt, "shared", call) == 0


@pytest.mark.parametrize("call", SHARED_FORBIDDEN, ids=text)
def test_nothing_else_may_be_mapped_or_read_for_a_peer(
    attempt: Path, call: tuple[str | int, ...]
) -> None:
    assert status(attempt, "shared", call) == -signal.SIGSYS


@pytest.mark.parametrize("call", SHARED_ALLOWED[:5], ids=text)
def test_without_a_peer_there_is_nothing_of_it(attempt: Path, call: tuple[str | int, ...]) -> None:
    assert status(attempt, "full", call) == -signal.SIGSYS


def test_every_listed_call_is_tried() -> None:
    assert {call.name for call in host_calls()} == {call[0] for call in ALLOWED}
