# SPDX-License-Identifier: Apache-2.0
"""What the owner of an application does, on a machine of their own: configure, sign, measure."""
