# SPDX-License-Identifier: Apache-2.0
"""Other programs: the only module that starts processes.

A failure becomes one `RktioError` with a command that can be pasted into a shell.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO

from rktio.common.errors import RktioError

STDERR_LINES_SHOWN = 5

Stream = int | IO[bytes] | None

_detached: list[subprocess.Popen[bytes]] = []  # kept, so that the ended ones are waited for


def run(
    argv: Sequence[str | Path],
    *,
    input: bytes | None = None,  # noqa: A002 - subprocess.run's own name
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
    capture: bool = True,
) -> subprocess.CompletedProcess[bytes]:
    """Run `argv` to its end; without `capture` its output goes to the terminal.

    Raises RktioError when the program is missing, and, with `check`, when it fails.
    """
    command = [str(word) for word in argv]
    stream = subprocess.PIPE if capture else None
    try:
        done = subprocess.run(
            command, input=input, env=env, cwd=cwd, stdout=stream, stderr=stream, check=False
        )
    except OSError as error:
        raise _not_started(command, error) from error
    if check and done.returncode != 0:
        raise _failed(command, done)
    return done


def popen(
    argv: Sequence[str | Path],
    *,
    pass_fds: Collection[int] = (),
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `argv` and return at once; `pass_fds` keep their numbers in the child."""
    command = [str(word) for word in argv]
    try:
        return subprocess.Popen(
            command,
            pass_fds=tuple(pass_fds),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=env,
            cwd=cwd,
        )
    except OSError as error:
        raise _not_started(command, error) from error


def detach(argv: Sequence[str | Path], *, pass_fds: Collection[int]) -> None:
    """Start a process of its own session that nobody waits for; it ends by itself."""
    command = [str(word) for word in argv]
    _detached[:] = [process for process in _detached if process.poll() is None]
    try:
        process = subprocess.Popen(
            command,
            pass_fds=tuple(pass_fds),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )
    except OSError as error:
        raise _not_started(command, error) from error
    _detached.append(process)


def require(program: str, package: str) -> Path:
    """Return the path of `program`, which Debian's `package` brings."""
    # Debian keeps administrators' tools out of a user's PATH.
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        raise RktioError(f"{program} is not installed", hint=f"sudo apt-get install {package}")
    return Path(found)


def _not_started(command: list[str], error: OSError) -> RktioError:
    return RktioError(f"cannot start {shlex.join(command)}: {error.strerror}")


def _failed(command: list[str], done: subprocess.CompletedProcess[bytes]) -> RktioError:
    status = done.returncode
    how = f"exit status {status}" if status >= 0 else f"signal {-status}"
    lines = (done.stderr or b"").decode(errors="replace").strip().splitlines()
    told = "".join(f"\n    {line}" for line in lines[-STDERR_LINES_SHOWN:])
    return RktioError(f"{shlex.join(command)}: {how}{told}")
