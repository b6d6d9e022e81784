# SPDX-License-Identifier: Apache-2.0
"""The 1184 bytes of a SEV-SNP attestation report, parsed strictly.

Layout: AMD SEV Secure Nested Paging Firmware ABI (document 56860), table ATTESTATION_REPORT,
versions 2 to 5. A reserved byte that isn't zero is refused: it is a field that we don't know.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from rktio.owner.claims import refuse

REPORT_BYTES = 1184
SIGNED_BYTES = 0x2A0
VERSIONS = range(2, 6)
ECDSA_P384_SHA384 = 1
VMPL_MAX = 3
FAMILY_ZEN5 = 0x1A  # Turin and later have another layout of the TCB version

POLICY_SMT = 1 << 16
POLICY_RESERVED_ONE = 1 << 17
POLICY_MIGRATE_MA = 1 << 18
POLICY_DEBUG = 1 << 19
POLICY_SINGLE_SOCKET = 1 << 20
POLICY_KNOWN = (1 << 26) - 1

SIGNING_KEYS = {0: "vcek", 1: "vlek"}

# (name, first byte, byte after the last)
RESERVED: tuple[tuple[str, int, int], ...] = (
    ("reserved after key_info", 0x4C, 0x50),
    ("reserved before chip_id", 0x18B, 0x1A0),
    ("reserved after current version", 0x1EB, 0x1EC),
    ("reserved after committed version", 0x1EF, 0x1F0),
    ("reserved after launch_mit_vector", 0x208, 0x2A0),
    ("upper bytes of signature.r", 0x2D0, 0x2E8),
    ("upper bytes of signature.s", 0x318, 0x330),
    ("reserved after signature", 0x330, 0x4A0),
)
RESERVED_BEFORE_V3 = (("cpuid before version 3", 0x188, 0x18B),)
RESERVED_BEFORE_V5 = (("mitigation vectors before version 5", 0x1F8, 0x208),)


@dataclass(frozen=True)
class Tcb:
    """Security patch levels. `fmc` exists since Turin (family 1Ah) and is 0 before."""

    bootloader: int
    tee: int
    snp: int
    microcode: int
    fmc: int = 0

    @classmethod
    def parse(cls, raw: bytes, *, zen5: bool, name: str) -> Tcb:
        """Return the levels of an 8-byte TCB_VERSION; its reserved bytes must be zero."""
        reserved = raw[4:7] if zen5 else raw[2:6]
        if any(reserved):
            raise refuse(f"{name} reserved", reserved, bytes(len(reserved)))
        if zen5:
            return cls(fmc=raw[0], bootloader=raw[1], tee=raw[2], snp=raw[3], microcode=raw[7])
        return cls(bootloader=raw[0], tee=raw[1], snp=raw[6], microcode=raw[7])

    def levels(self) -> dict[str, int]:
        """Return the levels by name."""
        return {
            "fmc": self.fmc,
            "bootloader": self.bootloader,
            "tee": self.tee,
            "snp": self.snp,
            "microcode": self.microcode,
        }


@dataclass(frozen=True)
class SnpReport:
    """The fields of one report; nothing of it is proven until its signature is verified."""

    raw: bytes
    version: int
    guest_svn: int
    policy: int
    family_id: bytes
    image_id: bytes
    vmpl: int
    current_tcb: Tcb
    platform_info: int
    signing_key: str
    author_key_enabled: bool
    report_data: bytes
    measurement: bytes
    host_data: bytes
    id_key_digest: bytes
    author_key_digest: bytes
    reported_tcb: Tcb
    cpu_family: int
    chip_id: bytes
    committed_tcb: Tcb
    launch_tcb: Tcb
    signature_r: int
    signature_s: int

    @property
    def signed(self) -> bytes:
        """Return what the signature covers."""
        return self.raw[:SIGNED_BYTES]

    @property
    def debug(self) -> bool:
        """Say whether the host may read and write the guest's memory."""
        return bool(self.policy & POLICY_DEBUG)


