# SPDX-License-Identifier: Apache-2.0
"""The built libc, and test programs that are linked against it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
BUILD = HERE.parents[2] / "enclave/libc/build.py"
FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror")
SUITE = ("suite", "thread_cases", "cancel_cases", "signal_cases", "process_cases", "library_cases")


@dataclass(frozen=True)
class Libc:
    """A folder that enclave/libc/build.py filled."""

    path: Path

    @property
    def loader(self) -> Path:
        return self.path / "ld-musl-x86_64.so.1"

    def compile(self, output: Path, *words: str | Path) -> Path:
        """Compile with rkt-io-musl-gcc, in the folder of the test programs."""
        gcc = self.path / "bin/rkt-io-musl-gcc"
        subprocess.run([gcc, *FLAGS, *words, "-o", output], cwd=PROGRAMS, check=True)
        return output


@dataclass(frozen=True)
class Program:
    """A program, how to start it on the host's kernel, and how under fakeexec."""

    path: Path
    loader: Path | None
    env: dict[str, str] = field(default_factory=dict)

    def native(self, *arguments: str) -> list[str]:
        loader = [str(self.loader)] if self.loader else []
        return [*loader, str(self.path), *arguments]

    def faked(self, fakeexec: Path, counter: Path, *arguments: str) -> list[str]:
        loader = str(self.loader or "-")
        return [str(fakeexec), str(counter), loader, str(self.path), *arguments]

    def run(self, command: list[str]) -> None:
        """Run to the end; a failure shows what the program said."""
        done = subprocess.run(
            command, env=os.environ | self.env, capture_output=True, text=True, timeout=120
        )
        assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


@pytest.fixture(scope="session")
def libc(tmp_path_factory: pytest.TempPathFactory) -> Libc:
    path = tmp_path_factory.mktemp("libc") / "built"
    subprocess.run([sys.executable, BUILD, "--output", path], check=True)
    return Libc(path)


@pytest.fixture(scope="session")
def fakeexec(libc: Libc, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not only the entry, its signal handler too runs on the program's threads."""
    sources = ("fakeexec.c", "fakeexec_entry.S", "fakeexec_signals.c")
    freestanding = ("-static-pie", "-fno-stack-protector", "-mgeneral-regs-only")
    output = tmp_path_factory.mktemp("fakeexec") / "fakeexec"
    return libc.compile(output, *freestanding, *sources)


@pytest.fixture(scope="session", params=["dynamic", "static", "static-pie"])
def suite(
    request: pytest.FixtureRequest, libc: Libc, tmp_path_factory: pytest.TempPathFactory
) -> Program:
    sources = [f"{name}.c" for name in SUITE]
    output = tmp_path_factory.mktemp(request.param) / "suite"
    if request.param != "dynamic":
        return Program(libc.compile(output, f"-{request.param}", *sources), None)
    libc.compile(output, "-DDYNAMIC", *sources)
    module = libc.compile(output.with_name("module.so"), "-shared", "-fPIC", "module.c")
    env = {"SUITE_MODULE": str(module), "SUITE_ENTRY_OFFSET": hex(symbol(libc, "__libos_syscall"))}
    return Program(output, libc.loader, env)


def symbol(libc: Libc, name: str) -> int:
    """Return the address of a symbol, local ones included, in the shared libc."""
    done = subprocess.run(["nm", libc.loader], capture_output=True, text=True, check=True)
    return next(
        int(line.split()[0], 16) for line in done.stdout.splitlines() if line.endswith(f" {name}")
    )
