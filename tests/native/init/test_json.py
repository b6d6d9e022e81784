# SPDX-License-Identifier: Apache-2.0
"""PID 1's reader of canonical JSON: the owner's spelling and no other, whatever bytes it gets."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from rktio.common.strict_json import canonical
from tests.native.init.conftest import PROGRAMS, RUNTIME, SANITIZE, Compile

pytestmark = pytest.mark.needs("gcc")

DOCUMENT = canonical(
    {
        "args": ["--bind", "10.0.1.1", "", 'quote" \\ \n\t\x7f\x01 é € 😀'],
        "data": [],
        "env": {"A": "b=c", "B": ""},
        "limits": {"cpus-max": 64, "memory-max": "70368744177664", "negative": -12, "zero": 0},
        "none": None,
        "root": {"encrypted": True, "hash": "0" * 64, "writes": "memory"},
    }
).decode()
ROUNDS = 200_000


@pytest.fixture(scope="module")
def reader(compiled: Compile) -> Path:
    sources = (PROGRAMS / "json_read.c", RUNTIME / "init_json.c")
    return compiled("json_read", *SANITIZE, *sources)


def read(reader: Path, text: bytes) -> str:
    done = subprocess.run([reader], input=text, capture_output=True, check=True, timeout=30)
    return done.stdout.decode()[:-1]


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        'quotes " and \\ and / too',
        "\b\f\n\r\t",
        "\x01\x1f\x7f\x80",
        "é € \ud7ff \ue000 \uffff",
        "😀 \U0010ffff",
    ],
)
def test_a_string_comes_out_as_it_went_in(reader: Path, text: str) -> None:
    assert read(reader, canonical({"r": 1, "s": text})) == f"yes {text}"


def test_the_owners_spelling_is_read(reader: Path) -> None:
    assert read(reader, DOCUMENT.encode()) == "yes"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"s"',
        '{"a":1} ',
        ' {"a":1}',
        '{"a": 1}',
        '{"a":1,}',
        '{"b":1,"a":1}',
        '{"a":1,"a":1}',
        '{"ab":1,"a":1}',
        "{a:1}",
        '{"a":01}',
        '{"a":-0}',
        '{"a":-}',
        '{"a":+1}',
        '{"a":1.0}',
        '{"a":1e3}',
        '{"a":NaN}',
        '{"a":tru}',
        '{"a":123456789012345678901}',
        '{"a":"\\u0041"}',
        '{"a":"\\u000a"}',
        '{"a":"\\u0000"}',
        '{"a":"\\u00E9"}',
        '{"a":"\\u00e"}',
        '{"a":"\\/"}',
        '{"a":"\\ud83d"}',
        '{"a":"\\ude00\\ud83d"}',
        '{"a":"\\ud83dx"}',
        '{"a":"\x7f"}',
        '{"a":"\t"}',
        '{"a":"é"}',
        '{"a":"x}',
        '{"a":[1,]}',
        '{"a":[1}',
        '{"a":' + "[" * 9 + "]" * 9 + "}",
        '{"a":' + "[" * 100_000,
    ],
)
def test_any_other_spelling_is_refused(reader: Path, text: str) -> None:
    assert read(reader, text.encode()) == "no"


def test_what_it_accepts_is_what_python_would_write(reader: Path) -> None:
    """Cut and changed documents: accepted only where reading and writing gives the same bytes."""
    source = random.Random(20261123)
    for _ in range(150):
        text = bytearray(DOCUMENT, "ascii")
        for _ in range(source.randint(1, 3)):
            text[source.randrange(len(text))] = source.choice(b'{}[]",:\\u0129afz- ')
        try:
            value = json.loads(text)
            same = isinstance(value, dict) and canonical(value) == text
        except ValueError:
            same = False
        if read(reader, bytes(text)).startswith("yes"):
            assert same, text


def test_garbage_is_borne(compiled: Compile) -> None:
    sources = (PROGRAMS / "json_fuzz.c", RUNTIME / "init_json.c")
    fuzz = compiled("json_fuzz", *SANITIZE, *sources)
    done = subprocess.run(
        [fuzz, DOCUMENT, str(ROUNDS)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 0 < int(done.stdout) < ROUNDS
