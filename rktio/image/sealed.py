# SPDX-License-Identifier: Apache-2.0
"""A sealed image, opened: each part is checked when it is read, and a failure names its check."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from rktio.common.errors import RktioError
from rktio.common.progress import Progress
from rktio.common.signing import PublicKey, SignatureError, SigningKey
from rktio.image import gpt, luks2, verity
from rktio.image.layout import MAX_BYTES, SIGNATURE_BYTES, TYPES, Kind, Layout
from rktio.image.root_signature import RootSignature, SignatureJsonError
from rktio.image.seal import CHUNK_BYTES, write_signature
from rktio.image.volume import VolumeKey

MIN_BYTES = 4 << 20
CHUNK_BLOCKS = CHUNK_BYTES // verity.BLOCK_BYTES


class Check(StrEnum):
    """What is checked, in this order."""

    SIZE = "size"
    TABLE = "partition table"
    LAYOUT = "partition layout"
    GAPS = "unused space"
    SIGNATURE_JSON = "signature document"
    SIGNATURE = "signature"
    SUPERBLOCK = "verity superblock"
    ROOT_HASH = "root hash"
    TREE = "hash tree"
    LUKS = "LUKS2 header"
    KEY = "volume key"
    DATA = "data"


class SealError(RktioError):
    """A sealed image failed a check."""

    def __init__(self, path: Path, check: Check, detail: str, *, hint: str | None = None) -> None:
        super().__init__(f"{path}: {check}: {detail}", hint=hint)
        self.check = check


@dataclass(frozen=True, slots=True)
class SealedInfo:
    """What a sealed image is."""

    path: Path
    size_bytes: int
    root_hash: str
    signed: bool
    certificate_fingerprint: str | None
    encrypted: bool
    luks_uuid: str | None
    verity_uuid: str
    verity_salt: str
    partitions: tuple[gpt.Partition, ...]


class SealedImage:
    """A sealed image: `with SealedImage.open(path) as image: image.verify(public)`."""

    def __init__(self, path: Path, fd: int) -> None:
        """Use `SealedImage.open`."""
        self.path = path
        self._fd = fd
        self.table = self._read_table()
        self.root_hash, self.layout, self.signed = self._read_layout()

    @classmethod
    def open(cls, path: str | Path, *, writable: bool = False) -> Self:
        """Open an image and check its partition table and layout. Raises RktioError."""
        path = Path(path)
        flags = (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            fd = os.open(path, flags)
        except OSError as error:
            raise RktioError(f"cannot open {path}: {error.strerror}") from error
        try:
            return cls(path, fd)
        except OSError as error:
            os.close(fd)
            raise RktioError(f"cannot read {path}: {error.strerror}") from error
        except BaseException:
            os.close(fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    def info(self) -> SealedInfo:
        """Return what the image says of itself; nothing of it is verified but its form."""
        superblock = self._superblock()
        header = self._header() if self.encrypted else None
        return SealedInfo(
            self.path,
            self.layout.total_bytes,
            self.root_hash.hex(),
            self.signed,
            self.signature().fingerprint if self.signed else None,
            header is not None,
            header.uuid if header else None,
            str(superblock.uuid),
            superblock.salt.hex(),
            self.table.partitions,
        )

    def verify(
        self,
        public: PublicKey | None,
        *,
        deep: bool = False,
        root_hash: bytes | None = None,
        key: VolumeKey | None = None,
    ) -> tuple[Check, ...]:
        """Check everything, and with `deep` every block of the data; return what was checked.

        Without `public` an image need not be signed. `root_hash` is the one that is expected: an
        older image of the same owner has another. Raises SealError.
        """
        done = [Check.SIZE, Check.TABLE, Check.LAYOUT]
        self._check_gaps()
        done.append(Check.GAPS)
        if public is not None:
            self._check_signature(public)
            done += [Check.SIGNATURE_JSON, Check.SIGNATURE]
        if root_hash is not None and root_hash != self.root_hash:
            self._fail(
                Check.ROOT_HASH,
                f"{self.root_hash.hex()} is not the expected {root_hash.hex()}",
                hint="this is another image of the same owner, perhaps an older one",
            )
        leaves = self._checked_leaves()
        done += [Check.SUPERBLOCK, Check.ROOT_HASH, Check.TREE]
        if self.encrypted:
            self._check_luks(key)
            done += [Check.LUKS, *([Check.KEY] if key else [])]
        if not deep:
            self._check_data(leaves, 0, self._head_blocks())
            return tuple(done)
        blocks = self.layout.data_blocks
        with Progress(f"checking {self.path}", blocks * verity.BLOCK_BYTES) as progress:
            for first in range(0, blocks, CHUNK_BLOCKS):
                count = min(CHUNK_BLOCKS, blocks - first)
                self._check_data(leaves, first, count)
                progress.advance(count * verity.BLOCK_BYTES)
        return (*done, Check.DATA)

    def sign(self, key: SigningKey) -> None:
        """Sign the image, in place of a signature that it has, after checking all of it."""
        self.verify(None, deep=True)
        write_signature(self._fd, self.layout, self.root_hash, key)
        os.fsync(self._fd)

    @property
    def encrypted(self) -> bool:
        """Whether the root partition begins like a LUKS volume."""
        return self._read(self.layout.root_offset, 6) in luks2.MAGICS

    def signature(self) -> RootSignature:
        """Return the signature, unverified. Raises SealError."""
        raw = self._read(self.layout.signature_offset, SIGNATURE_BYTES)
        try:
            found = RootSignature.parse(raw)
        except SignatureJsonError as error:
            raise SealError(self.path, Check.SIGNATURE_JSON, str(error)) from error
        if found.encode() != raw:
            self._fail(Check.SIGNATURE_JSON, "not in its one spelling")
        return found

    def _read_table(self) -> gpt.Table:
        size = self._size()
        tail = gpt.TAIL_SECTORS * gpt.SECTOR_BYTES
        try:
            return gpt.parse(
                self._read(0, gpt.HEAD_SECTORS * gpt.SECTOR_BYTES),
                self._read(size - tail, tail),
                size // gpt.SECTOR_BYTES,
            )
        except gpt.GptError as error:
            raise SealError(self.path, Check.TABLE, str(error)) from error

    def _size(self) -> int:
        mode = os.fstat(self._fd).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):
            self._fail(Check.SIZE, "neither a file nor a block device")
        size = os.lseek(self._fd, 0, os.SEEK_END)
        if size % gpt.SECTOR_BYTES or not MIN_BYTES <= size <= MAX_BYTES:
            self._fail(
                Check.SIZE,
                f"{size} bytes is not the size of a sealed image",
                hint="copy it again, or make one with rkt-io-disk create --encrypt --sign",
            )
        return size

    def _read_layout(self) -> tuple[bytes, Layout, bool]:
        kinds = {uuid: kind for kind, uuid in TYPES.items()}
        found = [kinds.get(partition.kind) for partition in self.table.partitions]
        if found not in ([*Kind][:2], [*Kind]):
            self._fail(Check.LAYOUT, "not root, root-verity and root-verity-sig of x86-64")
        root, hashes = self.table.partitions[:2]
        if root.size_bytes % verity.BLOCK_BYTES:
            self._fail(Check.LAYOUT, "the root partition is not of whole blocks")
        root_hash = root.uuid.bytes + hashes.uuid.bytes
        layout = Layout(root.size_bytes)
        signed = len(found) == len(Kind)
        if layout.total_bytes != self.table.sectors * gpt.SECTOR_BYTES:
            self._fail(Check.SIZE, "the image has not the size that its root partition asks for")
        if layout.table(root_hash, signed=signed) != self.table:
            self._fail(
                Check.LAYOUT,
                "the partitions are not where, or not named as, the root hash asks for",
            )
        return root_hash, layout, signed

    def _check_gaps(self) -> None:
        for start, end in self.layout.gaps(signed=self.signed):
            if any(self._read(start, end - start)):
                self._fail(Check.GAPS, f"bytes {start} to {end} are not zero")

    def _check_signature(self, public: PublicKey) -> None:
        if not self.signed:
            self._fail(
                Check.SIGNATURE, "the image is not signed", hint="rkt-io-disk sign --key owner.key"
            )
        signature = self.signature()
        if signature.root_hash != self.root_hash:
            self._fail(Check.SIGNATURE, "it is over another root hash than this image's")
        try:
            signature.check(public)
        except SignatureError as error:
            raise SealError(self.path, Check.SIGNATURE, error.message, hint=error.hint) from error

    def _superblock(self) -> verity.Superblock:
        try:
            found = verity.Superblock.parse(
                self._read(self.layout.verity_offset, verity.BLOCK_BYTES)
            )
        except verity.VerityError as error:
            raise SealError(self.path, Check.SUPERBLOCK, str(error)) from error
        if found.data_blocks != self.layout.data_blocks:
            self._fail(Check.SUPERBLOCK, "it covers another size than that of the root partition")
        return found

    def _checked_leaves(self) -> bytes:
        superblock = self._superblock()
        start = self.layout.verity_offset + verity.BLOCK_BYTES
        tree = self._read(start, self.layout.verity_bytes - verity.BLOCK_BYTES)
        try:
            return verity.checked_leaves(tree, superblock, self.root_hash)
        except verity.VerityError as error:
            raise SealError(self.path, Check.TREE, str(error)) from error

    def _header(self) -> luks2.Header:
        try:
            header = luks2.parse(self._read(self.layout.root_offset, luks2.HEADERS_BYTES))
        except luks2.Luks2Error as error:
            raise SealError(self.path, Check.LUKS, str(error)) from error
        payload = self.layout.root_bytes - header.offset
        if payload <= 0 or payload % header.sector_bytes:
            self._fail(Check.LUKS, "the payload is not of whole sectors")
        return header

    def _check_luks(self, key: VolumeKey | None) -> None:
        header = self._header()
        if key is not None and not key.matches(header.digest):
            self._fail(Check.KEY, "it is not the key of this volume")

    def _head_blocks(self) -> int:
        """Return the blocks that are read even where not all data is checked."""
        head = self._header().offset if self.encrypted else CHUNK_BYTES
        return min(head // verity.BLOCK_BYTES, self.layout.data_blocks)

    def _check_data(self, leaves: bytes, first: int, count: int) -> None:
        builder = verity.TreeBuilder(self._superblock().salt)
        offset = self.layout.root_offset + first * verity.BLOCK_BYTES
        builder.update(self._read(offset, count * verity.BLOCK_BYTES))
        expected = leaves[first * verity.DIGEST_BYTES :][: count * verity.DIGEST_BYTES]
        wrong = verity.first_difference(builder.digests(), expected)
        if wrong is not None:
            self._fail(Check.DATA, f"block {first + wrong} of the root partition differs")

    def _read(self, offset: int, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            more = os.pread(self._fd, size - len(data), offset + len(data))
            if not more:
                self._fail(Check.SIZE, f"the image ends at byte {offset + len(data)}")
            data += more
        return bytes(data)

    def _fail(self, check: Check, detail: str, *, hint: str | None = None) -> NoReturn:
        raise SealError(self.path, check, detail, hint=hint)


def is_sealed(path: str | Path) -> bool:
    """Say whether a file begins like a disk with a GUID partition table."""
    try:
        with Path(path).open("rb") as file:
            return file.read(gpt.SECTOR_BYTES + 8)[gpt.SECTOR_BYTES :] == b"EFI PART"
    except OSError:
        return False
