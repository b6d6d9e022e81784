# SPDX-License-Identifier: Apache-2.0
"""The host's standard descriptors never block the enclave, and stay as they were."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import socket
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.native.init.conftest import PROGRAMS, RUNTIME, Compile

pytestmark = pytest.mark.needs("gcc")

IN, OUT, ERR, HUP = 1, 4, 8, 16
EAGAIN, EPIPE = -errno.EAGAIN, -errno.EPIPE


@pytest.fixture(scope="session")
def drive(compiled: Compile) -> Path:
    names = ("console.c", "console_start.c", "hostcall.c")
    sources = [RUNTIME / name for name in names]
    return compiled("console_drive", *sources, PROGRAMS / "console_drive.c")


class Driven:
    """The program under test, and the channel for its results."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket) -> None:
        self.process = process
        self._channel = channel
        self._lines = channel.makefile("r")

    def line(self) -> str:
        return self._lines.readline().rstrip("\n")

    def resume(self) -> None:
        self._channel.send(b"\n")


@contextmanager
def driving(
    drive: Path, *operations: str, stdin: int | None = None, stdout: int | None = None
) -> Iterator[Driven]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(30)
        command = [str(drive), str(theirs.fileno()), *operations]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.DEVNULL if stdout is None else stdout,
            pass_fds=(theirs.fileno(),),
        ) as process:
            try:
                yield Driven(process, ours)
                assert process.wait(timeout=30) == 0
            finally:
                process.kill()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError as error:
            assert error.errno == errno.EBADF


def test_a_full_pipe_is_eagain_and_then_takes_more(drive: Path, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    with driving(drive, "fill", "poll", "pause", "poll", "write", stdout=writer) as driven:
        assert driven.line() == f"filled 65536 {EAGAIN}"
        assert driven.line() == f"poll {IN} 0"
        assert driven.line() == "paused"
        os.read(reader, 65536)
        driven.resume()
        assert driven.line() == f"poll {IN} {OUT}"
        assert driven.line() == "wrote 5"
    assert os.read(reader, 64) == b"hello"


def test_the_users_pipe_does_not_become_nonblocking(drive: Path, pipe: tuple[int, int]) -> None:
    with driving(drive, "fill", "pause", stdout=pipe[1]) as driven:
        driven.line()
        assert driven.line() == "paused"
        assert not fcntl.fcntl(pipe[1], fcntl.F_GETFL) & os.O_NONBLOCK
        driven.resume()


def test_a_full_socket_is_eagain(drive: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, driving(drive, "fill", stdout=theirs.fileno()) as driven:
        assert driven.line().endswith(f" {EAGAIN}")


def test_a_reader_that_went_away_is_epipe(drive: Path, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(reader)
    with driving(drive, "write", "poll", stdout=writer) as driven:
        assert driven.line() == f"wrote {EPIPE}"
        assert driven.line() == f"poll {IN} {OUT | ERR}"


def test_input_is_awaited_then_read_then_ends(drive: Path, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    operations = ("read", "poll", "pause", "poll", "read", "pause", "read")
    with driving(drive, *operations, stdin=reader) as driven:
        assert driven.line() == f"read {EAGAIN} "
        assert driven.line() == f"poll 0 {OUT}"
        assert driven.line() == "paused"
        os.write(writer, b"binary?")
        driven.resume()
        assert driven.line() == f"poll {IN} {OUT}"
        assert driven.line() == "read 7 binary?"
        assert driven.line() == "paused"
        os.close(writer)
        driven.resume()
        assert driven.line() == "read 0 "


def test_dev_null_is_the_end_of_input(drive: Path) -> None:
    with driving(drive, "read", "poll") as driven:
        assert driven.line() == "read 0 "
        assert driven.line() == f"poll {IN} {OUT}"


def test_a_closed_descriptor_is_dev_null(drive: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = f'exec "{drive}" {theirs.fileno()} read write <&- >&-'
        subprocess.run(["sh", "-c", command], pass_fds=(theirs.fileno(),), check=True)
        theirs.close()
        assert ours.makefile("r").read() == "read 0 \nwrote 5\n"


def test_a_file_is_always_ready_and_never_awaited(drive: Path, tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_text("text")
    operations = ("poll", "wait", "read", "read")
    with path.open("rb") as file, driving(drive, *operations, stdin=file.fileno()) as driven:
        assert driven.line() == f"poll {IN} {OUT}"
        assert driven.line() == "waits 0"
        assert driven.line() == "read 4 text"
        assert driven.line() == "read 0 "


def local_flags(fd: int) -> int:
    flags = termios.tcgetattr(fd)[3]
    assert isinstance(flags, int)
    return flags


def test_a_terminal_is_raw_while_it_runs_and_as_before_after(drive: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 31, 101, 0, 0))
    before = termios.tcgetattr(theirs)
    operations = ("tty", "size", "pause", "read", "restore")
    with driving(drive, *operations, stdin=theirs, stdout=theirs) as driven:
        assert driven.line() == "size 31 101"
        assert driven.line() == "paused"
        assert not local_flags(theirs) & (termios.ECHO | termios.ICANON | termios.ISIG)
        os.write(ours, b"\x03\x04")
        driven.resume()
        assert driven.line() == "read 2 \x03\x04"
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


def test_a_terminal_that_is_none_is_refused(drive: Path) -> None:
    done = subprocess.run(
        [drive, "1", "tty"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 125
    assert "no terminal; " in done.stderr
