# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from rktio.common.errors import RktioError
from rktio.common.run import popen, require, run


def test_output_is_returned() -> None:
    assert run(["cat"], input=b"hello").stdout == b"hello"


def test_a_failure_names_a_pasteable_command_and_the_last_lines() -> None:
    script = "for i in 1 2 3 4 5 6 7; do echo line $i >&2; done; exit 4"
    with pytest.raises(RktioError) as caught:
        run(["sh", "-c", script])
    message = caught.value.message
    assert message.startswith(f"sh -c '{script}': exit status 4")
    assert "line 3" in message
    assert "line 2" not in message


def test_a_failure_that_is_not_checked_is_returned() -> None:
    assert run(["false"], check=False).returncode == 1


def test_a_missing_program_is_named() -> None:
    with pytest.raises(RktioError, match="no-such-program"):
        run(["no-such-program"])
    with pytest.raises(RktioError, match="no-such-program"):
        popen(["no-such-program"])


def test_passed_descriptors_keep_their_numbers() -> None:
    read_end, write_end = os.pipe()
    with popen(["bash", "-c", f"echo hello >&{write_end}"], pass_fds=[write_end]):
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            assert pipe.read() == b"hello\n"


def test_require_finds_a_program_or_names_its_package() -> None:
    assert require("sh", "dash").name == "sh"
    with pytest.raises(RktioError) as caught:
        require("no-such-program", "no-such-package")
    assert caught.value.hint == "sudo apt-get install no-such-package"
