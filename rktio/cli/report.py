# SPDX-License-Identifier: Apache-2.0
"""How a command ends: errors become one line on stderr, tracebacks only with --debug."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from rktio.common.errors import RktioError

STATUS_FAILED = 1
STATUS_USAGE = 2
STATUS_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line; abbreviated options are refused."""

    def __init__(self, prog: str, description: str, *, usage: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            usage=usage,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line and exit with the status of wrong usage."""
        sys.stderr.write(f"{self.prog}: {message}; see {self.prog} --help\n")
        raise SystemExit(STATUS_USAGE)


def reported(work: Callable[[], int], *, debug: bool, failure: int = STATUS_FAILED) -> int:
    """Return the status of `work`, or `failure` after saying why it failed."""
    try:
        return work()
    except KeyboardInterrupt:
        return STATUS_INTERRUPTED
    except BrokenPipeError:
        return failure  # whoever read our output has had enough
    except Exception as error:
        if debug:
            raise
        sys.stderr.write(f"rkt-io: {describe(error)}\n")
        return failure


def describe(error: Exception) -> str:
    """Return the one line (or, with output of a failed command, the lines) of an error."""
    if isinstance(error, RktioError):
        if error.hint is None:
            return error.message
        separator = "\n  " if "\n" in error.message else "; "
        return f"{error.message}{separator}{error.hint}"
    if isinstance(error, OSError):
        return str(error)
    return f"internal error: {type(error).__name__}: {error}; --debug shows where"
