# SPDX-License-Identifier: Apache-2.0
"""Clients on another machine, reached by the system's ssh: the topology `remote`.

The servers' networks are behind this machine's taps and veth pairs, so while a scenario runs, this
machine forwards and the other one has routes to it; both are put back. What runs there is what the
other topologies run: a chroot of the client's guest, copied over once.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rktio.bench.guest import Guest
from rktio.common.errors import RktioError
from rktio.common.run import popen, require, run

CONNECT_SECONDS = 10
STDERR_LINES_SHOWN = 3
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
FOLDER = '"${XDG_CACHE_HOME:-$HOME/.cache}"/rkt-io/bench'  # expanded by the other machine's shell
# `times` of a shell: the second line is of what it waited for.
TIMES = re.compile(r"^(\d+)m([\d.]+)s (\d+)m([\d.]+)s\n(\d+)m([\d.]+)s (\d+)m([\d.]+)s\s*\Z", re.M)
TIMED = '"$@"; status=$?; times >&2; exit $status'


@dataclass(frozen=True)
class Remote:
    """The other machine. `config` is a file for `ssh -F`, where the user's own doesn't do."""

    target: str
    config: Path | None = None

    def shell(self, script: str) -> str:
        """Run a script of the other machine's shell; its output. Raises RktioError."""
        return run(self._ssh(script)).stdout.decode(errors="replace")

    def describe(self) -> dict[str, str]:
        """Return what of the other machine decides figures."""
        lines = self.shell("uname -r; nproc; grep -m1 'model name' /proc/cpuinfo").splitlines()
        cpu = lines[2].partition(":")[2].strip() if len(lines) > 2 else "unknown"
        return {"remote kernel": lines[0], "remote cpu": f"{lines[1]} x {cpu}"}

    def push(self, guest: Guest) -> str:
        """Copy the guest's files over, unless they are there; their folder for `client`."""
        name = shlex.quote(guest.tree.name)
        there = f"{FOLDER}/{name}"
        if self.shell(f"test -d {there} && echo there || mkdir -p {there}.new").strip():
            return there
        pack = popen([require("tar", "tar"), "-C", guest.tree, "-cf", "-", "."], stdout=-1)
        unpack = popen(
            self._ssh(f"{self._root}tar -C {there}.new -xpf - && mv {there}.new {there}"),
            stdin=pack.stdout,
            stderr=subprocess.PIPE,
        )
        assert pack.stdout is not None
        pack.stdout.close()  # so that it learns when the other end is gone
        _, errors = unpack.communicate()
        if pack.wait() or unpack.returncode:
            raise RktioError(f"{self.target}: cannot copy {guest.tree.name}: {_last(errors)}")
        return there

    @contextmanager
    def routed(self, networks: Sequence[str]) -> Iterator[None]:
        """Give the other machine a way to `networks`, which are behind this one."""
        own = self.shell("echo $SSH_CONNECTION").split()
        if len(own) != 4:
            raise RktioError(f"{self.target}: its sshd tells no SSH_CONNECTION")
        before = FORWARDING.read_text()
        FORWARDING.write_text("1")
        try:
            for network in networks:
                self.shell(f"{self._root}ip route replace {network} via {own[0]}")
            yield
        finally:
            FORWARDING.write_text(before)
            for network in networks:
                run(self._ssh(f"{self._root}ip route del {network} via {own[0]}"), check=False)

    def client(
        self,
        folder: str,
        chroot: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        seconds: float,
    ) -> subprocess.Popen[bytes]:
        """Start a client in the files that `push` copied; it ends after `seconds` at the latest."""
        words = [f"{name}={value}" for name, value in environment.items()]
        run_it = shlex.join(["env", "-i", *words, "sh", "-c", TIMED, "sh"])
        inside = f"{run_it} unshare --mount sh -c {shlex.quote(chroot)} sh {folder} {folder}/bench"
        script = f"{self._root}timeout {seconds:.0f} {inside} {shlex.join(command)}"
        return popen(
            self._ssh(script),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    @property
    def _root(self) -> str:
        return "" if self.target.startswith("root@") else "sudo -n "

    def _ssh(self, script: str) -> list[str | Path]:
        options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_SECONDS}"]
        chosen: list[str | Path] = [] if self.config is None else ["-F", self.config]
        return [require("ssh", "openssh-client"), *chosen, *options, self.target, script]


def cpu_seconds(errors: str) -> float:
    """Return the CPU time that the client's shell told last."""
    found = TIMES.search(errors)
    if found is None:
        raise RktioError(f"the remote shell told no times: {errors[-200:]!r}")
    minutes_seconds = [float(text) for text in found.groups()[4:]]
    return sum(m * 60 + s for m, s in zip(minutes_seconds[::2], minutes_seconds[1::2], strict=True))


def _last(errors: bytes) -> str:
    lines = errors.decode(errors="replace").strip().splitlines()
    return " / ".join(lines[-STDERR_LINES_SHOWN:])
