# SPDX-License-Identifier: Apache-2.0
"""The C program of the micro-benchmarks: built once per source, its output read strictly."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from rktio.bench.closure import cache_directory, fingerprint
from rktio.common.errors import RktioError
from rktio.common.paths import PACKAGE, checkout
from rktio.common.run import popen, require, run

FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-pthread")
STDERR_LINES_SHOWN = 5


def source_directory() -> Path:
    """Return where the C sources are: in the checkout, or inside the installed package."""
    root = checkout()
    folder = (root / "bench" if root else PACKAGE / "bench" / "_sources") / "micro"
    if not (folder / "micro.c").is_file():
        raise RktioError(f"{folder} has no micro.c", hint="run from a checkout of rkt-io")
    return folder


def built() -> Path:
    """Return the executable, compiled by the system's own gcc if it is not cached yet."""
    sources = sorted(source_directory().glob("*.[ch]"))
    gcc = require("gcc", "gcc libc6-dev")
    version = run([gcc, "--version"]).stdout
    key = fingerprint([version, " ".join(FLAGS).encode(), *(s.read_bytes() for s in sources)])
    binary = cache_directory() / f"micro-{key}"
    if not binary.exists():
        unfinished = binary.with_suffix(".tmp")
        run([gcc, *FLAGS, "-o", unfinished, *(s for s in sources if s.suffix == ".c")])
        unfinished.rename(binary)
    return binary


def arguments(names: Sequence[str], seconds: float, directory: str) -> list[str]:
    """Return the arguments of the C program."""
    return [f"{seconds:g}", directory, *names]


def parse_figures(output: str, units: Mapping[str, str]) -> dict[str, float]:
    """Read lines of `NAME VALUE UNIT`; `units` has each name that may come, and its unit."""
    found: dict[str, float] = {}
    for line in output.splitlines():
        words = line.split()
        if len(words) != 3 or units.get(words[0]) != words[2] or words[0] in found:
            raise RktioError(f"micro printed {line!r}, which is no figure that was asked for")
        try:
            found[words[0]] = float(words[1])
        except ValueError as error:
            raise RktioError(f"micro printed {line!r}: not a number") from error
    return found


def collect(
    side: str,
    argv: Sequence[str | Path],
    units: Mapping[str, str],
    *,
    pass_fds: Sequence[int] = (),
    timeout_seconds: float,
) -> dict[str, float]:
    """Run the program to its end and return a figure for each of `units`.

    Raises RktioError naming the `side` and the benchmark that has none.
    """
    process = popen(
        argv,
        pass_fds=pass_fds,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={},
    )
    late = False
    try:
        output, errors = process.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        late = True
        process.kill()
        output, errors = process.communicate()
    finally:
        process.kill()
    figures = parse_figures(output.decode(errors="replace"), units)
    lacking = [name for name in units if name not in figures]
    if late or lacking or process.returncode:
        how = f"no end after {timeout_seconds:.0f} s" if late else _ending(process.returncode)
        raise _failure(side, lacking, how, errors)
    return figures


def _ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _failure(side: str, lacking: Sequence[str], how: str, errors: bytes) -> RktioError:
    what = f"no figure for {lacking[0]}" if lacking else "it failed"
    lines = errors.decode(errors="replace").strip().splitlines()[-STDERR_LINES_SHOWN:]
    told = "".join(f"\n    {line}" for line in lines)
    return RktioError(
        f"micro, {side}: {what}: {how}{told}",
        hint="leave it out with --only to measure the rest" if lacking else None,
    )
