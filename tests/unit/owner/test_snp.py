# SPDX-License-Identifier: Apache-2.0
"""SEV-SNP evidence: the genuine holds; each forgery is refused and named."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from rktio.owner import snp
from rktio.owner.claims import Claims, RefusedError
from rktio.owner.roots import ROOTS, Trust, amd_trust, chain_of
from tests.unit.owner import genuine, minting
from tests.unit.owner.minting import NOW, Fields, Leaf, Mint, mint, report, vcek

REPORT, VCEK = genuine.sample("snp-report.bin"), genuine.sample("snp-vcek.der")
VLEK_REPORT, VLEK = genuine.sample("snp-vlek-report.bin"), genuine.sample("snp-vlek.der")


def verify(raw: bytes, certificate: bytes, trust: Trust | None = None) -> Claims:
    data = genuine.snp_report_data(raw)
    return snp.verify_snp(raw, certificate, data, trust or mint().trust(), NOW.timestamp())


def verify_genuine(raw: bytes, certificate: bytes, now: float = genuine.SNP_TIME) -> Claims:
    return snp.verify_snp(raw, certificate, genuine.snp_report_data(raw), amd_trust(), now)


def refused(raw: bytes, certificate: bytes, trust: Trust | None = None) -> str:
    with pytest.raises(RefusedError) as caught:
        verify(raw, certificate, trust)
    return caught.value.refusals[0].claim


def test_a_genuine_vcek_report_holds() -> None:
    claims = verify_genuine(REPORT, VCEK)
    assert claims["product"] == "Milan"
    assert claims["reported_tcb.microcode"] == 115
    assert str(claims["measurement"]).startswith("a1f39304")
    assert claims["debug"] is False


def test_a_genuine_vlek_report_holds() -> None:
    claims = verify_genuine(VLEK_REPORT, VLEK)
    assert claims["endorsement"] == "vlek"
    assert claims["csp_id"] == "CN=cc-us-east-2.amazonaws.com"


def test_a_vlek_that_has_expired_since_is_refused() -> None:
    with pytest.raises(RefusedError, match="VLEK valid until"):
        verify_genuine(VLEK_REPORT, VLEK, NOW.timestamp())


@pytest.mark.parametrize("name", ["invalid-legacy", "invalid-new"])
def test_a_certificate_that_amd_did_not_sign_is_refused(name: str) -> None:
    with pytest.raises(RefusedError, match="VCEK signature"):
        verify_genuine(REPORT, genuine.sample(f"snp-vcek-{name}.der"))


def test_swapped_certificates_are_refused() -> None:
    with pytest.raises(RefusedError, match="certificate name"):
        verify_genuine(REPORT, VLEK)
    with pytest.raises(RefusedError, match="certificate name"):
        verify_genuine(VLEK_REPORT, VCEK)


@pytest.mark.parametrize("product", sorted(ROOTS))
def test_the_published_roots_are_the_pinned_ones(product: str) -> None:
    assert amd_trust().chains[product].ark.issuer == amd_trust().chains[product].ark.subject


def test_another_root_is_refused() -> None:
    own = Mint()
    certificates = (own.ask.certificate, own.ark.certificate, own.asvk.certificate)
    with pytest.raises(RefusedError, match="ARK of Milan"):
        chain_of(certificates, "Milan", ROOTS["Milan"])


@pytest.mark.parametrize("offset", range(0, 0x2A0, 7))
def test_a_flipped_bit_of_a_genuine_report_is_refused(offset: int) -> None:
    raw = bytearray(REPORT)
    raw[offset] ^= 1 << offset % 8
    with pytest.raises(RefusedError):
        verify_genuine(bytes(raw), VCEK)


@pytest.mark.parametrize("offset", [*range(0x2A0, 0x318, 5), 0x318, 0x330, 1183])
def test_a_flipped_bit_of_a_genuine_signature_is_refused(offset: int) -> None:
    raw = bytearray(REPORT)
    raw[offset] ^= 0x10
    with pytest.raises(RefusedError, match="signature"):
        verify_genuine(bytes(raw), VCEK)


@pytest.mark.parametrize("offset", range(3, 1360, 29))
def test_a_flipped_bit_of_a_genuine_certificate_is_refused(offset: int) -> None:
    raw = bytearray(VCEK)
    raw[offset] ^= 1
    with pytest.raises(RefusedError):
        verify_genuine(REPORT, bytes(raw))


def test_a_minted_report_holds() -> None:
    assert verify(report(), vcek())["measurement"] == minting.MEASUREMENT.hex()


def test_a_minted_vlek_report_holds() -> None:
    leaf = Leaf("SEV-VLEK", "Milan", hardware_id=None, csp_id="CN=example")
    certificate = mint().leaf(leaf, minting.chip_key())
    assert verify(report(key_info=4, chip_id=bytes(64)), certificate)["csp_id"] == "CN=example"


def test_a_turin_report_holds_with_its_own_layout() -> None:
    own = Mint("Turin")
    levels = {"fmc": 1, "bootloader": 2, "tee": 0, "snp": 3, "microcode": 70}
    leaf = Leaf(product="Turin-A0", levels=levels, hardware_id=bytes(range(8)))
    tcb = bytes((1, 2, 0, 3, 0, 0, 0, 70))
    fields = Fields(
        version=3, family=0x1A, reported=tcb, committed=tcb, chip_id=bytes(range(8)) + bytes(56)
    )
    certificate = own.leaf(leaf, minting.chip_key())
    claims = verify(report(fields), certificate, own.trust())
    assert (claims["reported_tcb.fmc"], claims["reported_tcb.snp"]) == (1, 3)


def test_report_data_of_another_request_is_refused() -> None:
    with pytest.raises(RefusedError) as caught:
        snp.verify_snp(report(), vcek(), b"\1" * 64, mint().trust(), NOW.timestamp())
    refusal = caught.value.refusals[0]
    assert (refusal.claim, refusal.expected) == ("report_data", "01" * 64)


def test_a_debug_guest_is_marked() -> None:
    assert verify(report(policy=0xB0000), vcek())["debug"] is True


def test_the_hosts_own_report_is_refused() -> None:
    assert refused(report(vmpl=0xFFFFFFFF), vcek()) == "vmpl"


@pytest.mark.parametrize(
    ("changes", "claim"),
    [
        ({"version": 1}, "report version"),
        ({"version": 6}, "report version"),
        ({"policy": 0x10000}, "policy bit 17"),
        ({"policy": 0x30000 | 1 << 40}, "policy reserved bits"),
        ({"vmpl": 4}, "vmpl"),
        ({"algorithm": 2}, "signature algorithm"),
        ({"key_info": 2}, "chip key masked"),
        ({"key_info": 7 << 2}, "signing key"),
        ({"key_info": 1 << 5}, "key_info reserved bits"),
        ({"key_info": 4}, "certificate name"),
        ({"family": 0x19}, "cpuid before version 3"),
        ({"chip_id": bytes(64)}, "chip_id"),
        ({"reported": bytes((3, 0, 0, 0, 0, 0, 24, 217))}, "reported_tcb.bootloader"),
        ({"reported": bytes((4, 1, 0, 0, 0, 0, 24, 217))}, "reported_tcb.tee"),
        ({"reported": bytes((4, 0, 0, 0, 0, 0, 23, 217))}, "reported_tcb.snp"),
        ({"reported": bytes((4, 0, 0, 0, 0, 0, 24, 218))}, "reported_tcb.microcode"),
        ({"reported": bytes((4, 0, 9, 0, 0, 0, 24, 217))}, "current_tcb reserved"),
    ],
)
def test_a_wrong_field_is_refused_by_name(changes: dict[str, object], claim: str) -> None:
    assert refused(report(**changes), vcek()) == claim


@pytest.mark.parametrize(
    ("leaf", "claim"),
    [
        (Leaf(common_name="SEV-VCEX"), "certificate name"),
        (Leaf(product="Bergamo"), "product"),
        (Leaf(product="Genoa-B1"), "product"),
        (Leaf(hardware_id=b"\7" * 64), "chip_id"),
        (Leaf(hardware_id=b"\7" * 63), "certificate extension hardware id"),
        (Leaf(hardware_id=None), "certificate extension hardware id"),
        (Leaf(without=snp.OID_PRODUCT), "certificate extension product name"),
        (Leaf(without=snp.OID_LEVELS["snp"]), "certificate extension snp"),
        (Leaf(levels={**minting.LEVELS, "microcode": 216}), "reported_tcb.microcode"),
        (Leaf(levels={**minting.LEVELS, "tee": 300}), "certificate extension tee"),
        (Leaf(begin=NOW + timedelta(days=1)), "VCEK valid from"),
        (Leaf(end=NOW - timedelta(days=1)), "VCEK valid until"),
    ],
)
def test_a_wrong_certificate_is_refused_by_name(leaf: Leaf, claim: str) -> None:
    assert refused(report(), mint().leaf(leaf, minting.chip_key())) == claim


def test_a_certificate_with_another_kind_of_key_is_refused() -> None:
    certificate = mint().leaf(Leaf(), ec.generate_private_key(ec.SECP256R1()))
    assert refused(report(), certificate) == "certificate key"


def test_a_report_signed_by_another_chip_is_refused() -> None:
    stranger = ec.generate_private_key(ec.SECP384R1())
    raw = minting.signed(minting.unsigned(Fields()), stranger)
    assert refused(raw, vcek()) == "report signature"


def test_a_certificate_of_another_chain_is_refused() -> None:
    assert refused(report(), Mint().leaf(Leaf(), minting.chip_key())) == "VCEK signature"


def test_a_vcek_signed_by_the_vlek_authority_is_refused() -> None:
    certificate = mint().leaf(Leaf(), minting.chip_key(), by=mint().asvk)
    assert refused(report(), certificate) == "VCEK signature"


def test_a_zero_signature_is_refused() -> None:
    assert refused(bytes(minting.unsigned(Fields())), vcek()) == "signature"


@pytest.mark.parametrize("size", [0, 1183, 1185, 4096])
def test_a_report_of_another_length_is_refused(size: int) -> None:
    assert refused(report().ljust(size, b"\0")[:size], vcek()) == "report length"


@pytest.mark.parametrize("offset", [0x4C, 0x190, 0x1EB, 0x1EF, 0x1F8, 0x208, 0x29F])
def test_a_reserved_byte_is_refused_even_when_signed(offset: int) -> None:
    raw = minting.unsigned(Fields())
    raw[offset] = 1
    claim = refused(minting.signed(raw, minting.chip_key()), vcek())
    assert "reserved" in claim or "mitigation" in claim


def test_revoked_certificates_are_refused() -> None:
    own = mint()
    leaf_revoked = own.trust(own.revoke(77, by=own.ask))
    assert refused(report(), vcek(), leaf_revoked) == "VCEK serial"
    ask_revoked = own.trust(own.revoke(2, by=own.ark))
    assert refused(report(), vcek(), ask_revoked) == "ASK serial"


def test_a_list_without_the_certificate_changes_nothing() -> None:
    own = mint()
    assert verify(report(), vcek(), own.trust(own.revoke(5, by=own.ask), own.revoke(by=own.ark)))


def test_a_stale_revocation_list_is_refused() -> None:
    own = mint()
    assert "next update" in refused(
        report(), vcek(), own.trust(own.revoke(by=own.ask, fresh=False))
    )


def test_a_revocation_list_of_somebody_else_is_refused() -> None:
    own, stranger = mint(), Mint()
    forged = stranger.revoke(by=stranger.ask, issuer=own.ask.certificate.subject)
    assert "signature" in refused(report(), vcek(), own.trust(forged))


def test_a_certificate_that_the_owner_named_bad_is_refused() -> None:
    from rktio.owner.roots import fingerprint

    mark = fingerprint(snp.load_certificate(vcek()))
    trust = replace(mint().trust(), revoked_fingerprints=frozenset({mark}))
    assert refused(report(), vcek(), trust) == "VCEK fingerprint"


@pytest.mark.parametrize("der", [b"", b"\x30\x82", VCEK[:-1], VCEK + b"\0", bytes(9000)])
def test_what_is_no_certificate_is_refused(der: bytes) -> None:
    assert refused(report(), der).startswith("certificate")
