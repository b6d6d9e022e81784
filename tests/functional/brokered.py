# SPDX-License-Identifier: Apache-2.0
"""An owner's key broker, `rkt-io keys serve`, on a tap between it and the enclaves."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rktio.owner.keyfolder import KeyFolder
from rktio.owner.signed import read_private_key
from rktio.owner.store import Entry
from tests.functional.running import CHECKOUT, Network, host

# bin/rkt-io, with the Python that runs the tests: it has the broker's modules.
RKT_IO = (sys.executable, "-c", "from rktio.cli.main import main; raise SystemExit(main())")
PORT = 8999
SECONDS = 30.0

REFERENCES = """\
version = 1
[[reference]]
name = "app"
tee = "process"
measurement = ["{measurement}"]
"""
POLICY = """\
version = 1
insecure_process = true
[[grant]]
resource = "default/app/root"
references = ["app"]
"""


@dataclass(frozen=True)
class KeyOwner:
    """A broker's folder, and the commands that its owner types."""

    folder: Path
    fingerprint: str

    @classmethod
    def make(cls, folder: Path) -> KeyOwner:
        """Run `rkt-io keys init`, and read the fingerprint that it prints."""
        done = command("keys", "init", "--directory", folder)
        fingerprint = done.stderr.partition("sha256:")[2][:64]
        assert len(fingerprint) == 64, done.stderr
        return cls(folder, fingerprint)

    def keys(self, action: str, *words: str | Path) -> str:
        return command("keys", action, "--directory", self.folder, *words).stdout

    def rules(self, references: str, policy: str = POLICY) -> None:
        """Write and sign rules."""
        (self.folder / "references.toml").write_text(references)
        (self.folder / "policy.toml").write_text(policy)
        folder = KeyFolder(self.folder)
        folder.sign(read_private_key(folder.owner_private))

    def audit(self) -> list[Entry]:
        """Return the entries of the audit log."""
        store = KeyFolder(self.folder).store(None)
        try:
            return store.audit()
        finally:
            store.close()

    @contextmanager
    def serving(self, address: str, port: int = PORT) -> Iterator[str]:
        """Serve while the block runs; yields the broker's URL once it listens."""
        words = ("serve", "--directory", str(self.folder), "--listen", f"{address}:{port}")
        with subprocess.Popen(
            [*RKT_IO, "keys", *words],
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        ) as process:
            reader = threading.Thread(target=lambda: None)
            try:
                assert process.stderr is not None
                line = process.stderr.readline()
                assert f"sha256:{self.fingerprint}" in line, line
                # What it says later must not fill the pipe.
                reader = threading.Thread(target=process.stderr.read, daemon=True)
                reader.start()
                yield f"https://{address}:{port}"
            finally:
                process.terminate()
                process.wait(SECONDS)
                if reader.ident is not None:
                    reader.join(SECONDS)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(CHECKOUT)}


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run an rkt-io command of the owner's; it must be good."""
    done = subprocess.run(
        [*RKT_IO, *map(str, words)],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@contextmanager
def tap(network: Network) -> Iterator[Network]:
    """Make a tap that outlives enclaves, so that a broker can listen on its address."""
    host("ip", "tuntap", "add", "dev", network.tap, "mode", "tap", "vnet_hdr")
    try:
        host("ip", "address", "add", f"{network.host}/24", "dev", network.tap)
        host("ip", "link", "set", network.tap, "up")
        yield network
    finally:
        host("ip", "link", "delete", network.tap)
