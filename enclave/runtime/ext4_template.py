#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the small, empty ext4 file system that data disks begin as; the same bytes each time.

The output holds its length in blocks, then number and contents of each block that isn't zero
(init_ext4.c reads it).
"""

from __future__ import annotations

import argparse
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK_BYTES = 4096
SIZE_BLOCKS = 64 << 20 >> 12
JOURNAL_MIB = 16
# Room for group descriptors up to 1 TiB; beyond, the kernel goes over to meta_bg.
GROWN_BLOCKS = 1 << 28
IDENTITY = "6d0f4d5c-9c0e-4d5a-8d9c-1c6c8d8f7e52"
# Not metadata_csum: every block is authenticated below, and growing would read bitmaps that
# were never written.
FEATURES = (
    "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,"
    "large_file,huge_file,dir_nlink,extra_isize"
)
# The host's own file could change the result.
CONFIGURATION = "[fs_types]\n" + "".join(
    f"\t{name} = {{\n\t\tinode_size = 256\n\t}}\n" for name in ("ext4", "small", "floppy")
)


def make(image: Path, configuration: Path) -> None:
    """Run mke2fs on a new file."""
    configuration.write_text(CONFIGURATION)
    os.truncate(image, SIZE_BLOCKS * BLOCK_BYTES)
    extended = (
        f"lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0,"
        f"hash_seed={IDENTITY},resize={GROWN_BLOCKS}"
    )
    command = ["mke2fs", "-q", "-F", "-t", "ext4", "-b", str(BLOCK_BYTES), "-I", "256"]
    command += ["-i", "16384", "-J", f"size={JOURNAL_MIB}", "-m", "0", "-O", FEATURES]
    command += ["-E", extended, "-U", IDENTITY, str(image)]
    environment = {
        "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
        "LC_ALL": "C",
        "MKE2FS_CONFIG": str(configuration),
        "E2FSPROGS_FAKE_TIME": "1",
    }
    subprocess.run(command, check=True, env=environment)


def compact(image: bytes) -> bytes:
    """Return the blocks that aren't zero."""
    zero = bytes(BLOCK_BYTES)
    found = [struct.pack("<I", len(image) // BLOCK_BYTES)]
    for number in range(len(image) // BLOCK_BYTES):
        block = image[number * BLOCK_BYTES : (number + 1) * BLOCK_BYTES]
        if block != zero:
            found.append(struct.pack("<I", number) + block)
    return b"".join(found)


def main() -> int:
    """Write the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    output = parser.parse_args().output
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "ext4")
        image.touch()
        make(image, Path(folder, "mke2fs.conf"))
        output.write_bytes(compact(image.read_bytes()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
