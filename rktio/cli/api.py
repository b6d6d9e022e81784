# SPDX-License-Identifier: Apache-2.0
"""The Python API: an enclave as a context manager, with pipes and a status like a Popen's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import IO, Self

from rktio.cli.preflight import check_image
from rktio.common.errors import RktioError
from rktio.common.run import Stream, popen
from rktio.host.launch import Launch, prepared
from rktio.host.nvme import NvmeDisk
from rktio.host.options import (
    DEFAULT_MEMORY_BYTES,
    Disk,
    NetMode,
    NetOptions,
    Poll,
    RunOptions,
    SealedOptions,
    parse_size,
)

PIPE = subprocess.PIPE
END_SECONDS = 10.0  # from SIGTERM to SIGKILL at the end of a with block


@dataclass(frozen=True)
class CompletedRun:
    """How a run ended. `status` is the program's, 128+n for signal n, 125 if it never started."""

    status: int
    stdout: bytes
    stderr: bytes


class Enclave:
    """One program of an image on the library OS.

    >>> with Enclave("app-disk.img", "/usr/bin/redis-server", "--bind", "10.0.1.1") as redis:
    ...     connect(redis.address)

    The block's end sends SIGTERM and waits; SIGKILL follows after ten seconds. Without a block:
    `Enclave("app-disk.img", "/bin/uname", "-a").run().stdout`. Mistakes raise RktioError.
    A sealed image names its program itself: `Enclave("app.img", sealed=SealedOptions(...))`.
    """

    def __init__(
        self,
        image: str | Path,
        program: str = "",
        *args: str,
        memory: int | str = DEFAULT_MEMORY_BYTES,
        cpus: int = 1,
        read_only: bool = False,
        buffered: bool = False,
        disks: Iterable[Disk] = (),
        nvme: Iterable[NvmeDisk] = (),
        tmpfs: Iterable[str] = (),
        net: NetOptions | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        hostname: str | None = None,
        sysctl: Mapping[str, str] | None = None,
        poll: Poll = Poll.ADAPTIVE,
        stats: bool = False,
        log_level: int = 4,
        insecure_no_lockdown: bool = False,
        sealed: SealedOptions | None = None,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
    ) -> None:
        options = RunOptions(
            image=Path(image),
            program=program,
            args=args,
            memory_bytes=parse_size(memory) if isinstance(memory, str) else memory,
            cpus=cpus,
            read_only=read_only,
            buffered=buffered,
            disks=tuple(disks),
            nvme=tuple(nvme),
            tmpfs=tuple(tmpfs),
            net=net or NetOptions(),
            env=env or {},
            cwd=cwd,
            hostname=hostname,
            sysctl=sysctl or {},
            poll=poll,
            stats=stats,
            log_level=log_level,
            insecure_no_lockdown=insecure_no_lockdown,
            sealed=sealed,
        )
        self._prepare(options, stdin, stdout, stderr)

    @classmethod
    def from_options(
        cls,
        options: RunOptions,
        *,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
    ) -> Self:
        """Return the enclave of options that were made before."""
        enclave = cls.__new__(cls)
        enclave._prepare(options, stdin, stdout, stderr)
        return enclave

    @classmethod
    def from_config(
        cls,
        path: str | Path,
        *,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
    ) -> Self:
        """Return the enclave that a TOML file describes, as `rkt-io-run --config` reads it."""
        from rktio.host.config import options_of_file

        options = options_of_file(Path(path))
        return cls.from_options(options, stdin=stdin, stdout=stdout, stderr=stderr)

    def _prepare(self, options: RunOptions, stdin: Stream, stdout: Stream, stderr: Stream) -> None:
        self.options = options
        self.notes: tuple[str, ...] = ()
        self._streams = (stdin, stdout, stderr)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._started()
        try:
            if process.poll() is None:
                process.terminate()
                process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Also when Ctrl-C cut the wait short: nothing may stay behind.
            if process.poll() is None:
                process.kill()
                process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    @property
    def address(self) -> str | None:
        """The enclave's first IP address, or None without a network."""
        net = self.options.net
        if net.mode is NetMode.NONE:
            return None
        addresses = net.addresses
        if self.options.sealed is not None:
            from rktio.host.sealed import OwnersWord

            addresses = OwnersWord.read(self.options.sealed).addresses
        return addresses[0].partition("/")[0] if addresses else None

    @property
    def pid(self) -> int:
        """The host process of the enclave."""
        return self._started().pid

    @property
    def stdin(self) -> IO[bytes]:
        """The write end of the program's standard input; needs stdin=PIPE."""
        return self._pipe("stdin", self._started().stdin)

    @property
    def stdout(self) -> IO[bytes]:
        """The read end of the program's standard output; needs stdout=PIPE."""
        return self._pipe("stdout", self._started().stdout)

    @property
    def stderr(self) -> IO[bytes]:
        """The read end of the program's standard error; needs stderr=PIPE."""
        return self._pipe("stderr", self._started().stderr)

    def start(self) -> None:
        """Check, open and start; returns while the library OS boots. Raises RktioError."""
        if self._process is not None:
            raise RktioError("this enclave was started before", hint="make a new Enclave")
        self._process = self._spawn(self._streams)

    def running(self) -> bool:
        """Return whether the enclave still runs."""
        return self._started().poll() is None

    def wait(self, timeout: float | None = None) -> int:
        """Return the status when the program has ended. RktioError after `timeout` seconds."""
        try:
            return _status(self._started().wait(timeout))
        except subprocess.TimeoutExpired as error:
            raise self._too_slow(timeout) from error

    def signal(self, number: int | Signals) -> None:
        """Send a signal to the program."""
        self._started().send_signal(number)

    def kill(self) -> int:
        """End the enclave at once, as a power cut would; return its status."""
        self._started().kill()
        return self.wait()

    def run(
        self,
        *,
        input: bytes = b"",  # noqa: A002 - subprocess.run's own name
        timeout: float | None = None,
        check: bool = False,
    ) -> CompletedRun:
        """Start, feed `input`, collect both outputs, and return when the program has ended.

        With `check` a status other than 0 raises RktioError. `timeout` is in seconds.
        """
        if self._process is not None:
            raise RktioError("this enclave was started before", hint="make a new Enclave")
        self._process = process = self._spawn((PIPE, PIPE, PIPE))
        try:
            stdout, stderr = process.communicate(input, timeout)
        except subprocess.TimeoutExpired as error:
            raise self._too_slow(timeout) from error
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        done = CompletedRun(_status(process.returncode), stdout, stderr)
        if check and done.status != 0:
            told = stderr.decode(errors="replace").strip()
            raise RktioError(f"{self.options.program}: exit status {done.status}\n{told}")
        return done

    def _spawn(self, streams: tuple[Stream, Stream, Stream]) -> subprocess.Popen[bytes]:
        stdin, stdout, stderr = streams
        tty = stdin is None and stdout is None and os.isatty(0) and os.isatty(1)
        with prepared(self.options, tty=tty, check_image=check_image) as launch:
            self.notes = launch.notes
            return _popen(launch, stdin, stdout, stderr)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RktioError("this enclave was not started", hint="use it in a with block")
        return self._process

    def _pipe(self, name: str, stream: IO[bytes] | None) -> IO[bytes]:
        if stream is None:
            raise RktioError(f"{name} is no pipe", hint=f"Enclave(..., {name}=PIPE)")
        return stream

    def _too_slow(self, timeout: float | None) -> RktioError:
        return RktioError(f"{self.options.program} still runs after {timeout} s")


def _popen(
    launch: Launch, stdin: Stream, stdout: Stream, stderr: Stream
) -> subprocess.Popen[bytes]:
    return popen(
        launch.argv, pass_fds=launch.fds, stdin=stdin, stdout=stdout, stderr=stderr, env={}
    )


def _status(returncode: int) -> int:
    """Turn Popen's -n for signal n into the 128+n of shells."""
    return returncode if returncode >= 0 else 128 - returncode
