# SPDX-License-Identifier: Apache-2.0
"""The host's part of a sealed image's start: files taken over, nothing verified, no key seen."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

import pytest

from rktio.cli.run import options_from, parser
from rktio.common.errors import RktioError
from rktio.host import sealed
from rktio.host.options import NetMode, NetOptions, RunOptions, SealedOptions, Tee
from rktio.host.sealed import OwnersWord, open_key_file
from rktio.owner import sealed_config

CHECKOUT = Path(__file__).resolve().parents[3]
DER = bytes(range(200))
PEM = b"text before\n-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n"
NETWORK = '{"addresses":["10.9.0.1/24"],"dns":[],"gateways":[],"mtu":1400}'
FLAGS = ("--sealed-config", "a.sealed", "--owner-key", "a.crt")


def word(folder: Path, document: str, certificate: bytes | None = None) -> OwnersWord:
    config, owner = folder / "a.sealed", folder / "a.crt"
    config.write_text(f"title\n{document}\nsignature\n")
    owner.write_bytes(PEM % base64.encodebytes(DER) if certificate is None else certificate)
    return OwnersWord.read(SealedOptions(config, owner))


def test_both_files_are_passed_on_as_they_are(tmp_path: Path) -> None:
    found = word(tmp_path, '{"policy":{"terminal":true}}')
    assert found.certificate == DER
    assert found.text == 'title\n{"policy":{"terminal":true}}\nsignature\n'
    assert found.terminal


def test_the_documents_network_is_the_devices(tmp_path: Path) -> None:
    found = word(tmp_path, f'{{"network":{NETWORK}}}')
    assert found.net(NetOptions(tap_name="t0")) == NetOptions(
        tap_name="t0", addresses=("10.9.0.1/24",), gateways=(), mtu=1400
    )
    assert found.net(NetOptions.none()) == NetOptions.none()
    assert found.addresses == ("10.9.0.1/24",)


def test_without_a_network_in_it_there_is_no_device(tmp_path: Path) -> None:
    found = word(tmp_path, "{}")
    assert found.net(NetOptions()) == NetOptions.none()
    # One that was asked for goes to the enclave, which refuses it.
    assert found.net(NetOptions(mode=NetMode.TAP)).mode is NetMode.TAP


@pytest.mark.parametrize(
    "given",
    [NetOptions(addresses=("10.0.0.1/8",)), NetOptions(mtu=9000), NetOptions(dns=("9.9.9.9",))],
)
def test_the_host_says_no_addresses(tmp_path: Path, given: NetOptions) -> None:
    with pytest.raises(RktioError, match="sealed configuration says"):
        word(tmp_path, f'{{"network":{NETWORK}}}').net(given)


@pytest.mark.parametrize("document", ["", "[]", "{", "[" * 100_000])
def test_another_file_is_no_configuration(tmp_path: Path, document: str) -> None:
    with pytest.raises(RktioError, match="not a sealed configuration"):
        word(tmp_path, document)


@pytest.mark.parametrize("pem", [b"", b"x", PEM % b"!", PEM % b"", PEM % b"QUJD" * 40_000])
def test_another_file_is_no_certificate(tmp_path: Path, pem: bytes) -> None:
    with pytest.raises(RktioError, match=r"certificate|larger"):
        word(tmp_path, "{}", pem)


def test_bounds_are_those_of_the_boundary() -> None:
    header = (CHECKOUT / "abi" / "launch.h").read_text()
    assert f"LAUNCH_CERTIFICATE_MAX\t{sealed.CERTIFICATE_BYTES_MAX}\n" in header
    assert re.search(r"LAUNCH_SEALED_MAX\t\(256 << 10\)", header)
    assert sealed.CONFIG_BYTES_MAX == 256 << 10 == sealed_config.BYTES_MAX


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "app.volume"
    path.write_bytes(bytes(64))
    path.chmod(0o640)
    with pytest.raises(RktioError, match="read by others"):
        open_key_file(path)
    path.chmod(0o600)
    os.close(open_key_file(path))
    with pytest.raises(RktioError, match="not a file"):
        open_key_file(tmp_path)
    with pytest.raises(RktioError, match="No such file"):
        open_key_file(tmp_path / "none")


def test_all_words_after_a_sealed_image_are_additions() -> None:
    options = options_from(parser().parse_args([*FLAGS, "--keys", "https://b/", "a.img", "--x"]))
    assert (options.image, options.program, options.args) == (Path("a.img"), "", ("--x",))
    assert options.sealed == SealedOptions(Path("a.sealed"), Path("a.crt"), keys="https://b/")


def test_a_file_can_say_it_too(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('image = "a.img"\n[sealed]\nconfig = "a.sealed"\nowner-key = "a.crt"\n')
    options = options_from(parser().parse_args(["--config", str(path), "--insecure-key-file", "k"]))
    assert options.sealed == SealedOptions(
        tmp_path / "a.sealed", tmp_path / "a.crt", insecure_key_file=Path("k")
    )
    path.write_text(path.read_text() + 'keys = "https://b"\ntee = "tdx"\n')
    options = options_from(parser().parse_args(["--config", str(path), "--tee", "snp"]))
    assert options.sealed is not None
    assert (options.sealed.keys, options.sealed.tee) == ("https://b", Tee.SNP)


def test_half_of_it_is_refused() -> None:
    for flags, missing in ((FLAGS[:2], "--owner-key"), (FLAGS[2:], "--sealed-config")):
        with pytest.raises(RktioError, match=missing):
            options_from(parser().parse_args([*flags, "a.img"]))
    with pytest.raises(RktioError, match="a broker and of a file"):
        SealedOptions(Path("c"), Path("o"), keys="https://b/", insecure_key_file=Path("k"))
    with pytest.raises(RktioError, match="without a key broker"):
        SealedOptions(Path("c"), Path("o"), tee=Tee.SNP)
    with pytest.raises(RktioError, match="tee 'sgx' is unknown"):
        options_from(parser().parse_args([*FLAGS, "--keys", "https://b", "--tee", "sgx", "a.img"]))


def test_the_program_is_not_the_hosts_to_name() -> None:
    with pytest.raises(RktioError, match="names the program"):
        RunOptions(Path("a.img"), "/bin/sh", sealed=SealedOptions(Path("c"), Path("o")))
