# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from rktio.common.errors import RktioError
from rktio.host.surface import HostCall, host_calls, parse

TABLE = """
#define HOSTCALLS(X) \\
\tX(mmap, ALWAYS, "map", "refuse") \\
\tX(tgkill, CPUS, \\
\t  "interrupt; another", \\
\t  "drop it")
"""


def test_rows_are_read_on_one_line_and_on_several() -> None:
    assert parse(TABLE) == (
        HostCall("mmap", "always", "map", "refuse"),
        HostCall("tgkill", "more than one CPU", "interrupt; another", "drop it"),
    )


def test_a_row_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(RktioError, match="not X"):
        parse(TABLE.replace('"map"', "MAP"))


def test_there_are_at_most_twelve_calls() -> None:
    calls = host_calls()
    assert 1 <= len(calls) <= 12
    assert len({call.name for call in calls}) == len(calls)
    assert all(call.purpose and call.lie for call in calls)
