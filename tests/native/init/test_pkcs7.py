# SPDX-License-Identifier: Apache-2.0
"""PID 1 takes a PKCS#7 signature in one form: no byte of it means nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rktio.common import der, pkcs7
from tests.native.init.conftest import PROGRAMS, RUNTIME, SANITIZE, Compile

pytestmark = pytest.mark.needs("gcc")

ISSUER = der.encode(der.SEQUENCE, b"an issuer of some length")
SERIAL = 0x7A1B2C3D


@pytest.fixture(scope="module")
def reader(compiled: Compile) -> Path:
    sources = (PROGRAMS / "pkcs7_read.c", RUNTIME / "init_pkcs7.c")
    return compiled("pkcs7_read", *SANITIZE, *sources)


@pytest.mark.parametrize("algorithm", ["ecdsa", "rsa"])
@pytest.mark.parametrize("value", [b"short", bytes(range(200)), bytes(512)])
def test_only_what_is_signed_or_looked_up_may_differ(
    reader: Path, algorithm: str, value: bytes
) -> None:
    """The value is verified, issuer and serial number name the certificate, by the kernel."""
    signature = pkcs7.encode(pkcs7.Signature(ISSUER, SERIAL, algorithm, value))
    done = subprocess.run([reader], input=signature, capture_output=True, check=True, timeout=60)
    whole, *changeable = done.stdout.decode().split("\n")[:-1]
    assert whole == "whole"
    free: set[int] = set()
    for content in (b"an issuer of some length", der.integer(SERIAL)[2:], value):
        start = signature.rindex(content)
        free |= set(range(start, start + len(content)))
    # RSA has two names that differ in more than a bit; SHA-256's NULL is more than a bit too.
    assert set(map(int, changeable)) == free


def test_no_signature_is_none(reader: Path) -> None:
    done = subprocess.run([reader], input=b"0", capture_output=True, check=True, timeout=60)
    assert done.stdout == b""
