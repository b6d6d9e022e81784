# SPDX-License-Identifier: Apache-2.0
"""Debian packages are installed as on a Debian machine, and reproducibly."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.image import Image, debian
from rktio.image.tree import Node, Tree
from tests.unit.image.inputs import sound

LOG = Path("mmdebstrap.log")


def test_documentation_and_leftovers_are_taken_out() -> None:
    tree = Tree()
    kept = [b"usr/share/doc/bash/copyright", b"usr/bin/bash", b"usr/share/locale/locale.alias"]
    dropped = [
        b"usr/share/doc/bash/README",
        b"usr/share/man/man1/bash.1.gz",
        b"usr/share/locale/de/LC_MESSAGES/bash.mo",
        b"var/cache/ldconfig/aux-cache",
        b"var/lib/dpkg/status-old",
    ]
    for path in (*kept, *dropped):
        tree.add(path, Node(stat.S_IFREG | 0o644))
    debian.trim(tree)
    assert [path for path in dropped if path in tree.nodes] == []
    assert [path for path in kept if path not in tree.nodes] == []


def test_an_unknown_package_is_named() -> None:
    log = ["I: downloading packages", "E: Unable to locate package redis-sever", "E: apt failed"]
    error = debian.failure(log, "bookworm", LOG)
    assert error.message == "Debian bookworm has no package redis-sever"


def test_a_network_that_is_down_is_named() -> None:
    log = ["W: Failed to fetch x  Temporary failure resolving 'deb.debian.org'", "E: apt failed"]
    assert "cannot download from Debian" in debian.failure(log, "bookworm", LOG).message


def test_any_other_failure_shows_the_last_errors() -> None:
    error = debian.failure(["I: a", "E: broken"], "bookworm", LOG)
    assert error.message == "mmdebstrap failed: broken"
    assert str(LOG) in str(error.hint)


def test_a_user_without_subordinate_ids_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    with pytest.raises(RktioError, match="54321 has no subordinate ids") as caught:
        debian.mode()
    assert "usermod --add-subuids" in str(caught.value.hint)


@pytest.mark.slow
@pytest.mark.needs("mmdebstrap", "e2fsck")
def test_redis_is_installed_reproducibly(tmp_path: Path) -> None:
    digests = []
    for name in ("one.img", "two.img"):
        Image.create(tmp_path / name, debian=["redis-server"]).close()
        digests.append(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert digests[0] == digests[1]
    sound(tmp_path / "one.img")
    with Image.open(tmp_path / "one.img") as image:
        assert image.program("redis-server").interpreter == "/lib64/ld-linux-x86-64.so.2"
        users = [line.split(":") for line in image.read("/etc/passwd").decode().splitlines()]
        redis = next(user for user in users if user[0] == "redis")
        assert image.stat("/var/lib/redis").uid == int(redis[2])
        assert b"libc.so.6" in image.read("/etc/ld.so.cache")
        assert image.stat("/usr/bin/awk").path == "/usr/bin/mawk"  # by alternatives
        assert image.read("/etc/hostname") == b"localhost\n"
