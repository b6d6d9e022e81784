# SPDX-License-Identifier: Apache-2.0
"""rkt-io-disk as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rktio.cli.disk import main
from tests.unit.image.inputs import TarBuilder

pytestmark = pytest.mark.needs("e2fsck")


@pytest.fixture
def image(tar: TarBuilder, tmp_path: Path) -> Path:
    tar.add("etc/motd", b"hello\n", mode=0o600).add("etc/new\nline", b"x").symlink("link", "etc")
    path = tmp_path / "app.img"
    assert main(["create", "--tar", str(tar.close()), "--size", "32M", str(path)]) == 0
    return path


def test_ls_lists_a_directory(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", str(image), "/etc"]) == 0
    assert capsys.readouterr().out == "motd\nnew\\nline\n"


def test_ls_long_shows_modes_and_links(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "-lR", str(image)]) == 0
    out = capsys.readouterr().out
    assert "-rw-------   1     0     0            6 2020-09-13 12:26 /etc/motd\n" in out
    assert "/link -> etc\n" in out


def test_ls_speaks_json(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "--json", str(image), "/etc"]) == 0
    files = json.loads(capsys.readouterr().out)
    assert [file["path"] for file in files] == ["/etc/motd", "/etc/new\nline"]


def test_cat_prints_files(image: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["cat", str(image), "/link/motd", "/etc/motd"]) == 0
    assert capfdbinary.readouterr().out == b"hello\nhello\n"


def test_extract_copies(image: Path, tmp_path: Path) -> None:
    assert main(["extract", str(image), "/etc/motd", str(tmp_path / "motd")]) == 0
    assert (tmp_path / "motd").read_text() == "hello\n"


def test_info_speaks_json(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["info", "--json", str(image)]) == 0
    assert json.loads(capsys.readouterr().out)["size_bytes"] == 32 << 20
    assert main(["info", str(image)]) == 0
    assert "state:    clean" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["ls", "absent.img"],
        ["cat", "{image}", "/absent"],
        ["cat", "{image}", "/etc"],
        ["create", "{image}", "--debian", "redis-server"],
        ["create", "new.img"],
        ["create", "--debian", "x y", "new.img"],
        ["create", "--debian", "redis-server"],
        ["create", "--copy", "nothing", "new.img"],
        ["create", "--size", "many", "--directory", ".", "new.img"],
    ],
)
def test_a_mistake_costs_one_line(
    image: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main([word.replace("{image}", str(image)) for word in words]) == 1
    told = capsys.readouterr().err
    assert told.startswith("rkt-io: ")
    assert told.count("\n") == 1


def test_no_command_is_a_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().err
