# SPDX-License-Identifier: Apache-2.0
"""Waits for an enclave's end, then gives its device back to the host's driver.

A process of its own: `DESCRIPTOR ADDRESS`, the reading end of a pipe whose other end the enclave
has without knowing. Whatever ends the enclave closes it.
"""

from __future__ import annotations

import os
import signal
import sys

from rktio.common.errors import RktioError
from rktio.host import devices


def main() -> int:
    """Wait, restore, and say what went wrong on standard error."""
    waits, address = int(sys.argv[1]), sys.argv[2]
    # Who ends all that belongs to the enclave must not end this.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.read(waits, 1)
    try:
        devices.restore([address], wait=True)
    except RktioError as error:
        sys.stderr.write(f"rkt-io: {error}; `rkt-io devices restore` tries again\n")
        return 1
    return 0
