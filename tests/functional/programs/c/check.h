/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program of checks: each case runs in a child of its own, so that one that
 * dies is a line of the report, not its end. With a name, only that case runs,
 * and in this very process.
 */
#ifndef CHECK_H
#define CHECK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CASE_SECONDS 20
#define PAGE 4096UL

#define CHECK(what)                                                            \
	do {                                                                   \
		if (!(what)) {                                                 \
			printf("  %s:%d: not so: %s (errno %d)\n", __FILE__,   \
			       __LINE__, #what, errno);                        \
			fflush(stdout);                                        \
			_exit(1);                                              \
		}                                                              \
	} while (0)

#define CHECK_EQUAL(a, b)                                                      \
	do {                                                                   \
		long a_ = (long)(a), b_ = (long)(b);                           \
		if (a_ != b_) {                                                \
			printf("  %s:%d: %s is %ld (0x%lx), not %ld (0x%lx), " \
			       "errno %d\n",                                   \
			       __FILE__, __LINE__, #a, a_, a_, b_, b_, errno); \
			fflush(stdout);                                        \
			_exit(1);                                              \
		}                                                              \
	} while (0)

struct test_case {
	const char *name;
	void (*run)(void);
};

#define CASE(name) { #name, name }

/* The status that a child ends with: its own, or 128+n. */
static inline int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static inline int run_forked(void (*run)(void))
{
	pid_t pid = fork();

	if (!pid) {
		alarm(CASE_SECONDS);
		run();
		fflush(stdout);
		_exit(0);
	}
	return status_of(pid);
}

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline void tick_every(long us)
{
	struct itimerval interval = { { 0, us }, { 0, us } };

	CHECK(!setitimer(ITIMER_REAL, &interval, NULL));
}

static inline void alarm_in(long us)
{
	struct itimerval once = { { 0, 0 }, { 0, us } };

	CHECK(!setitimer(ITIMER_REAL, &once, NULL));
}

static inline void on(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler,
				    .sa_flags = SA_SIGINFO | flags };

	CHECK(!sigaction(sig, &action, NULL));
}

static inline void *anonymous(size_t bytes, int protection)
{
	void *at = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	return at;
}

static inline int run_cases(const struct test_case *cases, size_t n, const char *only)
{
	int failed = 0, found = 0;

	for (size_t i = 0; i < n; i++) {
		int status;

		if (only && strcmp(only, cases[i].name) != 0)
			continue;
		found++;
		fflush(stdout);
		if (only) {
			cases[i].run();
			status = 0;
		} else {
			status = run_forked(cases[i].run);
		}
		if (status)
			failed++;
		printf(status ? "FAIL %s: status %d\n" : "ok %s\n", cases[i].name, status);
	}
	fflush(stdout);
	return failed || !found;
}

#define CASES(...)                                                             \
	int main(int argc, char **argv)                                        \
	{                                                                      \
		static const struct test_case cases[] = { __VA_ARGS__ };       \
		return run_cases(cases, sizeof(cases) / sizeof(*cases),        \
				 argc > 1 ? argv[1] : NULL);                   \
	}
#endif
