# SPDX-License-Identifier: Apache-2.0
"""PID 1 under a sealed configuration: it does what the owner said, and nothing else of the host's.

The library kernel's part, which checks the signature, is played by a file.
"""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rktio.common import der, pkcs7
from rktio.common.strict_json import canonical
from tests.native.init.conftest import Guest
from tests.native.init.test_pid1 import without_namespaces

pytestmark = pytest.mark.needs("gcc")

MEASUREMENT = "ab" * 48
TOLD = f"measurement: {MEASUREMENT}\ncertificate: {'cd' * 32}\n"
KEY = "0123456789abcdef" * 8


@pytest.fixture(autouse=True)
def _namespaces() -> None:
    why = without_namespaces()
    if why:
        pytest.skip(why)


def document(**changes: Any) -> dict[str, Any]:
    """Return the owner's document, as rktio/owner/config.py spells it."""
    return {
        "version": 1,
        "program": "/usr/bin/probe",
        "args": ["report", "a b\n"],
        "cwd": "/etc",
        "hostname": "sealed",
        "env": {"A": "b=c", "É": "€", "TZ": "UTC"},
        "sysctl": {},
        "root": {"hash": "0" * 64, "encrypted": True, "writes": "memory", "writes-size": "4096"},
        "data": [],
        "limits": {"memory-min": "33554432", "memory-max": "134217728", "cpus-max": 1},
        "policy": {"host-args": ["--level"], "host-env": ["TZ"], "terminal": False},
    } | changes


# Of the right form; its truth is the library kernel's to say.
SIGNATURE = pkcs7.encode(
    pkcs7.Signature(
        issuer=der.encode(der.SEQUENCE, b"issuer"), serial=77, algorithm="ecdsa", value=b"value"
    )
)


def entries(text: bytes, *more: str, signature: bytes = SIGNATURE) -> tuple[str, ...]:
    sealed = base64.b64encode(signature).decode()
    return (f"sealed_config=title\n{text.decode()}\n{sealed}\n", *more)


def run(guest: Guest, text: bytes, *more: str, told: str = TOLD) -> tuple[int, str, str]:
    kernel = guest.path / "kernel"
    kernel.mkdir(exist_ok=True)
    (kernel / "sealed").write_text(told)
    done = guest.run(*entries(text, *more))
    return done.returncode, done.stdout, done.stderr


def refusal(guest: Guest, text: bytes, *more: str, told: str = TOLD) -> str:
    status, output, line = run(guest, text, *more, told=told)
    assert (status, output) == (125, ""), line
    assert re.fullmatch(r"rkt-io: [^\n]+\n", line), line
    return line


def test_program_arguments_environment_and_directory_are_the_owners(guest: Guest) -> None:
    status, output, line = run(guest, canonical(document()))
    assert (status, line) == (0, "")
    assert output.startswith(
        "arg=/usr/bin/probe\narg=report\narg=a b\n\nenv=A=b=c\nenv=TZ=UTC\nenv=É=€\n"
        "cwd=/etc\nhost=sealed\n"
    )


def test_what_it_allows_by_name_the_host_may_add(guest: Guest) -> None:
    more = ("arg=--level=debug", "env=TZ=CET")
    status, output, line = run(guest, canonical(document()), *more)
    assert (status, line) == (0, "")
    assert "arg=a b\n\narg=--level=debug\n" in output
    assert "env=TZ=CET\n" in output
    assert "TZ=UTC" not in output


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("arg=--other", "--other"),
        ("arg=--levels", "--levels"),
        ("arg=", "argument"),
        ("arg=" + "x" * 4000, "argument"),
        ("env=LD_PRELOAD=/evil.so", "LD_PRELOAD"),
        ("env=TZZ=x", "TZZ"),
        ("cwd=/", "cwd"),
        ("hostname=host", "hostname"),
        ("sysctl=a.b=c", "sysctl"),
        ("mount=none:/etc:tmpfs:rw", "mount"),
        ("addr=10.0.0.1/8", "addr"),
        ("gateway=10.0.0.1", "gateway"),
        ("dns=10.0.0.1", "dns"),
        ("tty=1", "terminal"),
        ("net=tap:3:02:00:00:00:00:01:1500", "network"),
        ("future=1", "future"),
    ],
)
def test_what_it_does_not_allow_is_refused_by_name(guest: Guest, entry: str, named: str) -> None:
    line = refusal(guest, canonical(document()), entry)
    assert line.startswith("rkt-io: configuration: ")
    assert named in line


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ({"memory-min": "100000000", "memory-max": "134217728", "cpus-max": 1}, "memory-min"),
        ({"memory-min": "33554432", "memory-max": "33554432", "cpus-max": 1}, "memory-max"),
        ({"memory-min": "33554432", "memory-max": "134217728", "cpus-max": 0}, "cpus-max"),
    ],
)
def test_limits_bind_the_host(guest: Guest, limits: dict[str, Any], named: str) -> None:
    assert named in refusal(guest, canonical(document(limits=limits)))


NETWORK = {"addresses": ["10.0.0.1/8"], "gateways": [], "dns": [], "mtu": 1400}


def test_the_network_is_neither_left_out_nor_changed(guest: Guest) -> None:
    text = canonical(document(network=NETWORK))
    assert "gives none" in refusal(guest, text)
    assert "MTU" in refusal(guest, text, "net=tap:3:02:00:00:00:00:01:1500")


