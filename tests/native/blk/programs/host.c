// SPDX-License-Identifier: Apache-2.0
/* The real host behind the harness: its calls, its policy, its sleep. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "disk.h"
#include "hostcall.h"

static long result(long value)
{
	return value < 0 ? -errno : value;
}

long hostcall_io_uring_enter(int fd, unsigned int to_submit,
			     unsigned int min_complete, unsigned int flags)
{
	return result(syscall(SYS_io_uring_enter, fd, to_submit, min_complete,
			      flags, NULL, 0));
}

long hostcall_preadv(int fd, const struct iovec *iov, int count, long offset)
{
	return result(preadv(fd, iov, count, offset));
}

long hostcall_pwritev(int fd, const struct iovec *iov, int count, long offset)
{
	return result(pwritev(fd, iov, count, offset));
}

long hostcall_fdatasync(int fd)
{
	return result(fdatasync(fd));
}

void deny_io_uring(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

void wait_for_ring(void)
{
	struct pollfd ends[] = {
		{ rt_blk_ring_fd(the_ring), POLLIN, 0 },
		{ rt_blk_disk_fd(0), POLLIN, 0 },
	};

	if (rt_blk_arm(the_ring, true))
		return;
	CHECK(poll(ends, 2, 20000) > 0 || rt_blk_pending(the_ring, true));
}

long hostcall_read(int fd, void *buf, unsigned long bytes)
{
	return result(read(fd, buf, bytes));
}

long hostcall_write(int fd, const void *buf, unsigned long bytes)
{
	return result(write(fd, buf, bytes));
}

void rt_wait_del(int fd)
{
	(void)fd;
}
