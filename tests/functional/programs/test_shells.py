# SPDX-License-Identifier: Apache-2.0
"""dash and bash: pipes, subshells, jobs, here-documents, signals and statuses."""

from __future__ import annotations

import signal

import pytest

from tests.functional.programs.conftest import Guest

pytestmark = [
    pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap"),
    pytest.mark.parametrize("shell", ["/bin/dash", "/bin/bash"]),
]

SCRIPTS = {
    "pipeline": ("printf 'b\\na\\nc\\n' | sort | tr a-z A-Z | paste -sd, -", "A,B,C"),
    "long pipeline": ("seq 100000 | cat | cat | cat | cat | cat | tail -n 1", "100000"),
    "subshell": ("x=1; (x=2; echo $x); echo $x", "2\n1"),
    "nested substitution": ("echo $(echo a$(echo b$(echo c)))", "abc"),
    "here document": ("n=5; cat <<END | wc -l\none $n\ntwo\nEND", "2"),
    "large here document": ("cat <<END | wc -c\n" + "x" * 70000 + "\nEND", "70001"),
    "background": ("sleep 0.05 & p=$!; wait $p; echo $?", "0"),
    "several jobs": (
        'for i in 3 1 2; do (sleep 0.0$i; exit $i) & p="$p $!"; done; '
        "for i in $p; do wait $i; echo $?; done",
        "3\n1\n2",
    ),
    "status of a child": ("sh -c 'exit 42'; echo $?", "42"),
    "not found": ("/no/such; echo $?; nosuch; echo $?", "127\n127"),
    "not executable": ("/etc/passwd; echo $?", "126"),
    "killed child": ("sh -c 'kill -9 $$'; echo $?", "137"),
    "terminated child": ("sleep 100 & kill $!; wait $!; echo $?", "143"),
    "killed background": ("sleep 100 & kill -9 $!; wait $!; echo $?", "137"),
    "trap": ("trap 'echo trapped' USR1; kill -USR1 $$; echo after", "trapped\nafter"),
    "trap at exit": ("trap 'echo bye' EXIT; echo hi", "hi\nbye"),
    "interrupted wait": (
        "trap 'echo alarm' USR1; (sleep 0.05; kill -USR1 $$) & sleep 100 & s=$!; "
        "while :; do wait $s; [ $? -gt 128 ] && break; done; kill $s; echo done",
        "alarm\ndone",
    ),
    "ignored signal": ("trap '' TERM; sh -c 'kill $$; echo still here'", "still here"),
    "stop and continue": (
        "sleep 0.3 & kill -STOP $!; grep State /proc/$!/status; kill -CONT $!; wait $!; echo $?",
        "State:\tT (stopped)\n0",
    ),
    "broken pipe": ("(trap '' PIPE; yes 2>/dev/null; echo $? >&2) 2>&1 >/dev/full | head -1", "1"),
    "head ends yes": ("yes | head -n 2", "y\ny"),
    "named pipe": ("mkfifo /tmp/f; (echo through >/tmp/f) & cat /tmp/f; wait", "through"),
    "redirections": ("(echo out; echo err >&2) 2>/tmp/e >/tmp/o; cat /tmp/o /tmp/e", "out\nerr"),
    "exec": ("exec 3>/tmp/x; echo three >&3; exec 3>&-; exec cat /tmp/x", "three"),
    "loop over programs": ("i=0; while [ $i -lt 50 ]; do i=$(expr $i + 1); done; echo $i", "50"),
    "arguments": ('set -- a \'b c\' d; echo $# "$2"; shift; echo "$*"', "3 b c\nb c d"),
    "orphan": (
        "sh -c '(sleep 0.2; echo late) & echo $!' >/tmp/o; sleep 0.4; tail -n 1 /tmp/o",
        "late",
    ),
    "umask and modes": ("umask 077; : >/tmp/m; ls -l /tmp/m | cut -c1-10", "-rw-------"),
    "glob": ("cd /tmp; touch a1 a2 b1; echo a*", "a1 a2"),
    "times": ("read a b </proc/uptime; case $a in *.*) echo ok;; esac", "ok"),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_prints_what_it_does_on_linux(guest: Guest, shell: str, script: str) -> None:
    words, expected = SCRIPTS[script]
    done = guest.run(shell, "-c", words)
    assert (done.stdout.rstrip("\n"), done.returncode) == (expected, 0), done.stderr


STATUSES = {
    "exit 0": 0,
    "exit 1": 1,
    "exit 255": 255,
    "kill -9 $$": 137,
    "kill -TERM $$": 143,
    "kill -SEGV $$": 139,
    "/no/such": 127,
    "/etc/passwd": 126,
    "false": 1,
    "sh -c 'kill -9 $$'": 137,
    "exec sh -c 'kill -ABRT $$'": 134,
    "sleep 100 & exit 5": 5,
}


@pytest.mark.parametrize("script", STATUSES)
def test_the_status_is_the_programs(guest: Guest, shell: str, script: str) -> None:
    assert guest.run(shell, "-c", script).returncode == STATUSES[script]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_from_outside_reaches_the_program(
    guest: Guest, shell: str, number: signal.Signals
) -> None:
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo got {name}; exit 9' {name}; echo ready; while :; do sleep 0.01; done"
    with guest.start(shell, "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == f"got {name}\n".encode()
        assert process.wait(10) == 9


def test_an_untrapped_signal_ends_a_busy_shell(guest: Guest, shell: str) -> None:
    with guest.start(shell, "-c", "echo ready; while :; do :; done") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM


def test_a_script_of_many_processes_counts_right(guest: Guest, shell: str) -> None:
    script = "for i in $(seq 40); do (for j in 1 2 3; do echo $i $j; done | cat) & done; wait"
    lines = guest.output(shell, "-c", script).splitlines()
    assert sorted(lines) == sorted(f"{i} {j}" for i in range(1, 41) for j in (1, 2, 3))
