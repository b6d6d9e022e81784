# SPDX-License-Identifier: Apache-2.0
"""The owner's side, off the host: verification of evidence, policy, and the key broker."""
