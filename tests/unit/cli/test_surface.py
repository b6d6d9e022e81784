# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from rktio.cli.main import main
from rktio.host.surface import host_calls


def test_json_has_every_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["surface", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["host_calls"]
    assert [call["name"] for call in found] == [call.name for call in host_calls()]
    assert all({"name", "purpose", "lie"} <= set(call) for call in found)


def test_text_has_every_call_and_their_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["surface"]) == 0
    text = capsys.readouterr().out
    assert all(f"{call.name}  ({call.when})" in text for call in host_calls())
    assert f"{len(host_calls())} host calls;" in text
