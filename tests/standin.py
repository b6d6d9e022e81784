# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the enclave, and small images, for tests of what happens before the boot."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]

# Does what the program's first argument says, with the descriptors an enclave would have.
ENCLAVE = """\
#!/bin/bash
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mapfile -d '' record <"/dev/fd/$1"
words=()
for pair in "${record[@]}"; do
	[[ $pair == arg=* ]] && words+=("${pair#arg=}")
done
case ${words[1]} in
dump) printf '%s\\n' "${record[@]}" ;;
fds) ls -l /proc/$$/fd ;;
sigpipe) grep SigIgn /proc/$$/status ;;
exit) exit "${words[2]}" ;;
kill) kill "-${words[2]}" $$ ;;
cat) exec cat ;;
tap) ip -oneline -details link; ip -oneline address; ip route; ip -6 route ;;
sleep) echo started; exec sleep 1000 ;;
stubborn) trap '' TERM; exec 5<> <(:); echo started; while :; do read -t 1 -r -u 5 _; done ;;
esac
"""

IMAGE_BYTES = 8 << 20


def make_checkout(folder: Path) -> Path:
    """Make a tree like a checkout whose enclave is the stand-in; return its root."""
    shutil.copytree(CHECKOUT / "rktio", folder / "rktio")
    shutil.copytree(CHECKOUT / "bin", folder / "bin")
    (folder / "enclave" / "libos").mkdir(parents=True)
    (folder / "build").mkdir()
    make_enclave(folder / "build" / "rkt-io-enclave")
    return folder


def make_enclave(path: Path) -> Path:
    """Write the stand-in."""
    path.write_text(ENCLAVE)
    path.chmod(0o755)
    return path


def elf_program(machine: int = 62) -> bytes:
    """Return a static ELF program that is right but for having no code."""
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0x400000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 120, 120, 0x1000)
    return ident + header + load


def make_image(path: Path, folder: Path) -> Path:
    """Make an ext4 image with /bin/program and programs that can't run."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    (programs / "program").write_bytes(elf_program())
    (programs / "foreign").write_bytes(elf_program(machine=183))
    (programs / "plain").write_bytes(elf_program())
    for name in ("program", "foreign"):
        (programs / name).chmod(0o755)
    with path.open("wb") as image:
        image.truncate(IMAGE_BYTES)
    command = ["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-d", str(folder), str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path
