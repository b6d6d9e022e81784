# SPDX-License-Identifier: Apache-2.0
"""Python in the enclave: threads, signals, processes, shared memory, sockets, faults."""

from __future__ import annotations

import textwrap

import pytest

from tests.functional.programs.conftest import Guest

pytestmark = pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap")

# Each prints "good" at its end, or an assertion's traceback.
SCRIPTS = {
    "busy threads both make progress": """
        import threading, time
        counts, stop = [0, 0], time.monotonic() + 0.5
        def count(i):
            while time.monotonic() < stop:
                counts[i] += 1
        threads = [threading.Thread(target=count, args=(i,)) for i in (0, 1)]
        [t.start() for t in threads]; [t.join() for t in threads]
        assert min(counts) * 5 > max(counts) > 1000, counts
    """,
    "an alarm interrupts a busy loop": """
        import signal, time
        class Alarm(Exception): pass
        def ring(*_): raise Alarm
        signal.signal(signal.SIGALRM, ring)
        for _ in range(5):
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            n = 0
            try:
                while True: n += 1
            except Alarm: assert n > 1000
    """,
    "a subprocess takes and gives a megabyte": """
        import os, subprocess
        data = os.urandom(1 << 20)
        for _ in range(3):
            done = subprocess.run(["cat"], input=data, capture_output=True, check=True)
            assert done.stdout == data
        done = subprocess.run(["tr", "a-z", "A-Z"], input=b"abc", capture_output=True)
        assert done.stdout == b"ABC"
    """,
    "subprocesses fail as they should": """
        import subprocess
        assert subprocess.run(["sh", "-c", "exit 3"]).returncode == 3
        assert subprocess.run(["sh", "-c", "kill -9 $$"]).returncode == -9
        try: subprocess.run(["/no/such"])
        except FileNotFoundError: pass
        else: assert False
        try: subprocess.run(["sleep", "10"], timeout=0.05)
        except subprocess.TimeoutExpired: pass
        else: assert False
    """,
    "a hundred subprocesses run from threads": """
        import subprocess
        from concurrent.futures import ThreadPoolExecutor
        def run(i): return subprocess.run(["sh", "-c", f"exit {i}"]).returncode
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(run, range(100))) == list(range(100))
    """,
    "a pool of forked workers": """
        import multiprocessing
        with multiprocessing.get_context("fork").Pool(4) as pool:
            assert pool.map(abs, range(-500, 0)) == list(range(500, 0, -1))
    """,
    "a pool of spawned workers": """
        import multiprocessing
        if __name__ == "__main__":
            with multiprocessing.get_context("forkserver").Pool(2) as pool:
                assert pool.map(abs, [-1, -2]) == [1, 2]
    """,
    "shared memory is coherent": """
        import mmap, os
        shared = mmap.mmap(-1, 1 << 20)
        r, w = os.pipe()
        if os.fork() == 0:
            for i in range(0, 1 << 20, 4096): shared[i] = i // 4096 % 251
            os.write(w, b"x"); os._exit(0)
        os.read(r, 1)
        assert all(shared[i] == i // 4096 % 251 for i in range(0, 1 << 20, 4096))
        assert os.wait()[1] == 0
    """,
    "shared memory by name": """
        from multiprocessing import Process, shared_memory
        block = shared_memory.SharedMemory(create=True, size=100000)
        def fill():
            other = shared_memory.SharedMemory(name=block.name)
            other.buf[:5] = b"child"; other.close()
        p = Process(target=fill); p.start(); p.join()
        assert bytes(block.buf[:5]) == b"child" and p.exitcode == 0
        block.close(); block.unlink()
    """,
    "fork keeps a heap apart": """
        import os
        data = {i: str(i) * 10 for i in range(50000)}
        pids = []
        for n in range(4):
            pid = os.fork()
            if not pid:
                for i in range(0, 50000, 3): data[i] = n
                ok = all(data[i] == (n if i % 3 == 0 else str(i) * 10) for i in data)
                os._exit(0 if ok else 1)
            pids.append(pid)
        for i in range(1, 50000, 3): data[i] = None
        assert all(os.waitpid(pid, 0)[1] == 0 for pid in pids)
        assert all(data[i] == (None if i % 3 == 1 else str(i) * 10) for i in data)
    """,
    "asyncio serves over loopback": """
        import asyncio
        async def echo(reader, writer):
            while data := await reader.read(65536):
                writer.write(data); await writer.drain()
            writer.close()
        async def client(port, n):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            data = bytes([n]) * 200000
            writer.write(data); await writer.drain()
            assert await reader.readexactly(len(data)) == data
            writer.close()
        async def main():
            server = await asyncio.start_server(echo, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            await asyncio.gather(*(client(port, n) for n in range(30)))
            server.close()
        asyncio.run(main())
    """,
    "asyncio runs subprocesses": """
        import asyncio
        async def main():
            async def one(n):
                p = await asyncio.create_subprocess_exec("sh", "-c", f"echo {n}", stdout=-1)
                return (await p.communicate())[0]
            assert await asyncio.gather(*map(one, range(10))) == [b"%d\\n" % n for n in range(10)]
        asyncio.run(main())
    """,
    "all kinds of sockets": """
        import socket, threading
        for family, address in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0)),
                                (socket.AF_UNIX, "\\0abstract")):
            server = socket.socket(family); server.bind(address); server.listen()
            client = socket.socket(family); client.connect(server.getsockname())
            peer, _ = server.accept()
            def send(): client.sendall(b"x" * 3000000); client.close()
            sender = threading.Thread(target=send); sender.start()
            got = 0
            while n := len(peer.recv(1 << 16)): got += n
            sender.join()
            assert got == 3000000, got
    """,
    "a bad pointer is EFAULT": """
        import ctypes, errno, os
        libc = ctypes.CDLL(None, use_errno=True)
        r, w = os.pipe(); os.write(w, b"1234")
        assert libc.read(r, ctypes.c_void_p(8), 4) == -1 and ctypes.get_errno() == errno.EFAULT
        assert libc.write(w, ctypes.c_void_p(-4096), 4) == -1 and ctypes.get_errno() == errno.EFAULT
        assert os.read(r, 4) == b"1234"
    """,
    "files": """
        import os, tempfile, mmap, hashlib
        data = os.urandom(3 << 20)
        with tempfile.NamedTemporaryFile(dir="/tmp") as f:
            f.write(data); f.flush(); os.fsync(f.fileno())
            with open(f.name, "rb") as g: assert g.read() == data
            m = mmap.mmap(f.fileno(), 0)
            assert hashlib.sha256(m).digest() == hashlib.sha256(data).digest()
            m[5] = 7; m.flush()
            assert os.pread(f.fileno(), 1, 5) == bytes([7])
    """,
    "sqlite in memory and threads": """
        import sqlite3, threading
        def work(n):
            db = sqlite3.connect(f"/tmp/{n}.db"); db.execute("pragma journal_mode=wal")
            db.execute("create table t(a integer primary key, b)")
            for i in range(300):
                with db: db.execute("insert into t(b) values (?)", (i,))
            assert db.execute("select sum(b) from t").fetchone() == (44850,)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        [t.start() for t in threads]; [t.join() for t in threads]
    """,
    "signals between processes": """
        import os, signal, time
        got = []
        signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
        for _ in range(20):
            pid = os.fork()
            if not pid: os.kill(os.getppid(), signal.SIGUSR1); os._exit(0)
            os.waitpid(pid, 0)
        assert len(got) == 20, got
    """,
    "a memory error is raised": """
        try: x = bytearray(1 << 60)
        except MemoryError: pass
        else: assert False
    """,
    "ptys": """
        import os, pty
        pid, fd = pty.fork()
        if not pid: os.execvp("sh", ["sh", "-c", "test -t 0 && echo terminal"])
        assert b"terminal" in os.read(fd, 100)
        assert os.waitpid(pid, 0)[1] == 0
    """,
    "inotify, eventfd, timers by select": """
        import os, select, signal, time
        fd = os.eventfd(0)
        assert select.select([fd], [], [], 0.01)[0] == []
        os.eventfd_write(fd, 3)
        assert select.select([fd], [], [], 1)[0] == [fd] and os.eventfd_read(fd) == 3
        start = time.monotonic(); select.poll().poll(30)
        assert 0.03 <= time.monotonic() - start < 0.2
    """,
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_works_as_on_linux(guest: Guest, script: str) -> None:
    source = textwrap.dedent(SCRIPTS[script])
    start = f"import sys\nopen('/tmp/script.py', 'w').write({source!r} + '\\nprint(\"good\")\\n')"
    run = "import os; os.execvp('python3', ['python3', '/tmp/script.py'])"
    done = guest.run("python3", "-c", f"{start}\n{run}")
    assert "good" in done.stdout and done.returncode == 0, done.stdout + done.stderr


def test_faulthandler_shows_where_python_died(guest: Guest) -> None:
    script = "import faulthandler, ctypes; faulthandler.enable(); ctypes.string_at(8)"
    done = guest.run("python3", "-c", script)
    assert done.returncode == 139
    assert "Segmentation fault" in done.stderr
    assert "string_at" in done.stderr


def test_an_unhandled_exception_is_status_1(guest: Guest) -> None:
    done = guest.run("python3", "-c", "raise ValueError('told')")
    assert done.returncode == 1
    assert "ValueError: told" in done.stderr