@pytest.fixture(scope="session")
def busybox() -> bytes:
    """Give a shell that needs no library."""
    path = shutil.which("busybox")
    if path is None:
        pytest.skip("busybox is not installed (sudo apt-get install busybox-static)")
    return Path(path).read_bytes()


Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found | {"version": 2},
        lambda found: found | {"future": True},
        lambda found: {key: value for key, value in found.items() if key != "policy"},
        lambda found: found | {"policy": found["policy"] | {"future": True}},
        lambda found: found | {"root": found["root"] | {"future": True}},
        lambda found: found | {"program": 1},
        lambda found: found | {"args": [1]},
        lambda found: found | {"env": {"A": None}},
    ],
)
def test_a_document_that_is_not_understood_is_refused(guest: Guest, change: Change) -> None:
    line = refusal(guest, canonical(change(document())))
    assert line.startswith("rkt-io: configuration: ")


def test_another_spelling_is_refused(guest: Guest) -> None:
    text = canonical(document()).replace(b'"cwd":', b'"cwd": ')
    assert "spelling" in refusal(guest, text)


def test_the_kernels_word_stops_the_start(guest: Guest) -> None:
    told = "refused: configuration: signature: not the owner's over this configuration\n"
    assert refusal(guest, canonical(document()), told=told) == f"rkt-io: {told[9:]}"
    assert "measurement" in refusal(guest, canonical(document()), told="certificate: x\n")


def test_the_measurement_is_said_when_it_is_asked_for(guest: Guest) -> None:
    status, _, line = run(guest, canonical(document()), "stats=1")
    assert (status, line) == (0, f"rkt-io: measurement {MEASUREMENT}\n")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("root=" + KEY, "NAME=HEX"),  # cut off: no newline
        ("", "gave none"),
        (f"root={KEY}\nroot={KEY}\n", "twice"),
        ("root=0\n", "NAME=HEX"),
        ("root=AB\n", "NAME=HEX"),
        ("Root=ab\n", "NAME=HEX"),
        ("=ab\n", "NAME=HEX"),
        ("root=\n", "NAME=HEX"),
        ("root=" + "ab" * 129 + "\n", "NAME=HEX"),
        ("x" * 48 + "=ab\n", "NAME=HEX"),
        ("".join(f"data-{n}=ab\n" for n in range(33)), "more than"),
        ("#" * 16385, "larger than"),
    ],
)
def test_keys_that_are_none_are_refused_and_not_quoted(
    guest: Guest, content: str, named: str
) -> None:
    (guest.path / "keys").write_text(content)
    line = refusal(guest, canonical(document()), "insecure_keys=9")
    assert line.startswith("rkt-io: keys: ")
    assert re.search(named, line)
    assert KEY not in line


def test_key_material_is_overwritten_in_its_file(guest: Guest) -> None:
    path = guest.path / "keys"
    path.write_text(f"root={KEY}\ndata-db={KEY}\n")
    other = guest.path / "same-file"
    other.hardlink_to(path)
    status, _, line = run(guest, canonical(document()), "insecure_keys=9")
    assert (status, line) == (0, "")
    assert not path.exists()
    assert set(other.read_bytes()) == {0}


HELPER = """\
#!/image/bin/busybox sh
b=/image/bin/busybox
{ echo "url=$1"; $b env; $b cat /measurement; } > /seen
"""


def test_a_brokers_client_gives_keys_on_descriptor_3(guest: Guest, busybox: bytes) -> None:
    guest.install("bin/busybox", busybox)
    script = HELPER + f"echo root={KEY} >&3\n"
    helper = guest.path / "rkt-io-keys"
    helper.write_text(script)
    helper.chmod(0o755)
    status, _, line = run(guest, canonical(document()), "keys=https://broker/")
    assert (status, line) == (0, "")
    seen = (guest.path / "seen").read_text()
    assert seen.startswith("url=https://broker/\n")
    assert seen.endswith(f"{MEASUREMENT}\n")
    assert "A=b=c" not in seen


def test_a_brokers_client_that_fails_has_the_last_word(guest: Guest, busybox: bytes) -> None:
    guest.install("bin/busybox", busybox)
    helper = guest.path / "rkt-io-keys"
    helper.write_text(HELPER + "echo 'rkt-io: keys: the broker refused: tcb' >&2\nexit 3\n")
    helper.chmod(0o755)
    line = refusal(guest, canonical(document()), "keys=https://broker/")
    assert line == "rkt-io: keys: the broker refused: tcb\n"


def test_a_brokers_client_that_crashes_is_named(guest: Guest, busybox: bytes) -> None:
    guest.install("bin/busybox", busybox)
    helper = guest.path / "rkt-io-keys"
    helper.write_text(f"#!/image/bin/busybox sh\necho root={KEY} >&3\nkill -9 $$\n")
    helper.chmod(0o755)
    assert "client crashed" in refusal(guest, canonical(document()), "keys=https://broker/")


def test_without_a_client_keys_of_a_broker_are_refused(guest: Guest) -> None:
    assert "without a key broker's client" in refusal(
        guest, canonical(document()), "keys=https://broker/"
    )
