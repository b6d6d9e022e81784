# SPDX-License-Identifier: Apache-2.0
"""The tap that rkt-io-run makes: its device, addresses and routes, and who may have one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import standin

pytestmark = pytest.mark.needs("root", "tun", "ip", "debugfs", "fsgsbase", "dispatch")

AS_NOBODY = "setpriv --reuid nobody --clear-groups"


class Namespace:
    """Runs rkt-io-run in a network namespace of its own; the stand-in shows what it finds."""

    def __init__(self, program: Path, image: Path) -> None:
        self.program = program
        self.image = image

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script, with $run as the launcher and $image as the image."""
        variables = f"run={self.program}; image={self.image}\n"
        command = ["unshare", "--net", "sh", "-c", variables + script]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def show(self, options: str) -> str:
        """Return what the host has while an enclave with these options runs."""
        done = self.shell(f"$run {options} $image program tap")
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


@pytest.fixture
def namespace(tmp_path: Path) -> Namespace:
    checkout = standin.make_checkout(tmp_path / "checkout")
    image = standin.make_image(tmp_path / "app.img", tmp_path / "root")
    image.chmod(0o666)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # pytest keeps them from other users; ours is nobody
    return Namespace(checkout / "bin" / "rkt-io-run", image)


def test_the_default_tap_reaches_the_enclave(namespace: Namespace) -> None:
    shown = namespace.show("")
    assert "rkt0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500" in shown
    assert "tun type tap pi off vnet_hdr on persist off" in shown
    assert "inet 10.0.1.254/24 brd 10.0.1.255 scope global rkt0" in shown
    assert "10.0.1.0/24 dev rkt0" in shown
    assert "inet6" not in shown


def test_an_ipv6_address_is_usable_at_once(namespace: Namespace) -> None:
    shown = namespace.show("--address fd00:7::1/64 --mtu 9000 --tap-name web0")
    assert "inet6 fd00:7::fe/64 scope global nodad" in shown
    assert "tentative" not in shown
    assert "fd00:7::/64 dev web0" in shown
    assert "mtu 9000" in shown
    assert "10.0.1." not in shown


def test_two_networks_get_two_ends(namespace: Namespace) -> None:
    shown = namespace.show("--address 10.0.7.1/24 --address 10.0.8.1/24 --host-address 10.0.8.2/24")
    assert "inet 10.0.7.254/24" in shown
    assert "inet 10.0.8.2/24" in shown


def test_a_tap_that_root_made_serves_its_user(namespace: Namespace) -> None:
    done = namespace.shell(
        "ip tuntap add dev mine0 mode tap user nobody\n"
        "ip addr add 10.0.1.254/24 dev mine0; ip link set mine0 up\n"
        f"{AS_NOBODY} $run --tap-name mine0 $image program dump"
    )
    assert done.returncode == 0, done.stderr
    assert "addr=10.0.1.1/24" in done.stdout


def test_a_tap_that_is_not_ready_says_the_commands(namespace: Namespace) -> None:
    done = namespace.shell(
        "ip tuntap add dev mine0 mode tap user nobody\n"
        f"{AS_NOBODY} $run --tap-name mine0 $image program dump"
    )
    assert done.returncode == 125
    assert "sudo ip addr add 10.0.1.254/24 dev mine0 && sudo ip link set mine0 up" in done.stderr


def test_root_completes_a_tap_that_is_there(namespace: Namespace) -> None:
    done = namespace.shell(
        "ip tuntap add dev mine0 mode tap; $run --tap-name mine0 $image program tap"
    )
    assert "inet 10.0.1.254/24" in done.stdout
    assert "persist on" in done.stdout


def test_without_permission_a_run_that_asked_for_nothing_has_no_network(
    namespace: Namespace,
) -> None:
    done = namespace.shell(f"{AS_NOBODY} $run $image program dump")
    assert done.returncode == 0, done.stderr
    assert "net=" not in done.stdout
    assert done.stderr.startswith("rkt-io: no network: making a tap needs CAP_NET_ADMIN; ")


def test_without_permission_a_run_that_asked_is_refused(namespace: Namespace) -> None:
    done = namespace.shell(f"{AS_NOBODY} $run --address 10.0.3.1/24 $image program dump")
    assert done.returncode == 125
    assert done.stderr.startswith("rkt-io: making a tap needs CAP_NET_ADMIN; ")
