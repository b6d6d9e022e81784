# SPDX-License-Identifier: Apache-2.0
"""On a terminal: keys, job control, window size, and the terminal as it was before."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator

import pytest

from tests.functional.programs.conftest import Guest

pytestmark = pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap")

PATIENCE = 15.0


class Terminal:
    """A pseudo-terminal with an enclave on it, and what was printed there so far."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.master, self.slave = os.openpty()
        self.resize(30, 100)
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.master)
            os.login_tty(self.slave)
            os.execve(command[0], command, environment)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def expect(self, pattern: str) -> str:
        """Wait for a match in what was printed since the last one."""
        end = time.monotonic() + PATIENCE
        while not (found := re.search(pattern.encode(), self.seen)):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                raise AssertionError(f"no {pattern!r} in {self.seen!r}")
            try:
                self.seen += os.read(self.master, 65536)
            except OSError:
                raise AssertionError(f"no {pattern!r} before the end: {self.seen!r}") from None
        self.seen = self.seen[found.end() :]
        return found[0].decode()

    def status(self) -> int:
        """Wait for the end and return the status."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            if select.select([self.master], [], [], 0.005)[0]:
                self.seen += os.read(self.master, 65536)
        raise AssertionError(f"still running; {self.seen!r}")

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)
        os.close(self.slave)


Open = Callable[..., Terminal]


@pytest.fixture
def terminal(guest: Guest) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*words: str) -> Terminal:
        opened.append(Terminal(guest.command(*words), guest.environment))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def bash(terminal: Open) -> Terminal:
    t = terminal("bash", "--norc", "-i")
    t.expect("# $")
    return t


def test_the_program_has_a_terminal(terminal: Open) -> None:
    script = "import os; print(os.isatty(0), os.ttyname(0), os.get_terminal_size())"
    t = terminal("python3", "-c", script)
    t.expect(r"True /dev/\S+ os\.terminal_size\(columns=100, lines=30\)")
    assert t.status() == 0


def test_ctrl_c_ends_a_sleep(terminal: Open) -> None:
    t = terminal("sh", "-c", "echo ready; exec sleep 100")
    t.expect("ready")
    t.type("\x03")
    assert t.status() == 130


def test_ctrl_c_interrupts_a_busy_python(terminal: Open) -> None:
    t = terminal("python3", "-c", "print('ready', flush=True)\nwhile True: pass")
    t.expect("ready")
    t.type("\x03")
    t.expect("KeyboardInterrupt")
    assert t.status() == 130


def test_ctrl_backslash_quits(terminal: Open) -> None:
    t = terminal("sh", "-c", "echo ready; exec sleep 100")
    t.expect("ready")
    t.type("\x1c")
    assert t.status() == 131


def test_ctrl_d_is_the_end_of_input(terminal: Open) -> None:
    t = terminal("cat")
    t.type("hello\n")
    t.expect("hello\r\nhello\r\n")
    t.type("\x04")
    assert t.status() == 0


def test_bash_controls_jobs(terminal: Open) -> None:
    t = bash(terminal)
    t.type("sleep 100\n")
    t.expect("sleep 100\r\n")
    time.sleep(0.2)  # nothing says that the sleep has begun
    t.type("\x1a")
    t.expect(r"Stopped +sleep 100")
    t.type("jobs; echo n$((1+1))n\n")
    t.expect("Stopped")
    t.expect("n2n")
    t.type("fg\n")
    t.expect(r"[\r\n]sleep 100\r\n")
    time.sleep(0.2)
    t.type("\x03")
    t.expect("# $")
    t.type("echo status $?\n")
    t.expect("status 130")
    t.type("sleep 100 &\n")
    t.expect(r"\[1\] \d+")
    t.type("kill %1; wait %1; echo over $?\n")
    t.expect("over 143")
    t.type("exit 4\n")
    assert t.status() == 4


def test_bash_edits_lines(terminal: Open) -> None:
    t = bash(terminal)
    t.type("echo abX\x7fc\n")
    t.expect(r"[\r\n]abc\r\n")
    t.type("echo one\n")
    t.expect(r"[\r\n]one\r\n")
    t.type("\x10\n")  # the previous line again
    t.expect(r"[\r\n]one\r\n")
    t.type("exit\n")
    assert t.status() == 0


def test_the_window_size_follows(terminal: Open) -> None:
    script = (
        "import os, signal\n"
        "def told(*_): os.write(1, b'now %d %d\\n' % os.get_terminal_size())\n"
        "signal.signal(signal.SIGWINCH, told)\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    t = terminal("python3", "-c", script)
    t.expect("ready")
    for rows, columns in ((50, 132), (24, 80)):
        t.resize(rows, columns)
        t.expect(f"now {columns} {rows}\r\n")


def test_a_raw_program_gets_every_key(terminal: Open) -> None:
    script = (
        "import os, tty\n"
        "tty.setraw(0); os.write(1, b'ready')\n"
        "got = b''\n"
        "while len(got) < 6: got += os.read(0, 6)\n"
        "os.write(1, repr(got).encode())\n"
    )
    t = terminal("python3", "-c", script)
    t.expect("ready")
    t.type("\x03\x1a\x04\r\x1b\x11")
    t.expect(re.escape(r"b'\x03\x1a\x04\r\x1b\x11'"))
    assert t.status() == 0


def test_the_terminal_is_as_before(terminal: Open) -> None:
    t = terminal("sh", "-c", "stty raw; exit 3")
    assert t.status() == 3
    assert termios.tcgetattr(t.slave) == t.before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_as_before_after_a_signal(terminal: Open, number: int) -> None:
    t = terminal("sh", "-c", "echo ready; exec sleep 100")
    t.expect("ready")
    os.kill(t.pid, number)
    assert t.status() == 128 + number
    assert termios.tcgetattr(t.slave) == t.before


def test_a_lot_of_output_arrives_whole(terminal: Open) -> None:
    t = terminal("seq", "20000")
    t.expect("1\r\n2\r\n")
    t.expect("\n20000\r\n")
    assert t.status() == 0
