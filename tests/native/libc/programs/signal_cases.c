/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: delivery, restart, interruption, alternate stacks, non-local exit. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"

static volatile sig_atomic_t caught, sender, value;

static void count(int sig, siginfo_t *info, void *context)
{
	(void)context;
	caught++;
	sender = info->si_pid;
	value = info->si_value.sival_int;
	CHECK(sig == SIGUSR1);
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_flags = flags | SA_SIGINFO };

	action.sa_sigaction = handler;
	CHECK(!sigaction(sig, &action, NULL));
}

void test_signals(void)
{
	struct sigaction old;
	sigset_t set;
	int sig;

	handle(SIGUSR1, count, 0);
	CHECK(!sigaction(SIGUSR1, NULL, &old) && old.sa_sigaction == count);
	for (int i = 1; i <= 1000; i++) {
		CHECK(!kill(getpid(), SIGUSR1));
		CHECK(caught == i && sender == getpid());
	}
	CHECK(!sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 77 }));
	CHECK(value == 77);

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(!pthread_sigmask(SIG_BLOCK, &set, NULL));
	CHECK(!raise(SIGUSR1) && caught == 1001);
	CHECK(!sigwait(&set, &sig) && sig == SIGUSR1 && caught == 1001);
	CHECK(!pthread_sigmask(SIG_UNBLOCK, &set, NULL));
}

static void disturb(pid_t target, int times)
{
	for (int i = 0; i < times; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
		kill(target, SIGUSR1);
	}
}

void test_signal_restart(void)
{
	struct timespec left, tenth = { .tv_nsec = 100000000 };
	pid_t parent = getpid(), child;
	int channel[2], status;
	char byte;

	CHECK(!pipe(channel));
	handle(SIGUSR1, count, SA_RESTART);
	child = fork();
	if (!child) {
		disturb(parent, 20);
		_exit(write(channel[1], "x", 1) != 1);
	}
	caught = 0;
	CHECK(read(channel[0], &byte, 1) == 1 && byte == 'x');
	CHECK(caught > 0);
	CHECK(waitpid(child, &status, 0) == child && !status);

	handle(SIGUSR1, count, 0);
	child = fork();
	if (!child) {
		disturb(parent, 1);
		_exit(0);
	}
	CHECK(nanosleep(&tenth, &left) == -1 && errno == EINTR);
	CHECK(left.tv_nsec > 0 && left.tv_nsec < tenth.tv_nsec);
	CHECK(waitpid(child, &status, 0) == child && !status);
}

static char *stack;
static const size_t stack_bytes = 65536;
static sigjmp_buf back;
static volatile char *volatile nowhere = (char *)16;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	char here;

	(void)sig;
	(void)context;
	CHECK(&here >= stack && &here < stack + stack_bytes);
	CHECK(info->si_addr == nowhere);
	CHECK(getpid() > 0);
	siglongjmp(back, 1);
}

void test_signal_stack(void)
{
	stack_t alternate = { .ss_size = stack_bytes };
	volatile int faults = 0;

	alternate.ss_sp = stack = malloc(stack_bytes);
	CHECK(!sigaltstack(&alternate, NULL));
	handle(SIGSEGV, on_fault, SA_ONSTACK);
	while (faults < 100) {
		if (sigsetjmp(back, 1))
			faults++;
		else
			*nowhere = 1;
	}
	signal(SIGSEGV, SIG_DFL);
}
