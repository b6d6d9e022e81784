# SPDX-License-Identifier: Apache-2.0
"""The disks of the runtime, linked to plain programs and run on files."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
PROGRAMS = Path(__file__).parent / "programs"
RUNTIME = CHECKOUT / "enclave" / "runtime"

DATA_PATH = (
    *("blk_calls.c", "blk_ring.c", "blk_layout.c", "blk_log.c", "blk_sync.c", "blk_vhost.c"),
    *("blk_vhost_chain.c", "blk_vhost_config.c", "blk_vhost_control.c"),
)
# As the runtime compiles what is called in kernel context.
KERNEL_CONTEXT = ("-mgeneral-regs-only", "-fno-stack-protector", "-ffreestanding")
SANITIZE = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

Compile = Callable[..., Path]
Disk = Callable[..., subprocess.CompletedProcess[str]]


def compiled(output: Path, *arguments: str | Path) -> Path:
    """Compile and link; warnings are errors."""
    flags = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Werror", "-I", RUNTIME)
    subprocess.run(["gcc", *flags, *arguments, "-o", output], check=True)
    return output


def linked(output: Path, names: tuple[str, ...], *flags: str) -> Path:
    runtime = [RUNTIME / name for name in DATA_PATH]
    return compiled(output, *flags, *runtime, *(PROGRAMS / name for name in names))


HARNESS = (
    "harness.c",
    "host.c",
    "disk.c",
    "hammer.c",
    "iops.c",
    "restricted.c",
    "../../../../enclave/runtime/blk.c",
    "../../../../enclave/runtime/blk_vhost_start.c",
)


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linked(tmp_path_factory.mktemp("blk") / "harness", HARNESS)


@pytest.fixture(scope="session")
def sanitized_harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linked(tmp_path_factory.mktemp("blk") / "harness-sanitized", HARNESS, *SANITIZE)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = ("hostile.c", "fuzz.c", "fake_host.c")
    return linked(tmp_path_factory.mktemp("blk") / "hostile", names, *SANITIZE)


@pytest.fixture
def disk(harness: Path) -> Disk:
    """Run one command of the harness to its end; its output is the result's."""

    def run(*arguments: str | Path, program: Path = harness) -> subprocess.CompletedProcess[str]:
        command = [program, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)

    return run


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return a sparse file of 16 MiB."""
    path = tmp_path / "disk.img"
    with path.open("wb") as file:
        file.truncate(16 << 20)
    return path