def parse_report(raw: bytes, *, zen5: bool = False) -> SnpReport:
    """Parse a report; `zen5` says the layout where version 2 doesn't. Raises RefusedError."""
    if len(raw) != REPORT_BYTES:
        raise refuse("report length", f"{len(raw)} bytes", f"{REPORT_BYTES} bytes")
    version, guest_svn, policy = struct.unpack_from("<IIQ", raw, 0)
    if version not in VERSIONS:
        raise refuse("report version", version, f"{VERSIONS[0]} to {VERSIONS[-1]}")
    _check_reserved(raw, version)
    _check_policy(policy)
    vmpl, algorithm = struct.unpack_from("<II", raw, 0x30)
    if vmpl > VMPL_MAX:
        raise refuse("vmpl", vmpl, f"0 to {VMPL_MAX}")
    if algorithm != ECDSA_P384_SHA384:
        raise refuse("signature algorithm", algorithm, f"{ECDSA_P384_SHA384} (ECDSA P-384)")
    key_info = _key_info(raw)
    family = raw[0x188] if version >= 3 else 0
    zen5 = family >= FAMILY_ZEN5 if version >= 3 else zen5
    return SnpReport(
        raw=raw,
        version=version,
        guest_svn=guest_svn,
        policy=policy,
        family_id=raw[0x10:0x20],
        image_id=raw[0x20:0x30],
        vmpl=vmpl,
        current_tcb=_tcb(raw, 0x38, "current_tcb", zen5),
        platform_info=struct.unpack_from("<Q", raw, 0x40)[0],
        signing_key=SIGNING_KEYS[key_info >> 2],
        author_key_enabled=bool(key_info & 1),
        report_data=raw[0x50:0x90],
        measurement=raw[0x90:0xC0],
        host_data=raw[0xC0:0xE0],
        id_key_digest=raw[0xE0:0x110],
        author_key_digest=raw[0x110:0x140],
        reported_tcb=_tcb(raw, 0x180, "reported_tcb", zen5),
        cpu_family=family,
        chip_id=raw[0x1A0:0x1E0],
        committed_tcb=_tcb(raw, 0x1E0, "committed_tcb", zen5),
        launch_tcb=_tcb(raw, 0x1F0, "launch_tcb", zen5),
        signature_r=int.from_bytes(raw[0x2A0:0x2D0], "little"),
        signature_s=int.from_bytes(raw[0x2E8:0x318], "little"),
    )


def _tcb(raw: bytes, offset: int, name: str, zen5: bool) -> Tcb:
    return Tcb.parse(raw[offset : offset + 8], zen5=zen5, name=name)


def _check_reserved(raw: bytes, version: int) -> None:
    ranges = RESERVED
    if version < 3:
        ranges += RESERVED_BEFORE_V3
    if version < 5:
        ranges += RESERVED_BEFORE_V5
    for name, start, end in ranges:
        if any(raw[start:end]):
            raise refuse(name, raw[start:end], "zeros")


def _check_policy(policy: int) -> None:
    if not policy & POLICY_RESERVED_ONE:
        raise refuse("policy bit 17", 0, 1)
    if policy & ~POLICY_KNOWN:
        raise refuse("policy reserved bits", hex(policy & ~POLICY_KNOWN), "0")


def _key_info(raw: bytes) -> int:
    """Return KEY_INFO: bit 0 author key, bit 1 chip key masked, bits 2 to 4 the signing key."""
    info: int = struct.unpack_from("<I", raw, 0x48)[0]
    if info >> 5:
        raise refuse("key_info reserved bits", hex(info), "only bits 0 to 4")
    if info >> 2 not in SIGNING_KEYS:
        raise refuse("signing key", info >> 2, "0 (VCEK) or 1 (VLEK); 7 means not signed")
    if info & 2:
        raise refuse("chip key masked", "yes", "no: a masked key signs nothing")
    return info
