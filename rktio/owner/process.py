# SPDX-License-Identifier: Apache-2.0
"""Evidence of an enclave without a TEE: a claim that nobody signed, for development only."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from rktio.owner.claims import Claims, refuse
from rktio.owner.encoding import hex_bytes, only_keys

WARNING = "NOT A TEE: an ordinary process; its host can read its memory and forge this evidence"
KEYS = {"warning", "measurement", "report_data"}

log = logging.getLogger(__name__)


def process_evidence(measurement: bytes, report_data: bytes) -> dict[str, str]:
    """Return evidence as an enclave without TEE gives it."""
    return {
        "warning": WARNING,
        "measurement": measurement.hex(),
        "report_data": report_data.hex(),
    }


def verify_process(evidence: Mapping[str, object], report_data: bytes) -> Claims:
    """Return what such evidence says; it proves nothing. Raises RefusedError."""
    only_keys("process evidence", evidence, KEYS)
    if evidence["warning"] != WARNING:
        raise refuse("process evidence warning", evidence["warning"], WARNING)
    measurement = hex_bytes("measurement", evidence["measurement"], 48)
    given = hex_bytes("report_data", evidence["report_data"], 64)
    if given != report_data:
        raise refuse("report_data", given, report_data)
    log.warning("process evidence: %s", WARNING)
    return {
        "tee": "process",
        "measurement": measurement.hex(),
        "report_data": given.hex(),
        "warning": WARNING,
    }
