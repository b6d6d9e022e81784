# SPDX-License-Identifier: Apache-2.0
"""Rules are signed, strict, and deny what they don't name."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from rktio.common.errors import RktioError
from rktio.owner.claims import Claims, RefusedError
from rktio.owner.policy import Rules, load_rules
from rktio.owner.signed import (
    PrivateKey,
    read_private_key,
    read_public_key,
    read_signed,
    sign_file,
)

OWNER = ed25519.Ed25519PrivateKey.generate()
DIGEST = "ab" * 48
TDX = f"""
version = 1
[[reference]]
name = "vm"
tee = "tdx"
mr_td = ["{DIGEST}", "{"cd" * 48}"]
rtmr1 = ["{DIGEST}"]
"""
CLAIMS: Claims = {
    "tee": "tdx",
    "mr_td": DIGEST,
    "rtmr1": DIGEST,
    "debug": False,
    "tcb_status": "UpToDate",
}
POLICY = 'version = 1\n[[grant]]\nresource = "a/b/c"\nreferences = ["vm"]\n'


def rules(folder: Path, references: str = TDX, policy: str = POLICY) -> Rules:
    for name, text in (("references", references), ("policy", policy)):
        path = folder / f"{name}.toml"
        path.write_text(text)
        sign_file(path, name, OWNER)
    return load_rules(folder, OWNER.public_key())


def test_matching_claims_are_identified_and_granted(tmp_path: Path) -> None:
    found = rules(tmp_path)
    assert found.identify(CLAIMS).name == "vm"
    found.check_grant("a/b/c", CLAIMS)


@pytest.mark.parametrize(
    "change",
    [
        {"mr_td": "ef" * 48},
        {"rtmr1": "00" * 48},
        {"debug": True},
        {"debug": 0},
        {"tcb_status": "OutOfDate"},
        {"tcb_status": "ConfigurationNeeded"},
    ],
)
def test_each_claim_must_match(tmp_path: Path, change: Claims) -> None:
    with pytest.raises(RefusedError) as caught:
        rules(tmp_path).identify({**CLAIMS, **change})
    assert caught.value.refusals[0].claim == next(iter(change))


@pytest.mark.parametrize("claim", sorted(CLAIMS))
def test_an_absent_claim_is_refused(tmp_path: Path, claim: str) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != claim}
    with pytest.raises(RefusedError):
        rules(tmp_path).identify(claims)


def test_another_tcb_status_can_be_allowed(tmp_path: Path) -> None:
    relaxed = TDX + 'tcb_status = ["UpToDate", "SWHardeningNeeded"]\n'
    assert rules(tmp_path, relaxed).identify({**CLAIMS, "tcb_status": "SWHardeningNeeded"})


def test_a_grant_to_nobody_is_refused(tmp_path: Path) -> None:
    found = rules(tmp_path, policy=POLICY.replace('["vm"]', "[]"))
    with pytest.raises(RefusedError):
        found.check_grant("a/b/c", CLAIMS)


SNP = f'version = 1\n[[reference]]\nname = "s"\ntee = "snp"\nmeasurement = ["{DIGEST}"]\n'


@pytest.mark.parametrize(
    ("references", "message"),
    [
        ("", "version must be 1"),
        ("version = 2", "version must be 1"),
        ("version = true", "must be an integer"),
        ("version = 1\nreference = 1", "array of tables"),
        ("version = 1\nreferences = []", "did you mean 'reference'"),
        (TDX + 'rtmr4 = ["x"]', "unknown key"),
        (TDX + "rtmr2 = []", "rtmr2 must be"),
        (TDX + 'rtmr2 = ["AB"]', "rtmr2 must be"),
        (TDX + f'rtmr2 = ["{"AB" * 48}"]', "lower-case"),
        (TDX + f'measurement = ["{DIGEST}"]', "no claim of tdx"),
        (TDX + "vmpl = 1", "no claim of tdx"),
        (TDX + "tcb_status = []", "at least one"),
        (TDX.replace("mr_td", "mr_seam"), "has no mr_td"),
        (TDX + TDX.partition("version = 1")[2], "is there twice"),
        (TDX.replace('"vm"', '"v m"'), "must be a name"),
        (TDX.replace('"tdx"', '"sgx"'), "tee must be"),
        (SNP, "has no minimum_tcb"),
        (SNP + "minimum_tcb = { snp = 300 }", "0 to 255"),
        (SNP + "minimum_tcb = { snpp = 3 }", "did you mean 'snp'"),
        (SNP + "minimum_tcb = { snp = 3 }\nvmpl = 4", "vmpl must be 0 to 3"),
        ("version = 1\nx = [" + "[" * 3000, "malformed TOML"),
    ],
)
def test_wrong_references_are_refused(tmp_path: Path, references: str, message: str) -> None:
    with pytest.raises(RktioError) as caught:
        rules(tmp_path, references)
    assert message in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (POLICY.replace("a/b/c", "a/b"), "REPOSITORY/TYPE/TAG"),
        (POLICY.replace("a/b/c", "a/../c"), "REPOSITORY/TYPE/TAG"),
        (POLICY.replace("a/b/c", "a/b/c d"), "REPOSITORY/TYPE/TAG"),
        (POLICY.replace('["vm"]', '"vm"'), "list of strings"),
        (POLICY + POLICY.partition("version = 1")[2], "granted twice"),
        ('insecure_process = "yes"\n' + POLICY, "true or false"),
        ('revoked_certificates = ["x"]\n' + POLICY, "no SHA-256"),
        ("allow_all = true\n" + POLICY, "unknown key"),
    ],
)
def test_a_wrong_policy_is_refused(tmp_path: Path, policy: str, message: str) -> None:
    with pytest.raises(RktioError, match=message):
        rules(tmp_path, policy=policy)


def test_another_owners_signature_is_refused(tmp_path: Path) -> None:
    rules(tmp_path)
    with pytest.raises(RktioError, match="signature"):
        load_rules(tmp_path, ed25519.Ed25519PrivateKey.generate().public_key())


@pytest.mark.parametrize(
    "key",
    [
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 3072),
    ],
    ids=["ed25519", "ecdsa", "rsa"],
)
def test_owners_may_use_any_common_key(tmp_path: Path, key: PrivateKey) -> None:
    private, public, path = tmp_path / "k", tmp_path / "p", tmp_path / "f"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    private.write_bytes(pem)
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    public.write_bytes(pem)
    path.write_bytes(b"contents")
    sign_file(path, "kind", read_private_key(private))
    assert read_signed(path, "kind", read_public_key(public)) == b"contents"
    for changed in (b"content", b"contents\n", b""):
        path.write_bytes(changed)
        with pytest.raises(RktioError, match="signature"):
            read_signed(path, "kind", read_public_key(public))
    path.write_bytes(b"contents")
    with pytest.raises(RktioError, match="signature"):
        read_signed(path, "other kind", read_public_key(public))


def test_a_weak_or_unknown_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p"
    for key, message in (
        (rsa.generate_private_key(65537, 2048).public_key(), "2048 bits"),
        (None, "not a public key"),
    ):
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) if key else b"x"
        path.write_bytes(pem)
        with pytest.raises(RktioError, match=message):
            read_public_key(path)
