# SPDX-License-Identifier: Apache-2.0
"""rkt-io keys: what an owner types, from an empty folder to the audit log."""

from __future__ import annotations

import io
import json
import socket
import sys
from pathlib import Path

import pytest

from rktio.cli.keys import main
from tests.unit.owner.brokering import POLICY, PROCESS_REFERENCES, REFERENCES, RESOURCE


class Keys:
    """The command, in one folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, command: str, *words: str) -> tuple[int, str, str]:
        """Run it; return status, stdout and stderr."""
        status = main([command, "--directory", str(self.folder), *words])
        said = self._capsys.readouterr()
        return status, said.out, said.err

    def rules(self, references: str, policy: str = POLICY) -> None:
        """Write rules without signing them."""
        (self.folder / "references.toml").write_text(references)
        (self.folder / "policy.toml").write_text(policy)


@pytest.fixture
def keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Keys:
    made = Keys(tmp_path / "keys", capsys)
    assert made("init")[0] == 0
    return made


def test_a_new_folder_is_private_and_denies_everything(keys: Keys) -> None:
    assert keys.folder.stat().st_mode & 0o777 == 0o700
    for name in ("owner.key", "sealing.key", "token.key", "keys.db"):
        assert (keys.folder / name).stat().st_mode & 0o077 == 0
    shown = json.loads(keys("policy", "show")[1])
    assert (shown["grants"], shown["references"]) == ({}, {})


def test_a_folder_is_not_made_twice(keys: Keys) -> None:
    before = (keys.folder / "sealing.key").read_bytes()
    status, _, err = keys("init")
    assert status == 1
    assert "already" in err
    assert (keys.folder / "sealing.key").read_bytes() == before


def test_secrets_are_added_listed_and_removed(keys: Keys, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"a secret")
    assert keys("add", RESOURCE, "--file", str(secret))[0] == 0
    assert "--replace" in keys("add", RESOURCE, "--random", "32")[2]
    assert keys("add", RESOURCE, "--random", "32", "--replace")[0] == 0
    listed = json.loads(keys("list", "--json")[1])
    assert [entry["resource"] for entry in listed] == [RESOURCE]
    assert RESOURCE in keys("list")[1]
    assert keys("remove", RESOURCE)[0] == 0
    assert keys("remove", RESOURCE)[0] == 1
    events = [json.loads(line)["event"] for line in keys("audit", "--json")[1].splitlines()]
    assert events == ["add", "replace", "remove"]


def test_a_secret_comes_from_standard_input(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from a pipe")))
    assert keys("add", RESOURCE)[0] == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert "1 to" in keys("add", "a/b/c")[2]


@pytest.mark.parametrize("words", [("a/b", "--random", "32"), ("a/b/c", "--random", "5")])
def test_a_wrong_secret_is_refused(keys: Keys, words: tuple[str, ...]) -> None:
    assert keys("add", *words)[0] == 1


def test_rules_count_when_they_are_signed(keys: Keys) -> None:
    keys.rules(REFERENCES)
    status, _, err = keys("policy", "check")
    assert status == 1
    assert "rkt-io keys policy sign" in err
    assert keys("policy", "sign")[0] == 0
    assert keys("policy", "check")[0] == 0
    assert json.loads(keys("policy", "show")[1])["grants"] == {RESOURCE: ["redis"]}


def test_doubtful_rules_are_warned_about(keys: Keys) -> None:
    keys.rules(PROCESS_REFERENCES, "insecure_process = true\n" + POLICY)
    assert "insecure_process" in keys("policy", "sign")[2]
    keys.rules("version = 1\n")
    assert "doesn't exist: denied" in keys("policy", "sign")[2]


def test_another_key_does_not_sign(keys: Keys, tmp_path: Path) -> None:
    status, _, err = keys("policy", "sign", "--key", str(keys.folder / "token.key"))
    assert status == 1
    assert "isn't the one" in err


def test_the_owners_key_may_stay_elsewhere(
    keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Keys(tmp_path / "other", capsys)
    assert other("init", "--owner", str(keys.folder / "owner.pub"))[0] == 0
    assert not (other.folder / "owner.key").exists()
    assert other("policy", "check")[0] == 1
    assert other("policy", "sign", "--key", str(keys.folder / "owner.key"))[0] == 0


@pytest.mark.parametrize("listen", ["localhost", "localhost:", ":80", "h:x", "h:70000"])
def test_a_wrong_address_is_refused(keys: Keys, listen: str) -> None:
    status, _, err = keys("serve", "--listen", listen)
    assert status == 1
    assert "HOST:PORT" in err


def test_serving_needs_right_rules(keys: Keys) -> None:
    keys.rules("version = 1\nreferenc = []\n")
    assert keys("serve")[0] == 1
    assert "go together" in keys("serve", "--cert", "x")[2]


def test_a_busy_port_is_one_line(keys: Keys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        status, _, err = keys("serve", "--listen", f"127.0.0.1:{port}")
    assert status == 1
    assert f"cannot listen on 127.0.0.1, port {port}" in err


def test_a_folder_must_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = Keys(tmp_path / "nowhere", capsys)
    for words in (("list",), ("audit",), ("serve",), ("policy", "check"), ("remove", "a/b/c")):
        status, _, err = nowhere(*words)
        assert status == 1
        assert "rkt-io keys init" in err


def test_a_missing_module_is_named(
    keys: Keys, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "rktio.owner.server", raising=False)
    status, _, err = keys("serve")
    assert status == 1
    assert "rkt-io[keys]" in err
