# SPDX-License-Identifier: Apache-2.0
"""The attendant of a vhost-user disk: a process of the host that keeps it connected.

The enclave can't connect to anything once it is locked down. So this process holds the connection
to the back end, tells the enclave when that goes, and finds the next one at the same socket. It
ends with the enclave. No data passes through here.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.common.run import detach
from rktio.host.vhost_disk import DOWN, LIAR, NEWS, READY, Agreement, BackEnd, Region

RETRY_SECONDS = 0.1

# As bin/rkt-io-run: nothing but the standard library, and not the current directory.
START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from rktio.host.attendant import main; main(sys.argv[1:])"
)


def attend(path: Path, cpus: int) -> int:
    """Connect a disk; return the enclave's end of the socket to its attendant, which runs then.

    Raises RktioError where there is no back end or it can't serve a disk.
    """
    with ExitStack() as stack:
        back_end = BackEnd.connect(path)
        stack.callback(back_end.socket.close)
        agreement = back_end.agree(cpus)
        region = Region.make(agreement.queues)
        stack.callback(region.close)
        back_end.hand_over(region)
        own, enclaves = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stack.callback(own.close)
        try:
            socket.send_fds(own, [agreement.news()], list(region.fds))
            enclaves.setblocking(False)
            _start(path, own.fileno(), back_end.socket.fileno(), region)
        except BaseException:
            enclaves.close()
            raise
        return enclaves.detach()


def _start(path: Path, control: int, connected: int, region: Region) -> None:
    root = Path(__file__).parents[2]
    fds = (control, connected, *region.fds)
    words = (root, path.absolute(), *map(str, fds))
    detach((sys.executable, "-P", "-S", "-c", START, *map(str, words)), pass_fds=fds)


class Attendant:
    """One disk's connection, through the lives of its back ends."""

    def __init__(self, path: Path, control: socket.socket, region: Region) -> None:
        self.path = path
        self.control = control
        self.region = region

    def serve(self, connected: socket.socket) -> None:
        """Serve until the enclave ends, or ends the disk."""
        self._watch(connected)
        while self._told() == READY:
            again = self._next()
            if again is None:
                return
            self._watch(again.socket)

    def _watch(self, connected: socket.socket) -> None:
        """Return when the enclave has something to say; a back end that ends is news for it."""
        with connected:
            readable, _, _ = select.select([connected, self.control], [], [])
        if connected in readable and self.control not in readable:
            self.control.send(NEWS.pack(DOWN, 0, 0, b""))
            select.select([self.control], [], [])

    def _told(self) -> int | None:
        said = self.control.recv(1)
        if not said or said[0] == LIAR:
            return None
        return said[0]

    def _next(self) -> BackEnd | None:
        """Return the next back end, once the enclave knows it; None when the enclave is gone."""
        while True:
            try:
                return self._connected()
            except RktioError:
                if select.select([self.control], [], [], RETRY_SECONDS)[0]:
                    return None

    def _connected(self) -> BackEnd:
        back_end = BackEnd.connect(self.path)
        try:
            agreement: Agreement = back_end.agree(len(self.region.kicks))
            if agreement.queues == len(self.region.kicks):
                back_end.hand_over(self.region)
            self.control.send(agreement.news())
        except BaseException:
            back_end.socket.close()
            raise
        return back_end


def main(words: list[str]) -> None:
    """Run as the process that `attend` starts."""
    control, connected, *fds = map(int, words[1:])
    attendant = Attendant(Path(words[0]), socket.socket(fileno=control), Region.of(tuple(fds)))
    os.chdir("/")
    with suppress(BrokenPipeError, ConnectionResetError):  # the enclave is gone
        attendant.serve(socket.socket(fileno=connected))
