# SPDX-License-Identifier: Apache-2.0
"""What every part of the control plane shares; imports nothing else of rktio."""
