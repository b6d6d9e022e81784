// SPDX-License-Identifier: Apache-2.0
/* System calls that signals interrupt: restarted, or ended with EINTR, as Linux would. */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/select.h>

static volatile int count;

static void counted(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	count++;
}

/* A pipe that gets its byte after several signals. */
static int late_pipe(void)
{
	int fds[2];

	CHECK(!pipe(fds));
	if (!fork()) {
		usleep(60000);
		CHECK(write(fds[1], "x", 1) == 1);
		_exit(0);
	}
	close(fds[1]);
	return fds[0];
}

static void reads_are_restarted(void)
{
	char c = 0;
	int fd;

	on(SIGALRM, counted, SA_RESTART);
	for (int i = 0; i < 4; i++) {
		fd = late_pipe();
		tick_every(5000);
		CHECK_EQUAL(read(fd, &c, 1), 1);
		CHECK_EQUAL(c, 'x');
		CHECK_EQUAL(read(fd, &c, 1), 0);
		close(fd);
		CHECK_EQUAL(status_of(-1), 0);
	}
	CHECK(count > 10);
}

/* The call's own instruction is rewritten by then; so is its restart. */
static void reads_are_restarted_by_inline_calls(void)
{
	int fd, zero = open("/dev/zero", O_RDONLY);
	char c;

	on(SIGALRM, counted, SA_RESTART);
	for (int i = 0; i < 20; i++) {
		long ret, use = i < 16 ? zero : late_pipe();

		fd = (int)use;
		if (i >= 16)
			tick_every(5000);
		c = 1;
		asm volatile("mov $0, %%eax\n syscall" : "=&a"(ret) : "D"(use), "S"(&c), "d"(1L)
			     : "rcx", "r11", "memory");
		CHECK_EQUAL(ret, 1);
		CHECK_EQUAL(c, i < 16 ? 0 : 'x');
	}
	close(fd);
	CHECK(count > 10);
}

static void without_restart_it_is_eintr(void)
{
	struct pollfd never = { .fd = -1 };
	struct timespec left = { 0, 0 }, ask = { 5, 0 };
	int fds[2], value = 0;
	char c;

	CHECK(!pipe(fds));
	on(SIGALRM, counted, 0);
	for (int i = 0; i < 5; i++) {
		alarm_in(3000);
		CHECK_EQUAL(read(fds[0], &c, 1), -1);
		CHECK_EQUAL(errno, EINTR);
	}
	alarm_in(3000);
	CHECK_EQUAL(nanosleep(&ask, &left), -1);
	CHECK(errno == EINTR && left.tv_sec == 4);
	alarm_in(3000);
	CHECK_EQUAL(syscall(SYS_futex, &value, 0, 0, NULL, NULL, 0), -1);
	CHECK_EQUAL(errno, EINTR);
	on(SIGALRM, counted, SA_RESTART);
	alarm_in(3000);
	CHECK_EQUAL(poll(&never, 1, -1), -1);
	CHECK_EQUAL(errno, EINTR);
	alarm_in(3000);
	CHECK_EQUAL(pause(), -1);
	CHECK_EQUAL(errno, EINTR);
}

/* Stopped and continued without a handler: restart_syscall goes on with the rest. */
static void a_stopped_sleep_goes_on(void)
{
	pid_t pid;
	uint64_t start = now_ns();
	int status;

	pid = fork();
	if (!pid) {
		struct timespec ask = { 0, 200000000 };

		CHECK_EQUAL(nanosleep(&ask, NULL), 0);
		_exit(now_ns() - start < 190000000);
	}
	usleep(50000);
	kill(pid, SIGSTOP);
	CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	kill(pid, SIGCONT);
	CHECK_EQUAL(waitpid(pid, &status, WCONTINUED), pid);
	CHECK(WIFCONTINUED(status));
	CHECK_EQUAL(status_of(pid), 0);
}

static void sigsuspend_swaps_the_mask(void)
{
	sigset_t block, none;

	on(SIGUSR1, counted, 0);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	raise(SIGUSR1);
	CHECK_EQUAL(count, 0);
	CHECK_EQUAL(sigsuspend(&none), -1);
	CHECK_EQUAL(errno, EINTR);
	CHECK_EQUAL(count, 1);
	raise(SIGUSR1);
	CHECK_EQUAL(count, 1);
	CHECK_EQUAL(pselect(0, NULL, NULL, NULL, NULL, &none), -1);
	CHECK_EQUAL(count, 2);
}

CASES(CASE(reads_are_restarted),
      CASE(reads_are_restarted_by_inline_calls),
      CASE(without_restart_it_is_eintr),
      CASE(a_stopped_sleep_goes_on),
      CASE(sigsuspend_swaps_the_mask))
