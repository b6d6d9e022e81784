# SPDX-License-Identifier: Apache-2.0
"""The parsers of the client behind a pipe, and right messages to spoil."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from rktio.owner.jwe import encrypt
from rktio.owner.jwk import TeePublicKey, parse_jwk

SECRET = bytes(range(64))
VCEK = bytes.fromhex("63da758de6644564adc5f4b93be8accd")
VLEK = bytes.fromhex("a8074bc2a25a483eaae639c045a0b8a1")
ASK = bytes.fromhex("4ab7b379bbac4fe4a02f05aef327c782")
PROCESS, SNP, TDX = range(3)
SANITIZER_STATUS = 1


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def http_answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def evidence(tee: int, primary: bytes, auxiliary: bytes = b"", reserved: int = 0) -> bytes:
    """Return what /dev/rktio-tee gives."""
    return struct.pack("<4I", tee, len(primary), len(auxiliary), reserved) + primary + auxiliary


def certificate_table(*entries: tuple[bytes, bytes]) -> bytes:
    """Return the table of the GHCB specification, 4.1.8.1."""
    at = 24 * (len(entries) + 1)
    head, body = b"", b""
    for guid, der in entries:
        head += guid + struct.pack("<2I", at + len(body), len(der))
        body += der
    return head + bytes(24) + body


def launch_record(**configuration: Any) -> bytes:
    document = {
        "root": {"encrypted": True},
        "data": [{"name": "db"}],
        "keys": {"fingerprint": "ab" * 32, "resources": "default/redis"},
    } | configuration
    sealed = b"rkt-io sealed configuration 1\n" + compact(document) + b"\nMIA=\n"
    return b"version=1\0sealed_config=" + sealed + b"\0tee=process\0"


class Parser:
    """The program `messages`; a crash of it fails the test."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.key: TeePublicKey = parse_jwk(json.loads(self._line()))

    def __enter__(self) -> Parser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        status = self._process.wait(20)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
        assert kind is not None or status == 0

    def _line(self) -> str:
        assert self._process.stdout is not None and self._process.stderr is not None
        line = self._process.stdout.readline().decode()
        assert line.endswith("\n"), self._process.stderr.read().decode(errors="replace")
        return line.rstrip("\n")

    def parse(self, kind: str, message: bytes) -> str:
        """Return "taken" or the reason why not."""
        assert self._process.stdin is not None
        self._process.stdin.write(kind.encode() + struct.pack("=I", len(message)) + message)
        self._process.stdin.flush()
        return self._line().removeprefix("refused: ")

    def secret(self) -> dict[str, str]:
        """Return a right JWE for this program's key."""
        return encrypt(SECRET, self.key)


def right_messages(parser: Parser) -> dict[str, bytes]:
    """Return a message of each kind that is taken."""
    nonce = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="
    return {
        "A": http_answer(b'{"token":"a.b.c"}', "Set-Cookie: kbs-session-id=abc=; HttpOnly"),
        "C": compact({"nonce": nonce, "extra-params": {"selected-hash-algorithm": "sha384"}}),
        "T": compact({"token": "a.b.c"}),
        "R": compact(parser.secret()),
        "E": evidence(SNP, bytes(1184), certificate_table((ASK, b"ask"), (VCEK, b"vcek"))),
        "P": launch_record(),
    }
