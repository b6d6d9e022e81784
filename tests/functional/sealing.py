# SPDX-License-Identifier: Apache-2.0
"""An owner with sealed images of a shell, and a host that starts them or tampers with them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rktio.common.signing import SigningKey, load_signing_key, make_key
from rktio.image.create import Recipe, create_image
from rktio.image.layout import Layout
from rktio.image.seal import Seal
from rktio.image.sealed import SealedImage
from rktio.image.volume import VolumeKey
from rktio.owner.config import Configuration
from rktio.owner.sealed_config import SealedConfiguration
from tests.functional.running import CHECKOUT

KEY = VolumeKey(bytes(range(64, 128)))
SIZE_BYTES = 16 << 20
PAYLOAD_BYTES = 4 << 20
SECONDS = 60.0

# The shell's script is a variable that the host may set: each test asks for what it needs.
CONFIGURATION = """\
version = 1
program = "/bin/sh"
args = ["-c", 'eval "$SCRIPT"', "shell"]
env = {{ PATH = "/bin", OWNERS = "b c" }}
[root]
image = "{image}"
{root}
[policy]
host-args = ["--level"]
host-env = ["SCRIPT"]
{rest}
"""


@dataclass(frozen=True)
class Owned:
    """An image with all that its owner hands out for it."""

    image: Path
    config: Path
    certificate: Path
    key_file: Path | None
    owner: SigningKey
    layout: Layout


def make_owner(folder: Path, name: str = "owner") -> SigningKey:
    """Make a key as rkt-io-disk keygen does."""
    make_key(folder / name)
    return load_signing_key(str(folder / f"{name}.key"))


def make_root(folder: Path, busybox: str) -> Path:
    """Make a tree with a shell, and a file whose every block differs."""
    root = folder / "tree"
    for name in ("bin", "dev", "proc", "sys", "run", "tmp", "etc"):
        (root / name).mkdir(parents=True)
    shutil.copy(busybox, root / "bin" / "busybox")
    for name in ("sh", "cat", "dd", "echo", "env", "mount", "df", "sha256sum", "sleep", "tr", "ls"):
        (root / "bin" / name).symlink_to("busybox")
    blocks = (number.to_bytes(4, "little") * 1024 for number in range(PAYLOAD_BYTES // 4096))
    (root / "payload").write_bytes(b"".join(blocks))
    return root


def make_image(path: Path, root: Path, key: VolumeKey | None, owner: SigningKey | None) -> Layout:
    """Seal a tree."""
    create_image(
        path, Recipe(directories=(root,), size_bytes=SIZE_BYTES), seal=Seal(key=key, signer=owner)
    )
    with SealedImage.open(path) as image:
        return image.layout


def read_image(path: Path) -> tuple[str, bool]:
    """Return what a configuration says of an image."""
    with SealedImage.open(path) as image:
        return image.root_hash.hex(), image.encrypted


def configure(image: Path, owner: SigningKey, name: str, *, root: str = "", rest: str = "") -> Path:
    """Write and seal a configuration of an image."""
    folder = image.parent
    source = folder / f"{name}.toml"
    source.write_text(CONFIGURATION.format(image=image.name, root=root, rest=rest))
    sealed = folder / f"{name}.sealed"
    configuration = Configuration.read(source, read_image)
    sealed.write_bytes(SealedConfiguration.seal(configuration, owner).encode())
    return sealed


def key_file(folder: Path, key: VolumeKey = KEY, name: str = "app.volume") -> Path:
    """Write a volume key as rkt-io-disk create --key-out does."""
    path = folder / name
    path.write_bytes(key.secret)
    path.chmod(0o600)
    return path


class Host:
    """Starts sealed images; `changed` is one that somebody has been at."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program = program
        self.folder = folder

    def command(self, owned: Owned, *words: str, script: str = "true") -> list[str]:
        keys = ("--insecure-key-file", str(owned.key_file)) if owned.key_file else ()
        sealed = ("--sealed-config", str(owned.config), "--owner-key", str(owned.certificate))
        options = (*keys, *sealed, "--memory", "256M", "--env", f"SCRIPT={script}")
        split = next((at for at, word in enumerate(words) if word == "--"), len(words))
        image = (str(owned.image), *words[split + 1 :])
        return [str(CHECKOUT / "bin/rkt-io-run"), *options, *words[:split], *image]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "RKT_IO_ENCLAVE": str(self.program)}

    def run(
        self, owned: Owned, *words: str, script: str = "true"
    ) -> subprocess.CompletedProcess[str]:
        """Run a script of the image; options, then "--" and arguments."""
        return subprocess.run(
            self.command(owned, *words, script=script),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.environment(),
            timeout=SECONDS,
            check=False,
        )

    def output(self, owned: Owned, *words: str, script: str) -> str:
        """Return what the script prints; it must be good."""
        done = self.run(owned, *words, script=script)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def refusal(self, owned: Owned, *words: str) -> str:
        """Return the one line of a start that is refused; the program must not have run."""
        done = self.run(owned, *words, script="echo started")
        assert (done.returncode, done.stdout) == (125, ""), done.stderr + done.stdout
        lines = [line for line in done.stderr.splitlines() if line.startswith("rkt-io: ")]
        assert len(lines) == 1, done.stderr
        assert done.stderr == f"{lines[0]}\n", done.stderr
        assert not re.search(r"[^\x20-\x7e]", lines[0])
        return lines[0].removeprefix("rkt-io: ")

    @contextmanager
    def changed(
        self, owned: Owned, offset: int = 0, bit: int = 0, *, size: int | None = None
    ) -> Iterator[Owned]:
        """Give a copy with one flipped bit, or cut to `size`."""
        copy = self.folder / "changed.img"
        subprocess.run(["cp", "--sparse=always", owned.image, copy], check=True)
        with copy.open("r+b") as file:
            if size is not None:
                file.truncate(size)
            else:
                file.seek(offset)
                byte = file.read(1)[0]
                file.seek(offset)
                file.write(bytes([byte ^ 1 << bit]))
        try:
            yield replace(owned, image=copy)
        finally:
            copy.unlink()
