# SPDX-License-Identifier: Apache-2.0
"""The start-up parts built for the host, and PID 1 run in a plain namespace."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
RUNTIME = HERE.parents[2] / "enclave/runtime"
FLAGS = ("-O2", "-g", "-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{RUNTIME}")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
NAMESPACES = ("--user", "--map-root-user", "--pid", "--mount", "--net", "--uts", "--fork")

Compile = Callable[..., Path]


def record(*entries: str) -> bytes:
    """Return a launch record: what every one needs, then `entries`."""
    needed = ("version=1", "memory_bytes=67108864", "cpus=1")
    return b"".join(entry.encode() + b"\0" for entry in (*needed, *entries))


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Compile C sources into one program; each name once per session."""
    folder = tmp_path_factory.mktemp("programs")

    def compile_program(name: str, *words: str | Path) -> Path:
        output = folder / name
        if not output.exists():
            subprocess.run(["gcc", *FLAGS, *words, "-o", output], check=True)
        return output

    return compile_program


@pytest.fixture(scope="session")
def probe(compiled: Compile) -> Path:
    return compiled("probe", "-static", PROGRAMS / "probe.c")


@pytest.fixture(scope="session")
def pid1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("init") / "init"
    builder = (sys.executable, RUNTIME / "init_build.py")
    machine = PROGRAMS / "machine.c"
    subprocess.run([*builder, "--output", output, "--machine", machine], check=True)
    return output


@dataclass(frozen=True)
class Guest:
    """A folder that looks like the initramfs, with the image's root in /image."""

    path: Path
    pid1: Path

    @property
    def image(self) -> Path:
        return self.path / "image"

    def install(self, name: str, content: bytes, mode: int = 0o755) -> None:
        target = self.image / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(mode)

    def command(self, entries: tuple[str, ...], before: str = "") -> list[str]:
        root = () if any(entry.startswith("root=") for entry in entries) else ("root=vda:ext4:rw",)
        # PID 1 removes both.
        shutil.copy(self.pid1, self.path / "init")
        (self.path / "launch").write_bytes(record(*root, *entries))
        script = f'{before}exec chroot "$0" /init'
        # Nothing is ignored, as in an enclave, whoever runs the tests.
        clean = ("env", "--default-signal")
        return [*clean, "unshare", *NAMESPACES, "--kill-child", "sh", "-ec", script, str(self.path)]

    def run(self, *entries: str, before: str = "") -> subprocess.CompletedProcess[str]:
        """Run PID 1 to its end; `before` is shell, run in its namespaces."""
        command = self.command(entries, before)
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    @contextmanager
    def running(self, *entries: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
        """Start PID 1; yields unshare's process and PID 1's number outside."""
        command = self.command(entries)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
                yield process, int(children.read_text())
            finally:
                process.kill()


@pytest.fixture
def guest(tmp_path: Path, pid1: Path, probe: Path) -> Guest:
    guest = Guest(tmp_path / "guest", pid1)
    for name in ("dev", "root", "image/dev", "image/proc", "image/sys", "image/run", "image/etc"):
        (guest.path / name).mkdir(parents=True)
    (guest.image / "tmp").mkdir()
    guest.install("usr/bin/probe", probe.read_bytes())
    return guest
