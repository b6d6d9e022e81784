# SPDX-License-Identifier: Apache-2.0
"""Holds a process at its very end, its memory still there (ptrace(2), PTRACE_O_TRACEEXIT)."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

PTRACE_CONT = 7
PTRACE_DETACH = 17
PTRACE_SEIZE = 0x4206
PTRACE_O_TRACEEXIT = 0x40
PTRACE_EVENT_EXIT = 6

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


@contextmanager
def stopped_at_exit(pid: int) -> Iterator[None]:
    """Ask a process of one thread, a child of ours, to end; yield when it is about to."""
    _ptrace(PTRACE_SEIZE, pid, PTRACE_O_TRACEEXIT)
    os.kill(pid, signal.SIGTERM)
    while True:
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            raise AssertionError(f"the process ended unseen, status {status}")
        if status >> 16 == PTRACE_EVENT_EXIT:
            break
        # A signal on its way; at a stop of ptrace's own there is none to pass on.
        _ptrace(PTRACE_CONT, pid, 0 if status >> 16 else os.WSTOPSIG(status))
    try:
        yield
    finally:
        _ptrace(PTRACE_DETACH, pid, 0)


def _ptrace(request: int, pid: int, data: int) -> None:
    if _libc.ptrace(request, pid, None, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace {request}: {os.strerror(error)}")
