#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build /init, PID 1 of the library OS: static, freestanding, position-independent.

Nothing relocates it, so a build with a relocation is refused.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOUNS = (
    "text",
    "record",
    "json",
    "config",
    "pkcs7",
    "policy",
    "keys",
    "image",
    "dm",
    "data",
    "ext4",
    "overlay",
    "sealed",
    "mount",
    "nvme",
    "setting",
    "net",
    "addr",
    "netlink",
    "filter",
    "wireguard",
    "lookup",
    "spawn",
)
SOURCES = (HERE / "init.c", *(HERE / f"init_{noun}.c" for noun in NOUNS))
MACHINE = HERE / "init_machine.c"

COMPILE = (
    "-std=gnu11",
    "-Os",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-ffreestanding",
    "-fno-builtin",
    "-fPIE",
    "-fvisibility=hidden",
    "-mgeneral-regs-only",
    "-mno-red-zone",
    "-fcf-protection=none",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    # memcpy must not be turned into a call of itself, nor a switch into a table of pointers.
    "-fno-tree-loop-distribute-patterns",
    "-fno-tree-switch-conversion",
    "-ffunction-sections",
    "-fdata-sections",
    f"-ffile-prefix-map={HERE}=.",
)
LINK = (
    "-nostdlib",
    "-static-pie",
    "-Wl,--no-dynamic-linker,-z,noseparate-code,-z,norelro,-z,noexecstack",
    "-Wl,--build-id=none,--gc-sections,-s",
)


def build(output: Path, machine: Path) -> None:
    """Compile and link into `output`; OSError or CalledProcessError on failure."""
    compiler = os.environ.get("CC", "gcc").split()
    sources: list[str | Path] = [*SOURCES, machine]
    words = [*compiler, *COMPILE, *LINK, *sources, f"-I{HERE}", "-o", output]
    subprocess.run(words, check=True)
    reader = os.environ.get("READELF", "readelf")
    listed = subprocess.run(
        [reader, "--relocs", "--wide", output], check=True, capture_output=True, text=True
    ).stdout
    if "no relocations" not in listed:
        output.unlink()
        raise SystemExit(f"init_build: {output} needs relocations:\n{listed}")


def main() -> int:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--machine", type=Path, default=MACHINE, help="a test's own last source")
    arguments = parser.parse_args()
    try:
        build(arguments.output, arguments.machine)
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    return 0


if __name__ == "__main__":
    sys.exit(main())
