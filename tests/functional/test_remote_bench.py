# SPDX-License-Identifier: Apache-2.0
"""Clients on another machine: a network namespace with an sshd and keys of the test's own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rktio.bench import cli, results
from rktio.common.errors import RktioError
from tests.functional.running import host

pytestmark = pytest.mark.needs("root", "ip", "sshd")

OURS, THEIRS, PORT = "10.231.61.1", "10.231.61.2", 2222
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
PRIVILEGE_SEPARATION = Path("/run/sshd")


@pytest.fixture
def ssh_config(tmp_path: Path) -> Iterator[Path]:
    """Start an sshd in a namespace behind a veth pair; a file for `ssh -F`."""
    made = not PRIVILEGE_SEPARATION.exists()
    PRIVILEGE_SEPARATION.mkdir(exist_ok=True)
    for name in ("host", "user"):
        host("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name))
    (tmp_path / "sshd_config").write_text(
        f"Port {PORT}\nListenAddress {THEIRS}\nHostKey {tmp_path}/host\nPidFile none\n"
        f"AuthorizedKeysFile {tmp_path}/user.pub\nStrictModes no\nPermitRootLogin yes\n"
        f"PasswordAuthentication no\nUsePAM no\nSetEnv XDG_CACHE_HOME={tmp_path}/cache\n"
    )
    (tmp_path / "known").write_text(f"[{THEIRS}]:{PORT} {(tmp_path / 'host.pub').read_text()}")
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host other\nHostName {THEIRS}\nPort {PORT}\nIdentityFile {tmp_path}/user\n"
        f"IdentitiesOnly yes\nUserKnownHostsFile {tmp_path}/known\n"
    )
    # The address is there before sshd is: it waits for the line that says so.
    script = f"read _; exec /usr/sbin/sshd -D -e -f {tmp_path}/sshd_config"
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as sshd:
        try:
            _connect(sshd.pid)
            assert sshd.stdin is not None and sshd.stderr is not None
            sshd.stdin.write("\n")
            sshd.stdin.flush()
            assert "listening" in sshd.stderr.readline()
            yield config
        finally:
            host("ip", "link", "del", "rktssh0")
            sshd.kill()
            if made:
                PRIVILEGE_SEPARATION.rmdir()


def _connect(pid: int) -> None:
    own, end = Path("/proc/self/ns/net").readlink(), time.monotonic() + 10
    while Path(f"/proc/{pid}/ns/net").readlink() == own:
        assert time.monotonic() < end, "no namespace"
        time.sleep(0.005)
    inside = ("nsenter", "-t", str(pid), "-n", "ip")
    peer = ("peer", "name", "eth0", "netns", str(pid))
    host("ip", "link", "add", "name", "rktssh0", "type", "veth", *peer)
    host("ip", "addr", "add", f"{OURS}/24", "dev", "rktssh0")
    host("ip", "link", "set", "rktssh0", "up")
    host(*inside, "addr", "add", f"{THEIRS}/24", "dev", "eth0")
    host(*inside, "link", "set", "lo", "up")
    host(*inside, "link", "set", "eth0", "up")


@pytest.mark.slow
@pytest.mark.needs("tun", "enclave", "two-cpus", "mmdebstrap", "gcc")
def test_client_of_another_machine_loads_an_enclave(ssh_config: Path, tmp_path: Path) -> None:
    forwarding = FORWARDING.read_text()
    words = ["--quick", "--runs", "1", "--systems", "direct", "--out", str(tmp_path / "out")]
    other = ["--remote", "root@other", "--ssh-config", str(ssh_config)]

    assert cli.main(["run", "iperf3", *words, *other]) == 0

    record = results.load(tmp_path / "out")["scenarios"]["iperf3@remote"]
    assert [sample["system"] for sample in record["samples"]] == ["direct"]
    for sample in record["samples"]:
        assert sample["values"]["out"]["throughput"] > 0.01, sample
        assert sample["values"]["in"]["client_cpu"] > 0
    assert record["topology"] == "remote"
    assert "remote kernel" in record["versions"]
    assert len(list((tmp_path / "cache/rkt-io/bench").iterdir())) == 1  # the client's files
    assert FORWARDING.read_text() == forwarding


def test_machine_that_refuses_is_one_line(ssh_config: Path, tmp_path: Path) -> None:
    from rktio.bench.remote import Remote

    ssh_config.write_text(ssh_config.read_text().replace("/user\n", "/absent\n"))

    with pytest.raises(RktioError, match="Permission denied"):
        Remote("root@other", ssh_config).describe()
