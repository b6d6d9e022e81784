// SPDX-License-Identifier: Apache-2.0
/* A bad pointer in a system call is EFAULT, never death and never success. */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

static int zero, pipes[2], sockets[2], epoll, folder, nobody;

static void open_all(void)
{
	struct epoll_event event = { .events = EPOLLOUT };

	zero = open("/dev/zero", O_RDWR);
	folder = open("/", O_RDONLY | O_DIRECTORY);
	nobody = socket(AF_UNIX, SOCK_STREAM, 0);
	epoll = epoll_create1(0);
	CHECK(zero >= 0 && folder >= 0 && epoll >= 0 && nobody >= 0 && !pipe(pipes));
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	CHECK(!epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[1], &event));
	CHECK(write(sockets[1], "12345678", 8) == 8);
}

struct call {
	const char *name;
	long nr, a[6];
	unsigned int at;	/* which argument is the pointer */
};

#define READS 0x10	/* the kernel only reads there: a read-only page is fine */

static char buffer[256];

/* Whether the call went wrong. */
static int is_wrong(const struct call *c, unsigned long pointer)
{
	long a[6], ret;

	memcpy(a, c->a, sizeof(a));
	a[c->at & 7] = (long)pointer;
	errno = 0;
	ret = syscall(c->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (ret == -1 && errno == EFAULT)
		return 0;
	printf("  %s(%#lx) gave %ld, errno %d\n", c->name, pointer, ret, errno);
	fflush(stdout);
	return 1;
}

#define CALL(name, at, ...) { #name, SYS_##name, { __VA_ARGS__ }, at }

static void check_calls(unsigned long pointer, int readable)
{
	struct iovec good = { buffer, 8 };
	long g = (long)&good, b = (long)buffer;
	const struct call calls[] = {
		CALL(read, 1, zero, 0, 8),
		CALL(write, 1 | READS, pipes[1], 0, 8),
		CALL(pread64, 1, zero, 0, 8, 0),
		CALL(readv, 1 | READS, zero, 0, 1),
		CALL(writev, 1 | READS, pipes[1], 0, 1),
		CALL(open, 0 | READS, 0, O_RDONLY, 0),
		CALL(openat, 1 | READS, AT_FDCWD, 0, O_RDONLY, 0),
		CALL(stat, 0 | READS, 0, b),
		CALL(stat, 1, (long)"/", 0),
		CALL(newfstatat, 2, AT_FDCWD, (long)"/", 0, 0),
		CALL(statx, 4, AT_FDCWD, (long)"/", 0, 0x7ff, 0),
		CALL(getdents64, 1, folder, 0, 4096),
		CALL(getcwd, 0, 0, 4096),
		CALL(readlink, 1, (long)"/proc/self/exe", 0, 64),
		CALL(access, 0 | READS, 0, 0),
		CALL(pipe2, 0, 0, 0),
		CALL(execve, 0 | READS, 0, 0, 0),
		CALL(futex, 0 | READS, 0, 0 /* wait */, 0, 0, 0, 0),
		CALL(futex, 3 | READS, b, 0, 0, 0, 0, 0),
		CALL(rt_sigaction, 1 | READS, SIGUSR1, 0, 0, 8),
		CALL(rt_sigaction, 2, SIGUSR1, 0, 0, 8),
		CALL(rt_sigprocmask, 1 | READS, SIG_BLOCK, 0, 0, 8),
		CALL(rt_sigprocmask, 2, SIG_BLOCK, 0, 0, 8),
		CALL(rt_sigpending, 0, 0, 8),
		CALL(sigaltstack, 0 | READS, 0, 0),
		CALL(sigaltstack, 1, 0, 0),
		CALL(rt_sigtimedwait, 0 | READS, 0, 0, 0, 8),
		CALL(clock_gettime, 1, CLOCK_MONOTONIC, 0),
		CALL(clock_getres, 1, CLOCK_MONOTONIC, 0),
		CALL(gettimeofday, 0, 0, 0),
		CALL(time, 0, 0),
		CALL(nanosleep, 0 | READS, 0, 0),
		CALL(timer_create, 2, CLOCK_MONOTONIC, 0, 0),
		CALL(setitimer, 1 | READS, 0, 0, 0),
		CALL(uname, 0, 0),
		CALL(sysinfo, 0, 0),
		CALL(getrusage, 1, 0, 0),
		CALL(prlimit64, 3, 0, 7, 0, 0),
		CALL(times, 0, 0),
		CALL(poll, 0, 0, 1, 0),
		CALL(select, 1 | READS, 4, 0, 0, 0, 0),
		CALL(epoll_ctl, 3 | READS, epoll, EPOLL_CTL_ADD, zero, 0),
		CALL(epoll_wait, 1, epoll, 0, 1, 0),
		CALL(connect, 1 | READS, nobody, 0, 16),
		CALL(getsockname, 2, nobody, b, 0),
		CALL(getsockopt, 4, nobody, SOL_SOCKET, SO_TYPE, b, 0),
		CALL(setsockopt, 3 | READS, nobody, SOL_SOCKET, SO_RCVBUF, 0, 4),
		CALL(sendto, 1 | READS, sockets[0], 0, 8, 0, 0, 0),
		CALL(recvfrom, 1, sockets[0], 0, 8, MSG_PEEK, 0, 0),
		CALL(sendmsg, 1 | READS, sockets[0], 0, 0),
		CALL(recvmsg, 1 | READS, sockets[0], 0, MSG_DONTWAIT),
		CALL(sendfile, 2, pipes[1], zero, 0, 8),
		CALL(getrandom, 0, 0, 8, 0),
		CALL(sched_getaffinity, 2, 0, 128, 0),
		CALL(sched_setaffinity, 2 | READS, 0, 8, 0),
		CALL(prctl, 1, PR_GET_NAME, 0),
		CALL(capget, 0 | READS, 0, b),
		CALL(arch_prctl, 1, 0x1003 /* ARCH_GET_FS */, 0),
		CALL(process_vm_readv, 1 | READS, getpid(), 0, 1, g, 1, 0),
		CALL(getcpu, 0, 0, 0, 0),
		CALL(io_setup, 1, 1, 0),
		CALL(mincore, 2, (long)buffer & -4096L, 4096, 0),
		CALL(clone3, 0 | READS, 0, 64),
	};

	int wrong = 0;

	*(int *)buffer = 0;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (!readable || !(calls[i].at & READS))
			wrong |= is_wrong(&calls[i], pointer);
	if (wrong)
		_exit(1);
}

static void page_zero(void) { open_all(); check_calls(8, 0); }
static void low_page(void) { open_all(); check_calls(0x1000, 0); }
static void just_below_the_lowest_mapping(void) { open_all(); check_calls(0xf000, 0); }
static void the_enclaves_image(void) { open_all(); check_calls(0x70001000, 0); }
static void the_kernels_ram(void) { open_all(); check_calls(0x80002000, 0); }
static void the_kernels_vmalloc(void) { open_all(); check_calls(0x610000001000, 0); }
static void beyond_user_space(void) { open_all(); check_calls(0x640000001000, 0); }
static void non_canonical(void) { open_all(); check_calls(0x8000000000000000, 0); }
static void top_of_memory(void) { open_all(); check_calls(-4096UL, 0); }

static void a_hole(void)
{
	char *at = anonymous(3 * PAGE, PROT_READ | PROT_WRITE);

	open_all();
	munmap(at + PAGE, PAGE);
	check_calls((unsigned long)at + PAGE, 0);
}

static void a_touched_then_unmapped_page(void)
{
	char *at = anonymous(3 * PAGE, PROT_READ | PROT_WRITE);

	open_all();
	memset(at, 1, 3 * PAGE);
	munmap(at + PAGE, PAGE);
	check_calls((unsigned long)at + PAGE, 0);
}

static void a_page_without_access(void)
{
	char *at = anonymous(PAGE, PROT_READ | PROT_WRITE);

	open_all();
	memset(at, 1, PAGE);
	mprotect(at, PAGE, PROT_NONE);
	check_calls((unsigned long)at, 0);
}

static void a_read_only_page(void)
{
	char *at = anonymous(PAGE, PROT_READ | PROT_WRITE);

	open_all();
	memset(at, 0, PAGE);
	mprotect(at, PAGE, PROT_READ);
	check_calls((unsigned long)at, 1);
	for (unsigned long i = 0; i < PAGE; i++)
		CHECK(!at[i]);
}

static void copies_end_at_the_exact_byte(void)
{
	char *at = anonymous(2 * PAGE, PROT_READ | PROT_WRITE);

	open_all();
	munmap(at + PAGE, PAGE);
	for (unsigned long n = 1; n < 40; n++) {
		CHECK_EQUAL(write(pipes[1], at + PAGE - n, 64), -1);
		CHECK_EQUAL(errno, EFAULT);
		memset(at, 1, PAGE);
		CHECK_EQUAL(syscall(SYS_read, zero, at + PAGE - n, 64), n);
		CHECK_EQUAL(at[PAGE - n - 1], n == PAGE ? 0 : 1);
		CHECK_EQUAL(at[PAGE - 1], 0);
	}
	CHECK_EQUAL(syscall(SYS_read, zero, at, 2 * PAGE), PAGE);
}

static void a_path_may_end_where_memory_ends(void)
{
	char *at = anonymous(2 * PAGE, PROT_READ | PROT_WRITE);

	munmap(at + PAGE, PAGE);
	memset(at, '/', PAGE);
	for (unsigned long n = 2; n < 40; n++) {
		at[PAGE - 1] = 0;
		CHECK_EQUAL(access(at + PAGE - n, F_OK), 0);
		at[PAGE - 1] = '/';
		CHECK_EQUAL(access(at + PAGE - n, F_OK), -1);
		CHECK_EQUAL(errno, EFAULT);
	}
}

/* Copies into memory that was never touched, or is shared with a relative. */
static void good_pointers_work_before_the_first_touch(void)
{
	char *at = anonymous(64 * PAGE, PROT_READ | PROT_WRITE);

	open_all();
	CHECK_EQUAL(read(zero, at + 100, 8 * PAGE), 8 * PAGE);
	CHECK_EQUAL(write(pipes[1], at + 10 * PAGE, PAGE), PAGE);
	CHECK_EQUAL(read(pipes[0], at + 20 * PAGE - 7, PAGE), PAGE);
	at[30 * PAGE] = 7;
	if (!fork()) {
		CHECK_EQUAL(read(zero, at + 30 * PAGE, PAGE), PAGE);
		CHECK_EQUAL(at[30 * PAGE], 0);
		_exit(0);
	}
	CHECK_EQUAL(status_of(-1), 0);
	CHECK_EQUAL(at[30 * PAGE], 7);
}

CASES(CASE(page_zero), CASE(low_page), CASE(just_below_the_lowest_mapping),
      CASE(the_enclaves_image), CASE(the_kernels_ram), CASE(the_kernels_vmalloc),
      CASE(beyond_user_space), CASE(non_canonical), CASE(top_of_memory), CASE(a_hole),
      CASE(a_touched_then_unmapped_page), CASE(a_page_without_access), CASE(a_read_only_page),
      CASE(copies_end_at_the_exact_byte), CASE(a_path_may_end_where_memory_ends),
      CASE(good_pointers_work_before_the_first_touch))
