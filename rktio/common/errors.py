# SPDX-License-Identifier: Apache-2.0
"""The one exception that reaches a user."""

from __future__ import annotations


class RktioError(Exception):
    """What failed, on which object; `hint` says what to do about it.

    Caught only in the `main()` of a command, which prints it without a traceback.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
