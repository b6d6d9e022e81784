# SPDX-License-Identifier: Apache-2.0
"""Genuine published evidence, kept as text: reports, quotes, certificates and collateral.

From confidential-containers/trustee (Apache-2.0) and Phala-Network/dcap-qvl (MIT).
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path(__file__).with_name("testdata")

# Inside the validity of the certificates and of the collateral.
SNP_TIME = datetime(2025, 6, 1, tzinfo=UTC).timestamp()
TDX_TIME = datetime(2025, 6, 25, tzinfo=UTC).timestamp()


def sample(name: str) -> bytes:
    """Return the bytes of a sample."""
    return base64.b64decode((FOLDER / f"{name}.b64").read_text())


def collateral(name: str) -> str:
    """Return collateral as JSON."""
    return (FOLDER / f"{name}_collateral.json").read_text()


def snp_report_data(report: bytes) -> bytes:
    """Return the field that binds a report to its request."""
    return report[0x50:0x90]
