# SPDX-License-Identifier: Apache-2.0
"""The owner's rules: reference values of enclaves, and which of them may have which resource.

Two signed files of one folder, read and verified anew for every decision, so that a deleted
reference value denies at once: `references.toml` and `policy.toml`. What isn't named is denied.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rktio.common.errors import RktioError
from rktio.common.toml import Table
from rktio.owner.claims import Claims, Refusal, RefusedError, printable
from rktio.owner.signed import PublicKey, read_signed

POLICY = "policy.toml"
REFERENCES = "references.toml"

DIGEST_BYTES = {
    "snp": {
        "measurement": 48,
        "host_data": 32,
        "id_key_digest": 48,
        "author_key_digest": 48,
        "family_id": 16,
        "image_id": 16,
        "chip_id": 64,
    },
    "tdx": {
        "mr_td": 48,
        "mr_seam": 48,
        "mr_signer_seam": 48,
        "mr_config_id": 48,
        "mr_owner": 48,
        "mr_owner_config": 48,
        "rtmr0": 48,
        "rtmr1": 48,
        "rtmr2": 48,
        "rtmr3": 48,
        "mr_service_td": 48,
        "td_attributes": 8,
        "xfam": 8,
    },
    "process": {"measurement": 48},
}
# Without this claim a reference value would let every enclave of a kind in.
IDENTITY = {"snp": "measurement", "tdx": "mr_td", "process": "measurement"}
WORDS = {
    "snp": {"product", "endorsement", "csp_id"},
    "tdx": {"tcb_status", "fmspc"},
    "process": set[str](),
}
LEVELS = ("fmc", "bootloader", "tee", "snp", "microcode")
# What a reference value demands unless it says otherwise.
DEFAULT_WORDS: dict[str, dict[str, list[str]]] = {
    "snp": {"endorsement": ["vcek"]},  # a VLEK is held by the cloud provider, not by the chip
    "tdx": {"tcb_status": ["UpToDate"]},
    "process": {},
}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Reference:
    """One kind of enclave: the values that its claims may have."""

    name: str
    tee: str
    values: dict[str, tuple[str, ...]]
    minimum_tcb: dict[str, int]
    vmpl: tuple[int, ...] = (0,)
    guest_svn_minimum: int = 0
    allow_migration_agent: bool = False

    def mismatch(self, claims: Claims) -> Refusal | None:
        """Return the first claim that isn't as this reference value wants it, or None."""
        if claims.get("tee") != self.tee:
            return self._refusal("tee", claims.get("tee"), self.tee)
        for claim, allowed in self.values.items():
            if claims.get(claim) not in allowed:
                return self._refusal(claim, claims.get(claim), " or ".join(allowed))
        return self._flags(claims)

    def _flags(self, claims: Claims) -> Refusal | None:
        if self.tee == "process":
            return None
        if claims.get("debug") is not False:
            return self._refusal("debug", claims.get("debug"), False)
        return self._snp(claims) if self.tee == "snp" else None

    def _snp(self, claims: Claims) -> Refusal | None:
        if claims.get("vmpl") not in self.vmpl:
            return self._refusal("vmpl", claims.get("vmpl"), " or ".join(map(str, self.vmpl)))
        if claims.get("migration_agent") is not False and not self.allow_migration_agent:
            return self._refusal("migration_agent", claims.get("migration_agent"), False)
        if not _at_least(claims.get("guest_svn"), self.guest_svn_minimum):
            expected = f"at least {self.guest_svn_minimum}"
            return self._refusal("guest_svn", claims.get("guest_svn"), expected)
        # The host picks reported_tcb; committed_tcb is what it can no longer go back from.
        for level, minimum in self.minimum_tcb.items():
            for kind in ("reported", "committed"):
                measured = claims.get(f"{kind}_tcb.{level}")
                if not _at_least(measured, minimum):
                    return self._refusal(f"{kind}_tcb.{level}", measured, f"at least {minimum}")
        return None

    def _refusal(self, claim: str, measured: object, expected: object) -> Refusal:
        return Refusal(
            claim,
            printable("absent" if measured is None else measured),
            f"{printable(expected)} (reference value {self.name!r})",
        )


@dataclass(frozen=True)
class Rules:
    """All reference values by name, and for each resource the names that may have it."""

    references: dict[str, Reference]
    grants: dict[str, tuple[str, ...]]
    revoked_certificates: frozenset[str]

    def identify(self, claims: Claims) -> Reference:
        """Return the reference value that the claims match. Raises RefusedError: all mismatches."""
        refusals = []
        for reference in self.references.values():
            if reference.tee != claims.get("tee"):
                continue
            refusal = reference.mismatch(claims)
            if refusal is None:
                return reference
            refusals.append(refusal)
        if not refusals:
            tee = printable(claims.get("tee"))
            refusals.append(Refusal("tee", tee, "a reference value for it; there is none"))
        raise RefusedError(*refusals)

    def check_grant(self, resource: str, claims: Claims) -> None:
        """Refuse unless the policy gives a resource to an enclave with these claims."""
        allowed = self.grants.get(resource)
        if allowed is None:
            raise RefusedError(
                Refusal("resource", printable(resource), "one that the policy names")
            )
        refusals = []
        for name in allowed:
            reference = self.references.get(name)
            if reference is None:
                refusals.append(Refusal("reference value", "deleted or missing", name))
                continue
            refusal = reference.mismatch(claims)
            if refusal is None:
                return
            refusals.append(refusal)
        raise RefusedError(*refusals or [Refusal("resource", resource, "granted to somebody")])


