# SPDX-License-Identifier: Apache-2.0
"""Where the cycles of a workload go: samples of the system under test, by layer and function.

The graphs are flat on purpose (layer, module, function): neither the library kernel nor Debian's
programs have frame pointers, and callers guessed from stacks would be no truth.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rktio.bench import closure, icicle, systems
from rktio.bench.elfsymbols import Resolver
from rktio.bench.guest import guest_of
from rktio.bench.scenario import Case, Scenario
from rktio.bench.systems import Station, System
from rktio.common.errors import RktioError
from rktio.common.paths import enclave_binary
from rktio.common.run import popen, require, run

FOLDER = "flames"
HERTZ = 997  # no multiple of the tick's rate
KERNEL_SECTION = ".kernel.text"
SAMPLE = re.compile(r"^\s*([0-9a-f]+) (.+?)(?:\+0x[0-9a-f]+)? \((.*)\)$", re.MULTILINE)
STOP_SECONDS = 30.0
NAME_SEPARATOR = "--"


def record(scenario: Scenario, case: Case, system: System, seconds: int, folder: Path) -> Path:
    """Run one case under perf; write `.folded` and `.svg` below `folder`; the latter's path."""
    perf = require("perf", "linux-perf")
    case = replace(case, words={**case.words, "seconds": str(seconds)})
    scenario = replace(scenario, cases=(case,))
    guest = guest_of(scenario)
    with closure.scratch_directory() as scratch, (scratch / "errors").open("ab") as errors:
        data = scratch / "perf.data"

        @contextmanager
        def observed(pid: int) -> Iterator[None]:
            with _recording(perf, pid, data):
                yield

        station = Station(scenario, guest, scratch, observer=observed, errors=errors)
        systems.run_once(station, system)
        maps = (scratch / "errors").read_text(errors="replace")
        maps += _text(scratch / "server.log")
        script = run([perf, "script", "-i", data, "-F", "ip,sym,dso"]).stdout.decode(
            errors="replace"
        )
    counts = stacks(script, Resolver(maps, guest.tree), _kernel_range())
    if not counts:
        raise RktioError(f"perf took no sample of {scenario.name}", hint="--seconds N, longer")
    stem = NAME_SEPARATOR.join((scenario.name, case.name, system))
    target = folder / FOLDER / f"{stem}.svg"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.with_suffix(".folded").write_text(icicle.folded(counts))
    target.write_text(icicle.drawn(counts, f"{scenario.name}, {case.name}, {system}"))
    return target


def stacks(
    script: str, resolver: Resolver, kernel: tuple[int, int]
) -> Mapping[tuple[str, ...], int]:
    """Count perf's samples by layer, module and function."""
    found: Counter[tuple[str, ...]] = Counter()
    enclave = enclave_binary().name
    for text, name, file in SAMPLE.findall(script):
        address = int(text, 16)
        if file.startswith("[kernel") or file.startswith("[guest") or address >> 63:
            found["host kernel", "linux", name] += 1
        elif Path(file).name == enclave:
            if kernel[0] <= address < kernel[1]:
                found["library kernel", "linux", name] += 1
            else:
                found["runtime", enclave, name] += 1
        else:
            file, name = resolver.name(address) or ("[no file]", "[no symbol]")
            found["application", file, name] += 1
    return found


def pictures(folder: Path) -> dict[str, str]:
    """Return the graphs that lie in a result set, by the scenario's name in results."""
    found: dict[str, str] = {}
    for path in sorted((folder / FOLDER).glob("*.svg")):
        name = path.stem.partition(NAME_SEPARATOR)[0]
        found[name] = found.get(name, "") + path.read_text()
    return found


@contextmanager
def _recording(perf: Path, pid: int, data: Path) -> Iterator[None]:
    silent = subprocess.DEVNULL
    words = ["-q", "-e", "cpu-clock", "-F", str(HERTZ), "-p", str(pid), "-o", str(data)]
    process = popen([perf, "record", *words], stdin=silent, stdout=silent, stderr=subprocess.PIPE)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
    if not data.exists():
        raise RktioError(f"perf record: {errors.decode(errors='replace').strip()[-200:]}")


def _kernel_range() -> tuple[int, int]:
    """Return where the library kernel's text is in the enclave's executable."""
    words = run([require("readelf", "binutils"), "-SW", enclave_binary()]).stdout.decode()
    for line in words.splitlines():
        fields = line.partition("]")[2].split()
        if fields[:1] == [KERNEL_SECTION]:
            start, size = int(fields[2], 16), int(fields[4], 16)
            return start, start + size
    raise RktioError(f"{enclave_binary()} has no section {KERNEL_SECTION}")


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
