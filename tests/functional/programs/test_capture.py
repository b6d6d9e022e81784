# SPDX-License-Identifier: Apache-2.0
"""No host call comes from application code: a filter kills on the first, and nothing dies."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.functional.programs.conftest import Guest
from tests.functional.running import CHECKOUT, host

pytestmark = pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap", "gcc")

SOURCE = Path(__file__).parent / "host" / "filtered.c"


def filtered(program: Path, folder: Path) -> Path:
    """Build what becomes `program` under the filter."""
    wrapper = folder / f"filtered-{program.name}"
    place = "-Wl,-Ttext-segment=0x70000000"
    name = f'-DFILTERED="{program}"'
    host("gcc", "-O2", "-static", "-no-pie", place, name, "-o", wrapper, SOURCE)
    return wrapper


@pytest.fixture(scope="module")
def watched(checks: Guest, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """Give a guest whose enclave runs under the filter."""
    return replace(checks, enclave=filtered(checks.enclave, tmp_path_factory.mktemp("filtered")))


def test_the_filter_kills_an_ordinary_program(tmp_path: Path) -> None:
    done = subprocess.run([filtered(Path("/bin/true"), tmp_path)], check=False)
    assert done.returncode == -31  # SIGSYS


def test_python_makes_no_host_call(watched: Guest) -> None:
    script = (
        "import subprocess, threading, json, os, hashlib, sqlite3; "
        "t = threading.Thread(target=print, args=('thread',)); t.start(); t.join(); "
        "print(subprocess.run(['uname', '-m'], capture_output=True).stdout); "
        "open('/tmp/f', 'w').write('x' * 100000); print(os.stat('/tmp/f').st_size)"
    )
    assert watched.output("python3", "-c", script) == "thread\nb'x86_64\\n'\n100000\n"


def test_a_pipeline_of_bash_makes_no_host_call(watched: Guest) -> None:
    script = (
        "for i in $(seq 20); do (echo $i | cat) & done; wait; "
        "trap : USR1; kill -USR1 $$; ls -l /usr/bin | wc -l"
    )
    assert int(watched.output("bash", "-c", script).splitlines()[-1]) > 50


def test_redis_makes_no_host_call(watched: Guest) -> None:
    assert "Redis server v=" in watched.output("/usr/bin/redis-server", "--version")
    script = (
        "redis-server --save '' --daemonize yes --dir /tmp --unixsocket /tmp/r >/dev/null; "
        "while ! redis-cli -s /tmp/r ping; do sleep 0.01; done; redis-cli -s /tmp/r set a 1; "
        "redis-cli -s /tmp/r bgsave; redis-cli -s /tmp/r get a"
    )
    assert watched.output("bash", "-c", script).endswith("1\n")


def test_sqlite_makes_no_host_call(watched: Guest) -> None:
    sql = "pragma journal_mode=wal; create table t(a); insert into t values (42); select a from t;"
    assert watched.output("sqlite3", "/tmp/test.db", sql) == "wal\n42\n"


# Fresh code, lone syscall instructions, jumps into the middle, 32-bit entries, bad pointers.
@pytest.mark.parametrize("program", ["capture", "efault", "faults", "processes", "registers"])
@pytest.mark.parametrize("variant", ["dynamic", "static"])
def test_no_check_makes_a_host_call(watched: Guest, program: str, variant: str) -> None:
    done = watched.run(f"/mnt/{variant}/{program}", timeout=120)
    assert done.returncode in (0, 1), done.stderr  # what fails is told by another test


def test_most_calls_of_a_glibc_program_are_rewritten(guest: Guest) -> None:
    script = (
        "import os; r, w = os.pipe(); [(os.write(w, b'x'), os.read(r, 1)) for _ in range(20000)]"
    )
    done = guest.with_options("--stats").run("python3", "-c", script)
    calls, trapped = counted(done.stderr)
    assert calls > 40000
    assert trapped < 4000


def test_so_are_those_of_a_program_with_threads(guest: Guest) -> None:
    script = (
        "import socket, threading; a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); "
        "e = threading.Event(); t = threading.Thread(target=e.wait); t.start(); "
        "[(a.sendall(b'x'), b.recv(1)) for _ in range(10000)]; e.set(); t.join()"
    )
    done = guest.with_options("--stats").run("python3", "-c", script)
    calls, trapped = counted(done.stderr)
    assert calls > 20000
    assert trapped < 4000


def counted(stderr: str) -> tuple[int, int]:
    """Return system calls and trapped calls of --stats."""
    found = re.search(r"system calls (\d+), trapped (\d+)", stderr)
    assert found, stderr
    return int(found[1]), int(found[2])


MUSL = CHECKOUT / "build" / "libc"
MUSL_PROGRAM = r"""
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int fds[2];

static void *writer(void *unused)
{
	char c = 'x';

	for (int i = 0; i < 5000; i++)
		if (write(fds[1], &c, 1) != 1)
			abort();
	return unused;
}

int main(void)
{
	pthread_t thread;
	char c;
	int status;

	if (pipe(fds) || pthread_create(&thread, NULL, writer, NULL))
		return 1;
	for (int i = 0; i < 5000; i++)
		if (read(fds[0], &c, 1) != 1 || c != 'x')
			return 2;
	pthread_join(thread, NULL);
	if (!fork())
		_exit(7);
	if (wait(&status) < 0 || WEXITSTATUS(status) != 7)
		return 3;
	void *big = malloc(50 << 20);
	memset(big, 1, 50 << 20);
	printf("good %d\n", getppid() > 0);
	return 0;
}
"""


@pytest.fixture(scope="module")
def musl(guest: Guest, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """Give an image with nothing but musl programs, one with Debian's own musl."""
    folder = tmp_path_factory.mktemp("musl")
    root, source = folder / "root", folder / "musl.c"
    for name in ("lib", "proc", "sys", "dev", "run", "tmp", "etc"):
        (root / name).mkdir(parents=True)
    source.write_text(MUSL_PROGRAM)
    ours = MUSL / "bin" / "rkt-io-musl-gcc"
    host(ours, "-static", "-O2", "-o", root / "static", source)
    host(ours, "-static-pie", "-O2", "-o", root / "static-pie", source)
    host("musl-gcc", "-O2", "-o", root / "dynamic", source)
    host("cp", "-L", "/lib/ld-musl-x86_64.so.1", root / "lib")
    image = folder / "musl.img"
    host(CHECKOUT / "bin" / "rkt-io-disk", "create", "--directory", root, "--size", "32M", image)
    return replace(guest, image=image)


@pytest.mark.needs("musl-gcc")
@pytest.mark.parametrize("program", ["static", "static-pie", "dynamic"])
def test_a_musl_program_enters_without_traps(musl: Guest, program: str) -> None:
    done = musl.with_options("--stats").run(f"/{program}")
    assert (done.returncode, done.stdout) == (0, "good 1\n"), done.stderr
    calls, trapped = counted(done.stderr)
    assert calls > 10000
    assert trapped < 100  # init's own, signal returns, restarts
