// SPDX-License-Identifier: Apache-2.0
/* The host calls that shared-memory ports make; here the C library's will do. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../../enclave/runtime/hostcall.h"

void rt_wait_del(int fd);

void rt_wait_del(int fd)
{
	(void)fd;
}

static long result(long ret)
{
	return ret < 0 ? -errno : ret;
}

long hostcall_mmap(unsigned long addr, unsigned long bytes, int prot, int flags, int fd,
		   unsigned long offset)
{
	void *ret = mmap((void *)addr, bytes, prot, flags, fd, (off_t)offset);

	return ret == MAP_FAILED ? -errno : (long)ret;
}

long hostcall_munmap(unsigned long addr, unsigned long bytes)
{
	return result(munmap((void *)addr, bytes));
}

long hostcall_ppoll(struct pollfd *fds, unsigned int count, const struct timespec *timeout)
{
	return result(ppoll(fds, count, timeout, NULL));
}

long hostcall_read(int fd, void *buf, unsigned long bytes)
{
	return result(read(fd, buf, bytes));
}

long hostcall_write(int fd, const void *buf, unsigned long bytes)
{
	return result(write(fd, buf, bytes));
}

long hostcall_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return result(sendmsg(fd, msg, flags));
}

long hostcall_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return result(recvmsg(fd, msg, flags));
}

long hostcall_accept(int fd)
{
	return result(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
}

long hostcall_sched_yield(void)
{
	return result(sched_yield());
}

long hostcall_close(int fd)
{
	return result(close(fd));
}