def load_rules(folder: Path, key: PublicKey) -> Rules:
    """Read and verify both files. Raises RktioError; the caller denies everything then."""
    references = _parse(folder / REFERENCES, "references", key, ("version", "reference"))
    policy = _parse(
        folder / POLICY,
        "policy",
        key,
        ("version", "grant", "insecure_process", "revoked_certificates"),
    )
    insecure = policy.boolean("insecure_process") or False
    found = _references(references, folder / REFERENCES, insecure)
    return Rules(found, _grants(policy, folder / POLICY), _revoked(policy, folder / POLICY))


def _parse(path: Path, kind: str, key: PublicKey, known: Collection[str]) -> Table:
    import tomllib

    contents = read_signed(path, kind, key)
    try:
        data: dict[str, Any] = tomllib.loads(contents.decode())
    except (ValueError, RecursionError) as error:
        raise RktioError(f"{path}: malformed TOML: {error}") from error
    table = Table(path, "", data, known)
    if table.integer("version") != 1:
        raise table.wrong("version", "1")
    return table


def _references(table: Table, path: Path, insecure_process: bool) -> dict[str, Reference]:
    found: dict[str, Reference] = {}
    known = {"name", "tee", "minimum_tcb", "vmpl", "guest_svn_minimum", "allow_migration_agent"}
    for values in DIGEST_BYTES.values():
        known |= values.keys()
    for words in WORDS.values():
        known |= words
    for entry in table.tables("reference", known) or []:
        reference = _reference(entry, path)
        if reference.name in found:
            raise RktioError(f"{path}: reference value {reference.name!r} is there twice")
        if reference.tee == "process" and not insecure_process:
            continue  # not named by the policy: as if it weren't there
        found[reference.name] = reference
    return found


def _reference(entry: Table, path: Path) -> Reference:
    name, tee = entry.string("name"), entry.string("tee")
    if name is None or not NAME.fullmatch(name):
        raise entry.wrong("name", "a name of letters, digits, '.', '_' and '-'")
    if tee not in DIGEST_BYTES:
        raise entry.wrong("tee", " or ".join(sorted(DIGEST_BYTES)))
    snp_only = {"minimum_tcb", "vmpl", "guest_svn_minimum", "allow_migration_agent"}
    allowed = {"name", "tee"} | DIGEST_BYTES[tee].keys() | WORDS[tee]
    for key in entry.keys():  # noqa: SIM118  a Table isn't a dict
        if key not in allowed | (snp_only if tee == "snp" else set()):
            raise RktioError(f"{path}: reference value {name!r}: {key} is no claim of {tee}")
    values = _values(entry, tee)
    if IDENTITY[tee] not in values:
        raise RktioError(f"{path}: reference value {name!r} has no {IDENTITY[tee]}")
    return Reference(
        name=name,
        tee=tee,
        values=values,
        minimum_tcb=_minimum_tcb(entry, path) if tee == "snp" else {},
        vmpl=_vmpl(entry),
        guest_svn_minimum=entry.integer("guest_svn_minimum") or 0,
        allow_migration_agent=entry.boolean("allow_migration_agent") or False,
    )


def _values(entry: Table, tee: str) -> dict[str, tuple[str, ...]]:
    values: dict[str, list[str]] = {**DEFAULT_WORDS[tee]}
    for claim, size in DIGEST_BYTES[tee].items():
        digests = entry.strings(claim)
        if digests is None:
            continue
        if not digests or not all(re.fullmatch(rf"[0-9a-f]{{{2 * size}}}", d) for d in digests):
            raise entry.wrong(claim, f"a list of strings of {2 * size} lower-case hex digits")
        values[claim] = digests
    for claim in WORDS[tee]:
        words = entry.strings(claim)
        if words is not None:
            if not words:
                raise entry.wrong(claim, "a list with at least one string")
            values[claim] = words
    return {claim: tuple(allowed) for claim, allowed in values.items()}


def _minimum_tcb(entry: Table, path: Path) -> dict[str, int]:
    table = entry.table("minimum_tcb", LEVELS)
    if table is None:
        name = entry.string("name")
        raise RktioError(
            f"{path}: reference value {name!r} has no minimum_tcb",
            hint="minimum_tcb = { bootloader = 3, tee = 0, snp = 8, microcode = 115 }",
        )
    found = {}
    for level in table.keys():  # noqa: SIM118  a Table isn't a dict
        value = table.integer(level)
        if value is None or not 0 <= value <= 255:
            raise table.wrong(level, "0 to 255")
        found[level] = value
    return found


def _vmpl(entry: Table) -> tuple[int, ...]:
    value = entry.integer("vmpl")
    if value is not None and not 0 <= value <= 3:
        raise entry.wrong("vmpl", "0 to 3")
    return (value or 0,)


def _grants(policy: Table, path: Path) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for entry in policy.tables("grant", ("resource", "references")) or []:
        resource, names = entry.string("resource"), entry.strings("references")
        if resource is None or not is_resource(resource):
            raise entry.wrong("resource", "REPOSITORY/TYPE/TAG")
        if names is None:
            raise entry.wrong("references", "a list of names of reference values")
        if resource in found:
            raise RktioError(f"{path}: resource {resource!r} is granted twice")
        found[resource] = tuple(names)
    return found


def is_resource(path: str) -> bool:
    """Say whether a path is REPOSITORY/TYPE/TAG."""
    parts = path.split("/")
    return len(parts) == 3 and all(NAME.fullmatch(part) for part in parts)


def _revoked(policy: Table, path: Path) -> frozenset[str]:
    marks = policy.strings("revoked_certificates") or []
    for mark in marks:
        if not re.fullmatch(r"[0-9a-f]{64}", mark):
            raise RktioError(f"{path}: revoked_certificates: {mark!r} is no SHA-256 in hex")
    return frozenset(marks)


def _at_least(measured: object, minimum: int) -> bool:
    return type(measured) is int and measured >= minimum
