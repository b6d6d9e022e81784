# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from importlib import import_module

import pytest

import rktio
from rktio.cli.main import COMMANDS, main
from rktio.cli.report import describe, reported
from rktio.common.errors import RktioError


def failing(error: Exception) -> int:
    raise error


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {command.name} " in text for command in COMMANDS)


def test_every_command_exists() -> None:
    for command in COMMANDS:
        module, _, name = command.function.partition(":")
        assert callable(getattr(import_module(module), name))


def test_no_command_is_wrong_usage() -> None:
    assert main([]) == 2


def test_an_unknown_command_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docter"]) == 2
    assert capsys.readouterr().err == "rkt-io: no command 'docter'; did you mean 'doctor'?\n"


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rkt-io {rktio.__version__}\n"


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    status = reported(lambda: failing(RktioError("what", hint="remedy")), debug=False)
    assert status == 1
    assert capsys.readouterr().err == "rkt-io: what; remedy\n"


def test_a_bug_is_one_line_unless_debug_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert reported(lambda: failing(ZeroDivisionError("x")), debug=False, failure=125) == 125
    assert capsys.readouterr().err.startswith("rkt-io: internal error: ZeroDivisionError: x")
    with pytest.raises(ZeroDivisionError):
        reported(lambda: failing(ZeroDivisionError("x")), debug=True)


def test_output_of_a_failed_command_keeps_its_lines() -> None:
    assert describe(RktioError("sh: exit status 1\n    no", hint="remedy")).endswith("no\n  remedy")


def test_doctor_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is (status == 0)
    names = {check["name"] for check in found["checks"]}
    assert {"kernel", "FSGSBASE", "TUN", "enclave", "vm.max_map_count", "TEE"} <= names
    for check in found["checks"]:
        assert (check["remedy"] is None) is (check["state"] == "ok"), check


def test_doctor_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor"])
    assert "FSGSBASE" in capsys.readouterr().out
