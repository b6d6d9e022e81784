# SPDX-License-Identifier: Apache-2.0
"""Programs in enclaves that share one read-only Debian and one disk of compiled checks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.functional.running import CHECKOUT, host

SOURCES = Path(__file__).parent / "c"
# The ways in which programs come: by the dynamic linker, and static at three kinds of addresses.
VARIANTS = {
    "dynamic": (),
    "static": ("-static", "-no-pie"),
    "static-pie": ("-static-pie",),
}
# The inline assembly of the checks uses the red zone itself, so the compiler must not.
FLAGS = ("-O2", "-w", "-fno-strict-aliasing", "-mno-red-zone", "-pthread")
RUN_SECONDS = 60.0


@dataclass(frozen=True)
class Guest:
    """Runs a program in an enclave of its own, to its end."""

    enclave: Path
    image: Path
    options: tuple[str, ...]

    def with_options(self, *options: str) -> Guest:
        return replace(self, options=(*self.options, *options))

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "RKT_IO_ENCLAVE": str(self.enclave)}

    def command(self, *words: str) -> list[str]:
        run = str(CHECKOUT / "bin" / "rkt-io-run")
        return [run, "--net", "none", *self.options, str(self.image), *words]

    def run(
        self, *words: str, stdin: bytes = b"", timeout: float = RUN_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run it and return its status (128+n on a signal) and output."""
        done = subprocess.run(
            self.command(*words),
            input=stdin,
            capture_output=True,
            env=self.environment,
            timeout=timeout,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args,
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )

    def output(self, *words: str, stdin: bytes = b"") -> str:
        """Run it, expect status 0, and return what it printed."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start it with pipes."""
        return subprocess.Popen(
            self.command(*words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
        )


@pytest.fixture(scope="session")
def guest(enclave_program: Path, debian_image: Path) -> Guest:
    """Give Debian, read-only, so that tests can share it; /tmp is memory."""
    return Guest(enclave_program, debian_image, ("--read-only", "--tmpfs", "/tmp"))


@pytest.fixture(scope="session")
def checks(guest: Guest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """Give Debian with the compiled checks in /mnt/VARIANT/."""
    folder = tmp_path_factory.mktemp("checks")
    root = folder / "root"
    for variant, flags in VARIANTS.items():
        (root / variant).mkdir(parents=True)
        compilers = [
            subprocess.Popen(["gcc", *FLAGS, *flags, "-o", root / variant / source.stem, source])
            for source in sorted(SOURCES.glob("*.c"))
        ]
        assert [compiler.wait() for compiler in compilers] == [0] * len(compilers)
    disk = folder / "checks.img"
    host(CHECKOUT / "bin" / "rkt-io-disk", "create", "--directory", root, "--size", "64M", disk)
    yield guest.with_options("--disk", f"{disk},ro,mount=/mnt")
    disk.unlink()
