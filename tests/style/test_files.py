# SPDX-License-Identifier: Apache-2.0
"""Sizes, names and contents of files."""

from __future__ import annotations

import re
from pathlib import PurePath

from tests.style import sources

LINES_MAX = 500
BYTES_MAX = 256 * 1024

# Longer than LINES_MAX, each with the reason why it isn't two files.
LONG_FILES: dict[str, str] = {}

LONG_KINDS = (".md", ".txt", ".patch", ".config")  # texts and lists, not code

FORBIDDEN_STEMS = {"utils", "util", "helpers", "helper", "misc", "common", "stuff"}
SOURCES = (".py", ".c", ".h", ".S", ".s", ".sh")

PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
TRAILING_SPACE = re.compile(r"[ \t]$", re.MULTILINE)


def test_no_file_is_longer_than_its_noun() -> None:
    sources.report(
        [
            f"{name}: {lines} lines; look for the second noun in it"
            for name in sources.files()
            if not name.endswith(LONG_KINDS)
            and name not in LONG_FILES
            and (lines := sources.text(name).count("\n")) > LINES_MAX
        ]
    )


def test_exceptions_for_long_files_are_still_needed() -> None:
    sources.report(
        [
            f"{name}: is listed as long, and is not"
            for name in LONG_FILES
            if name not in sources.files() or sources.text(name).count("\n") <= LINES_MAX
        ]
    )


def test_no_file_is_named_after_nothing() -> None:
    sources.report(
        [
            f"{name}: says nothing about what it owns"
            for name in sources.files()
            if name.endswith(SOURCES)
            and FORBIDDEN_STEMS & set(re.split(r"[-_.]", PurePath(name).name)[:-1])
        ]
    )


def test_no_binary_is_in_git() -> None:
    sources.report(
        [
            f"{name}: is binary or larger than {BYTES_MAX} bytes"
            for name in sources.files()
            if (content := (sources.CHECKOUT / name).read_bytes()) is not None
            and (b"\0" in content or len(content) > BYTES_MAX)
        ]
    )


def test_no_key_is_in_git() -> None:
    sources.report(
        [
            f"{name}: holds a private key; make it when the test runs"
            for name in sources.files()
            if PRIVATE_KEY.search(sources.text(name))
        ]
    )


def test_text_ends_in_one_newline_and_lines_in_no_space() -> None:
    failures = []
    for name in sources.files():
        text = sources.text(name)
        if name.endswith(".patch") or name.startswith("LICENSES/") or not text:
            continue
        if not text.endswith("\n") or text.endswith("\n\n"):
            failures.append(f"{name}: does not end in one newline")
        if match := TRAILING_SPACE.search(text):
            failures.append(f"{name}:{text.count(chr(10), 0, match.start()) + 1}: trailing space")
    sources.report(failures)
