# SPDX-License-Identifier: Apache-2.0
"""The key broker's client of the enclave, built for the host with sanitizers."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
SOURCES = HERE.parents[2] / "enclave/keys"
FLAGS = ("-O1", "-g", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
LIBRARIES = ("-lssl", "-lcrypto", "-ljansson")
# What only an enclave has.
INSIDE = ("device.c", "given.c")

Build = Callable[..., Path]

MODULES = ("cryptography", "dcap_qvl", "fastapi", "httpx", "sqlalchemy", "uvicorn")
if any(importlib.util.find_spec(name) is None for name in MODULES):
    collect_ignore_glob = ["test_*.py"]


def sources(*without: str) -> list[Path]:
    return [path for path in sorted(SOURCES.glob("*.c")) if path.name not in {*INSIDE, *without}]


def build(output: Path, *words: str | Path, compiler: str = "gcc") -> Path:
    include = (f"-I{SOURCES}", f"-I{PROGRAMS}")
    subprocess.run([compiler, *FLAGS, *include, *words, *LIBRARIES, "-o", output], check=True)
    return output


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give rkt-io-keys with a stand-in for the enclave around it."""
    output = tmp_path_factory.mktemp("keys") / "client"
    return build(output, *SANITIZE, *sources(), PROGRAMS / "stand.c")


@pytest.fixture(scope="session")
def messages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the program that parses message after message."""
    output = tmp_path_factory.mktemp("keys") / "messages"
    mine = (PROGRAMS / "messages.c", PROGRAMS / "parse.c", PROGRAMS / "stand.c")
    return build(output, *SANITIZE, *sources("keys.c"), *mine)


@pytest.fixture(scope="session")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the same under libFuzzer."""
    output = tmp_path_factory.mktemp("keys") / "fuzzer"
    mine = (PROGRAMS / "fuzz.c", PROGRAMS / "parse.c", PROGRAMS / "stand.c")
    flags = ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
    return build(output, *flags, *sources("keys.c"), *mine, compiler="clang")
