// SPDX-License-Identifier: GPL-2.0-only
/* Chooses the TEE's back end, and starts what it needs, before the lock-down. */
#include <errno.h>
#include <fcntl.h>
#include <immintrin.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "launch.h"
#include "runtime.h"
#include "tee.h"

#define TSM_FOLDER "/sys/kernel/config/tsm/report"

enum { RDRAND_TRIES = 10, CPUID_RDRAND = 1 << 30 };

/* configfs-tsm's names (Documentation/ABI/testing/configfs-tsm). */
static const char *provider(enum rktio_tee kind)
{
	return kind == RKTIO_TEE_SNP ? "sev_guest" : "tdx_guest";
}

/* The agent has the socket and standard error, and nothing else of ours. */
__attribute__((noreturn))
static void start_child(const char *folder, int socket, pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent ||
	    dup2(socket, STDIN_FILENO) < 0 || close_range(STDERR_FILENO + 1, ~0U, 0))
		_exit(1);
	close(STDOUT_FILENO);
	prctl(PR_SET_DUMPABLE, 0);
	rt_tee_agent(folder, STDIN_FILENO);
}

static void start_agent(const char *folder)
{
	pid_t parent = getpid(), child;
	int sockets[2];

	rt_tee_agent_probe(folder, provider(rt_tee.kind));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) ||
	    fcntl(sockets[0], F_SETFL, O_NONBLOCK))
		rt_fail("tee: cannot make a socket: %s", strerror(errno));
	child = fork();
	if (child < 0)
		rt_fail("tee: cannot start the agent: %s", strerror(errno));
	if (!child)
		start_child(folder, sockets[1], parent);
	close(sockets[1]);
	rt_tee.socket = sockets[0];
}

void rt_tee_start(const struct rt_launch *launch)
{
	rt_tee.kind = launch->tee;
	if (rt_tee.kind != RKTIO_TEE_PROCESS)
		start_agent(launch->insecure_tsm ? launch->insecure_tsm : TSM_FOLDER);
	else if (launch->keys)
		fprintf(stderr, "rkt-io: not a TEE: an ordinary process, whose host can read the keys that it gets\n");
}

static bool has_rdrand(void)
{
	unsigned int a = 1, b, c = 0, d;

	asm volatile("cpuid" : "+a" (a), "=b" (b), "+c" (c), "=d" (d));
	return c & CPUID_RDRAND;
}

__attribute__((target("rdrnd")))
static bool rdrand(unsigned long long *ret)
{
	for (int i = 0; i < RDRAND_TRIES; i++)
		if (_rdrand64_step(ret))
			return true;
	return false;
}

void rt_tee_start_random(unsigned char *seed, unsigned long bytes)
{
	unsigned long long word, last = 0;
	unsigned long i;

	if (getrandom(seed, bytes, 0) != (ssize_t)bytes)
		rt_fail("the host gives no random numbers: %s", strerror(errno));
	if (rt_tee.kind == RKTIO_TEE_PROCESS)
		return;		/* the library kernel mixes RDRAND in where there is one */
	for (i = 0; i < bytes; i++) {
		if (i % sizeof(word) == 0) {
			if (!has_rdrand() || !rdrand(&word) || word == last)
				rt_fail("tee: RDRAND gives no random numbers, and a host's alone are not enough in a TEE");
			last = word;
		}
		seed[i] ^= word >> 8 * (i % sizeof(word));
	}
}
