# SPDX-License-Identifier: Apache-2.0
"""Seals an image: puts an ext4 image, encrypted or not, under verity and the owner's signature."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from rktio.common.errors import RktioError
from rktio.common.progress import Progress
from rktio.common.signing import SigningKey
from rktio.image import verity
from rktio.image.gpt import SECTOR_BYTES, TAIL_SECTORS
from rktio.image.layout import MAX_BYTES, Layout
from rktio.image.ondisk import SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET
from rktio.image.root_signature import RootSignature
from rktio.image.volume import VolumeKey

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Seal:
    """How an image is protected: encrypted with a key, signed by a signer, or both."""

    key: VolumeKey | None = None
    signer: SigningKey | None = None


def write_sealed(fd: int, plain: Path, seal: Seal, progress: Progress) -> bytes:
    """Write the sealed image of the ext4 image `plain` into `fd`; return its root hash.

    The same image, and key where it is encrypted, give the same bytes but for the signature.
    """
    plain_bytes = plain.stat().st_size
    header = seal.key.header() if seal.key else b""
    layout = Layout(len(header) + plain_bytes)
    if layout.total_bytes > MAX_BYTES:
        raise RktioError(
            f"a sealed image has at most {MAX_BYTES >> 30} GiB",
            hint="put data on a disk of its own",
        )
    superblock = _superblock(plain, seal.key, layout.data_blocks)
    builder = verity.TreeBuilder(superblock.salt)
    os.ftruncate(fd, layout.total_bytes)
    position = layout.root_offset
    for chunk in _payload(plain, header, seal.key):
        builder.update(chunk)
        if any(chunk):  # zeros stay a hole
            write_all(fd, chunk, position)
        position += len(chunk)
        progress.advance(len(chunk))
    root_hash, tree = builder.finish()
    write_all(fd, superblock.encode() + tree, layout.verity_offset)
    write_signature(fd, layout, root_hash, seal.signer)
    return root_hash


def write_signature(fd: int, layout: Layout, root_hash: bytes, signer: SigningKey | None) -> None:
    """Write the signature, if any, and the partition table that goes with it."""
    if signer is not None:
        signature = RootSignature.make(root_hash, signer)
        write_all(fd, signature.encode(), layout.signature_offset)
    table = layout.table(root_hash, signed=signer is not None)
    write_all(fd, table.tail(), layout.total_bytes - TAIL_SECTORS * SECTOR_BYTES)
    write_all(fd, table.head(), 0)


def write_all(fd: int, data: bytes, offset: int) -> None:
    """Write all of `data`, whatever pwrite(2) takes at a time."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written


def _payload(plain: Path, header: bytes, key: VolumeKey | None) -> Iterator[bytes]:
    if header:
        yield header
    offset = 0
    with plain.open("rb", buffering=0) as file:
        while chunk := _whole_chunk(file.fileno(), offset):
            yield key.sectors.encrypt(chunk, offset) if key else chunk
            offset += len(chunk)


def _whole_chunk(fd: int, offset: int) -> bytes:
    """Read a chunk; shorter only at the end, so that blocks stay whole."""
    chunk = b""
    while len(chunk) < CHUNK_BYTES:
        more = os.pread(fd, CHUNK_BYTES - len(chunk), offset + len(chunk))
        if not more:
            break
        chunk += more
    if len(chunk) % verity.BLOCK_BYTES:
        raise RktioError("the image is not a whole number of blocks of 4096 bytes")
    return chunk


def _superblock(plain: Path, key: VolumeKey | None, data_blocks: int) -> verity.Superblock:
    """Return the verity superblock; its salt and UUID tell nothing about encrypted contents."""
    if key is not None:
        uuid, salt = key.derive_uuid("verity uuid"), key.derive("verity salt", verity.SALT_BYTES)
        return verity.Superblock(uuid, data_blocks, salt)
    with plain.open("rb") as file:
        file.seek(SUPERBLOCK_OFFSET)
        seed = file.read(SUPERBLOCK_BYTES)
    salt = sha256(b"rkt-io verity salt" + seed).digest()
    uuid = UUID(bytes=sha256(b"rkt-io verity uuid" + seed).digest()[:16], version=4)
    return verity.Superblock(uuid, data_blocks, salt)
