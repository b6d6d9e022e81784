# SPDX-License-Identifier: Apache-2.0
"""The two sides of the boundary share only abi/, and the enclave leaves in one file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.style import sources

C_SOURCES = (".c", ".h", ".S", ".s")
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.MULTILINE)

# The instruction in an assembly file, or inside a string of an asm statement.
IN_ASSEMBLY = re.compile(r"^\s*(?:\w+:)?\s*(syscall|sysenter|int\s+\$0x80)\b", re.MULTILINE)
IN_STRING = re.compile(r'"[^"\n]*?(?<![\w.])(syscall|sysenter|int \$0x80)(?:\\n|\\t|;|"|\s)')
ASM = re.compile(r"\b(?:__asm__|asm)\b[^;]*;")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)

HOSTCALL = "enclave/runtime/hostcall.c"
# init_*.c is linked into /init, PID 1 of the library OS: its system calls never see the host.
GUEST = "enclave/runtime/init"

# /rkt-io-keys, an ordinary program of the library OS.
CLIENT = "enclave/keys/"
DEVICE = "enclave/libos/overlay/include/uapi/linux/rktio_tee.h"

# Before the lock-down the runtime may call the host through libc. These files do, to open and
# probe what the launch record names; elsewhere only functions may that say "start" in their names.
STARTS_UP = {
    "enclave/runtime/blk.c",
    "enclave/runtime/console_start.c",
    "enclave/runtime/eal.c",
    "enclave/runtime/launch.c",
    "enclave/runtime/launch_net.c",
    "enclave/runtime/launch_nvme.c",
    "enclave/runtime/launch_value.c",
    "enclave/runtime/memory.c",
    "enclave/runtime/sealed.c",
    "enclave/runtime/start.c",
    "enclave/runtime/stats.c",  # prints at the end, when no program runs any more
    "enclave/runtime/tap_port.c",
    "enclave/runtime/tee_agent.c",  # a process beside the enclave
    "enclave/runtime/tsc.c",
    "enclave/runtime/vfio.c",
    "enclave/runtime/virtio_port.c",
}
FUNCTION = re.compile(r"^[a-z][\w \t*]*?(\w+)\(", re.MULTILINE)
STARTING = re.compile(r"(^|_)start(_|$)")
# libc's functions that are host calls; hostcall_read() is not read().
HOST_CALL = re.compile(
    r"(?<![\w.>])(openat?|close|p?readv?|p?writev?|mmap|munmap|mprotect|madvise|ioctl|fcntl|dup[23]?"
    r"|p?poll|p?select|epoll_\w+|eventfd|syscall|socket|(?:send|recv)(?:msg|to|from)?|fork|execv\w*"
    r"|t?g?kill|pthread_create|fsync|fdatasync|fstat|ftruncate|fallocate|u?sleep|nanosleep|prctl"
    r"|clock_gettime|gettimeofday|printf|fprintf|malloc|calloc)\s*\("
)


def code(name: str) -> str:
    """Return a C source without its comments, lines kept."""
    return COMMENT.sub(lambda match: "\n" * match[0].count("\n"), sources.text(name))


def leaves(text: str, assembly: bool) -> bool:
    """Say whether a text contains an instruction that enters the host's kernel."""
    if assembly:
        return IN_ASSEMBLY.search(text) is not None
    return any(IN_STRING.search(statement) for statement in ASM.findall(text))


def side(name: str) -> str:
    """Return the first folder: abi, enclave or host."""
    return name.split("/")[0]


def included(name: str) -> list[str]:
    """Return the files of the checkout that a C file includes, as far as paths tell."""
    found = []
    for header in INCLUDE.findall(sources.text(name)):
        beside = Path(sources.CHECKOUT, name).parent / header
        for candidate in (beside, sources.CHECKOUT / header):
            if candidate.is_file():
                found.append(str(candidate.resolve().relative_to(sources.CHECKOUT)))
                break
    return found


def test_enclave_and_host_share_only_the_abi() -> None:
    failures = []
    for name in sources.under("enclave/", "host/", suffixes=C_SOURCES):
        for header in included(name):
            if side(header) in {"enclave", "host"} - {side(name)}:
                failures.append(f"{name}: includes {header}, of the other side")
    sources.report(failures)


def test_the_abi_includes_nothing_of_either_side() -> None:
    sources.report(
        [
            f"{name}: includes {header}"
            for name in sources.under("abi/", suffixes=C_SOURCES)
            for header in included(name)
            if side(header) != "abi"
        ]
    )


def test_the_key_brokers_client_is_a_program_like_any_other() -> None:
    """It is linked with nothing of the library OS, whose device's header alone it includes."""
    failures = []
    for name in sources.under("enclave/", suffixes=C_SOURCES):
        for header in included(name):
            crossing = name.startswith(CLIENT) != header.startswith(CLIENT)
            if crossing and not (name.startswith(CLIENT) and header == DEVICE):
                failures.append(f"{name}: includes {header}, of another program")
    sources.report(failures)


def test_only_hostcall_leaves_the_enclave() -> None:
    sources.report(
        [
            f"{name}: holds a system-call instruction; {HOSTCALL} is the only way out"
            for name in sources.under("enclave/runtime/", suffixes=C_SOURCES)
            if name != HOSTCALL
            and not name.startswith(GUEST)
            and leaves(code(name), assembly=name.endswith((".S", ".s")))
        ]
    )


def host_calls(text: str) -> list[tuple[int, str]]:
    """Return (line, function) of each call of libc that would be a call of the host."""
    functions = [(match.start(), match[1]) for match in FUNCTION.finditer(text)]
    found = []
    for match in HOST_CALL.finditer(text):
        around = [name for start, name in functions if start <= match.start()]
        if not (around and STARTING.search(around[-1])):
            found.append((text.count("\n", 0, match.start()) + 1, match[1]))
    return found


def test_only_start_up_calls_the_host_through_libc() -> None:
    sources.report(
        [
            f"{name}:{line}: calls {function}(); use {HOSTCALL}"
            for name in sources.under("enclave/runtime/", suffixes=(".c", ".h"))
            if not name.startswith(GUEST) and name not in STARTS_UP | {HOSTCALL}
            for line, function in host_calls(code(name))
        ]
    )


def test_a_call_of_the_host_is_told_from_one_of_hostcall() -> None:
    assert host_calls("x = hostcall_read(fd);\nport->close(port);\nret = read(fd);") == [
        (3, "read")
    ]


def test_a_function_that_starts_may_call_the_host() -> None:
    body = "(int fd)\n{\n\treturn read(fd, 0, 0);\n}\n"
    assert not host_calls(f"static int start_tick{body}")
    assert host_calls(f"static int start_tick{body}int restart_it{body}") == [(7, "read")]


@pytest.mark.parametrize(
    ("text", "assembly"),
    [
        ('__asm__ volatile("syscall" : "=a"(ret) : "a"(nr));', False),
        ('asm volatile("mov %1, %%rax\\n\\t" "syscall\\n\\t" : "=a"(ret));', False),
        ("\tmovl $60, %eax\n\tsyscall\n", True),
        ("1:\tsyscall\n", True),
    ],
)
def test_a_way_out_is_found(text: str, assembly: bool) -> None:
    assert leaves(text, assembly)


@pytest.mark.parametrize(
    ("text", "assembly"),
    [
        ('pr_err("bad syscall %d", nr);', False),
        ('asm volatile("call libos_syscall" : "=a"(ret));', False),
        ("\tcall libos_syscall_entry\n", True),
    ],
)
def test_a_mention_is_no_way_out(text: str, assembly: bool) -> None:
    assert not leaves(text, assembly)
