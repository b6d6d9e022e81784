# SPDX-License-Identifier: Apache-2.0
"""The untrusted host: opens devices, writes the launch record and starts enclaves."""
