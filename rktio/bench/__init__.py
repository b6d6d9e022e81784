# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: the library OS against native, alternating in one run."""
